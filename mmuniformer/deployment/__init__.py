"""Models out of the training stack: files that run without it.

The way of a model: ``networks`` has it from pixels to results, ``tracing``
records it for any size, ``formats`` write the record and run it in its own
runtime, ``comparing`` looks whether the results are the same. ``description``
is what a file says of itself.
"""

from mmuniformer.deployment.formats import FORMATS, open_exported

__all__ = ['FORMATS', 'open_exported']
