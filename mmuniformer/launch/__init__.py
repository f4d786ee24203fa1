"""Starting the processes of a run, and starting them again.

:mod:`environment` is what the launcher and its processes tell each other and
imports nothing; :mod:`agent` and :mod:`torchrun` need torch.
"""
