"""Data sets that inherit a host library's, where that is installed.

The registry imports this for any data set of the scope.
"""

from importlib.util import find_spec

if find_spec('mmaction') is not None:
    import mmuniformer.datasets.sharded_videos
    import mmuniformer.datasets.videos  # noqa: F401
