"""Whether a run has all the parts of what it does, or none of them."""

from collections.abc import Iterator

from mmengine.config import Config

from mmuniformer.checks.finding import Finding

PARTS = (
    ('train_dataloader', 'train_cfg', 'optim_wrapper'),
    ('val_dataloader', 'val_cfg', 'val_evaluator'),
    ('test_dataloader', 'test_cfg', 'test_evaluator'),
)


def check_phases(cfg: Config) -> Iterator[Finding]:
    """Looks for phases that mmengine's runner refuses as unfinished.

    It does so whatever is run: a test does not begin where the config has a
    training without a loop.

    Args:
        cfg (Config): As the runner will get it.

    Yields:
        Finding: An error for each phase that has some of its parts alone.
    """
    for keys in PARTS:
        there = [key for key in keys if cfg.get(key) is not None]
        missing = [key for key in keys if key not in there]
        if there and missing:
            yield Finding(
                f'{cfg.filename}: {" and ".join(there)} without '
                f'{" and ".join(missing)}',
                f'give {_them(missing)} as well, or set {" and ".join(there)} '
                'to None: a run has all of them or none',
                entry=missing[0],
            )
    scheduled = cfg.get('param_scheduler') is not None
    if scheduled and cfg.get('optim_wrapper') is None:
        yield Finding(
            f'{cfg.filename}: param_scheduler without optim_wrapper',
            'set param_scheduler to None where nothing is trained',
            entry='param_scheduler',
        )


def _them(keys: list[str]) -> str:
    return 'it' if len(keys) == 1 else 'them'
