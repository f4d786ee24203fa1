"""Times our backbones beside others, and measures their memory.

A *workload* is a model of the paper, its input, and what is done: inference
or a step of training. A *variant* is what runs it: the plain reference, ours
in one of its forms, or another model; in a number format, compiled or not. A
*comparison* times variants in turn on one workload. Its first variant is the
*baseline*, and no variant of the same function is timed unless it agrees.
"""
