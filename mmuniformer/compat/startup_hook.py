"""Has the first import of an OpenMMLab library import this package first.

Installing the package puts a copy of this file, named by a ``.pth`` file that
Python reads when it starts, beside the installed packages: see ``setup.py``.
So every start of Python runs it: it imports nothing that Python has not
imported by then, and only adds a finder.
"""

import sys

PACKAGE = 'mmuniformer'
LIBRARIES = frozenset(
    ('mmcv', 'mmdet', 'mmseg', 'mmpose', 'mmaction', 'mmpretrain')
)


class LibraryFinder:
    """Finds nothing by itself; asked first."""

    waiting = True

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname not in LIBRARIES or not cls.waiting:
            return None
        # Once: what is imported now may import a library in turn.
        cls.waiting = False
        try:
            __import__(PACKAGE)
        except Exception:
            # The library is then as it is without this package.
            return None
        # The list of finders is another one now.
        for finder in [f for f in sys.meta_path if f is not cls]:
            find_spec = getattr(finder, 'find_spec', None)
            spec = find_spec and find_spec(fullname, path, target)
            if spec is not None:
                return spec
        return None


if __name__ != f'{PACKAGE}.compat.startup_hook':
    sys.meta_path.insert(0, LibraryFinder)
