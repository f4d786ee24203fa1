"""What has to be tried in a new interpreter, in one for all tests.

Applies the workarounds again and again, before and after the libraries are
imported, and prints what that changed; then opens the videos that it is given.
"""

import importlib
import json
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
LIBRARIES = ('torch', 'numpy', 'mmengine', 'mmcv', 'torchvision', 'mmdet')
# What binds a function of a hooked module besides.
BESIDES = ('mmcv.cnn', 'mmcv.cnn.utils')


def objects(hooks: dict) -> dict:
    """All that a workaround may replace or add, by where it stands."""
    found = {('meta_path', i): item for i, item in enumerate(sys.meta_path)}
    for name, functions in hooks.items():
        found |= {('hooks', name, i): f for i, f in enumerate(functions)}
    for name in (*hooks, *BESIDES):
        if name not in sys.modules:
            continue
        for key, value in vars(sys.modules[name]).items():
            found[name, key] = value
            if isinstance(value, type):
                inside = vars(value)
            elif isinstance(value, dict):
                inside = value
            else:
                continue
            found |= {(name, key, str(i)): v for i, v in inside.items()}
    if 'torch' in sys.modules:
        serialization = sys.modules['torch'].serialization
        for i in getattr(serialization, 'get_safe_globals', list)():
            found['safe', str(i)] = i
    return found


def changed_by(apply, hooks: dict, times: int) -> list[str]:
    """Where objects are others, more or fewer after some more calls."""
    before = objects(hooks)
    for _ in range(times):
        apply()
    after = objects(hooks)
    return [
        ' '.join(map(str, key))
        for key in sorted({*before, *after}, key=str)
        if before.get(key) is not after.get(key)
    ]


def chain(function) -> list:
    functions = [function]
    while hasattr(functions[-1], '__wrapped__'):
        functions.append(functions[-1].__wrapped__)
    return functions


def repeat() -> dict:
    """Objects that calls of ``apply`` changed, by when they were made."""
    # Without what ``import mmuniformer`` imports.
    sys.path.insert(0, str(ROOT))
    package = ModuleType('mmuniformer')
    package.__path__ = [str(ROOT / 'mmuniformer')]
    sys.modules['mmuniformer'] = package
    from mmuniformer import compat
    from mmuniformer.compat import import_hooks, mmcv_version

    hooks = import_hooks._FINDER.hooks
    measure = partial(changed_by, hooks=hooks)
    report = dict(
        first=measure(compat.apply, times=1),
        before={w.__name__: measure(w.apply, times=2)
                for w in compat.WORKAROUNDS},
        imported=[name for name in LIBRARIES if name in sys.modules],
    )  # fmt: skip

    import mmcv

    mmcv.__version__ = '2.2.0'
    del sys.modules['mmuniformer']
    import mmuniformer  # noqa: F401

    missing = []
    for name in (*hooks, 'mmdet.models'):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing.append(f'{name}: {error}')
    report |= dict(
        missing=missing,
        mmcv=mmcv.__version__,
        convinced=mmcv_version.status().message,
        after={
            w.__name__: measure(w.apply, times=3) for w in compat.WORKAROUNDS
        },
    )
    replaced: dict[str, list] = {}
    for key, value in objects(hooks).items():
        function = getattr(value, '__func__', value)
        for by in getattr(function, '__replaced_by__', ()):
            file = sys.modules[by].__file__
            ours = [
                f for f in chain(function) if f.__code__.co_filename == file
            ]
            replaced.setdefault(by, []).append((' '.join(key), len(ours)))
    return report | dict(replaced=replaced)


def length(path: str) -> int | None:
    """Frames of a video as decord counts them, None for an error."""
    from mmaction.datasets.transforms import DecordInit

    try:
        return DecordInit()(dict(filename=path))['total_frames']
    except Exception:
        return None


if __name__ == '__main__':
    print(f'\n{json.dumps(repeat())}', flush=True)  # noqa: T201
    # Last: reading a file that is cut off may end the process.
    print(json.dumps([length(path) for path in sys.argv[1:]]))  # noqa: T201
