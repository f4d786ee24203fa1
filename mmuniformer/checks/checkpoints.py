"""Checkpoint files: what a run starts from or goes on from."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import OPTIMIZERS

from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.checks.finding import Finding, suggest
from mmuniformer.errors import CheckpointError

# Arguments of torch's optimizers that tell one kind from another.
TELLING = frozenset(
    (
        'alpha',
        'betas',
        'etas',
        'initial_accumulator_value',
        'lambd',
        'max_iter',
        'momentum',
        'rho',
    )
)
# Values of ``load_from`` with which a training goes on from its newest file.
NEWEST = (None, 'auto')
# What training needs to go on, the weights among it.
STATE_OF_TRAINING = ('state_dict', 'optimizer', 'message_hub', 'meta')


def is_url(path: str) -> bool:
    """Whether ``path`` names a file elsewhere (``https://``, ``s3://``)."""
    return '://' in path


def check_start(cfg: Config) -> Iterator[Finding]:
    """Looks at the file that a config's ``load_from`` and ``resume`` name.

    A URL is looked at when it is read.
    """
    path, resume = cfg.get('load_from'), bool(cfg.get('resume'))
    if resume and path in NEWEST:
        path, content, findings = _newest(Path(cfg.work_dir))
    elif path is not None and not is_url(path):
        content, findings = _look(path, resume)
    else:
        return
    yield from findings
    if resume and content is not None:
        yield from check_training_state(content, cfg, str(path))


def _look(path: str | Path, to_resume: bool) -> tuple[dict | None, list]:
    """The content of a file that fits its purpose, and else what is wrong."""
    findings = list(check_is_file(path))
    if findings:
        return None, findings
    content = read_checkpoint(str(path), mmap=True)
    missing = [key for key in STATE_OF_TRAINING if key not in content]
    if to_resume and missing:
        finding = Finding(
            f'cannot resume from {path}: it has no {", ".join(missing)}',
            'to start a new training from its weights, set load_from',
            file=str(path),
        )
        return None, [finding]
    return content, []


def check_is_file(path: str | Path) -> Iterator[Finding]:
    """Looks whether a local checkpoint is there, and for one like it."""
    path = Path(path)
    if not path.is_file():
        siblings = (p.name for p in path.parent.glob('*.pth'))
        what = 'is a folder' if path.is_dir() else 'does not exist'
        yield Finding(
            f'checkpoint {path} {what}{suggest(path.name, siblings)}',
            file=str(path),
        )


def check_checkpoint(
    path: str | Path, to_resume: bool = False
) -> Iterator[Finding]:
    """Looks at a local checkpoint without running any code from it.

    Args:
        path (str or Path): The file.
        to_resume (bool): Whether a training is to go on from it, which needs
            more than weights.

    Raises:
        CheckpointError: If the file is damaged, no checkpoint, or holds code.
    """
    yield from _look(path, to_resume)[1]


def check_training_state(
    content: dict, cfg: Config, path: str
) -> Iterator[Finding]:
    """Looks whether the optimizer and schedules of a file are the config's.

    mmengine goes on with the hyper-parameters of the file, and leaves out
    schedules that the file or the config has more of.

    Args:
        content (dict): What the file holds.
        cfg (Config): The config that is to go on from it.
        path (str): The file, for the message.
    """
    groups = content['optimizer'].get('param_groups')
    settings = (cfg.get('optim_wrapper') or {}).get('optimizer') or {}
    kind = settings.get('type')
    kind = OPTIMIZERS.get(kind) if isinstance(kind, str) else kind
    if groups and getattr(kind, '__module__', '').startswith('torch.optim'):
        arguments = inspect.signature(kind).parameters
        stored = sorted(TELLING.intersection(groups[0]))
        needed = sorted(TELLING.intersection(arguments))
        if stored != needed:
            yield Finding(
                f'cannot resume from {path}: its optimizer has '
                f'{", ".join(stored) or "no such argument"}, and '
                f'{kind.__name__} of the config (optim_wrapper.optimizer) '
                f'{", ".join(needed) or "none of these"}',
                'take the config that it was trained with, or start from its '
                'weights alone with load_from',
                file=path,
                entry='optim_wrapper.optimizer',
            )
    schedules = cfg.get('param_scheduler')
    stored = content.get('param_schedulers')
    both = isinstance(stored, list) and isinstance(schedules, list | tuple)
    if both and len(stored) != len(schedules):
        yield Finding(
            f'cannot resume from {path}: it has {len(stored)} schedules, and '
            f'the config {len(schedules)} (param_scheduler)',
            'take the config that it was trained with, or start from its '
            'weights alone with load_from',
            file=path,
            entry='param_scheduler',
        )


def newest_checkpoint(
    work_dir: str | Path, since: float = 0
) -> tuple[str | None, list[Finding]]:
    """The newest checkpoint of a run that can be resumed.

    Args:
        work_dir (str or Path): Where the run wrote its checkpoints.
        since (float): Seconds since 1970; older files are another run's.

    Returns:
        tuple[str or None, list[Finding]]: The file, None if the run has none
        yet; and a warning for each newer one that was passed over, or an
        error if there are checkpoints and none can be read.
    """
    path, _, findings = _newest(Path(work_dir), since)
    return path, findings


def _newest(
    work_dir: Path, since: float = 0
) -> tuple[str | None, dict | None, list[Finding]]:
    passed_over: list[Finding] = []
    for path in _by_age(work_dir):
        if path.stat().st_mtime < since:
            continue
        try:
            content, problems = _look(path, to_resume=True)
        except CheckpointError as error:
            content, problems = None, [Finding(str(error), file=str(path))]
        if content is not None:
            warnings = [replace(f, level='warning') for f in passed_over]
            return str(path), content, warnings
        passed_over += problems
    if passed_over:
        error = Finding(
            f'no checkpoint in {work_dir} can be resumed: {passed_over[0]}',
            file=str(work_dir),
        )
        return None, None, [error]
    return None, None, []


def _by_age(work_dir: Path) -> list[Path]:
    """Checkpoints of a run, the one that it says is its last first."""
    candidates = sorted(
        (
            path
            for path in work_dir.glob('*.pth')
            if re.fullmatch(r'(epoch|iter)_\d+', path.stem)
        ),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    pointer = work_dir / 'last_checkpoint'
    if not pointer.is_file():
        return candidates
    last = Path(pointer.read_text().strip() or '.')
    if not last.is_file():
        # The folder may have been moved since.
        last = work_dir / last.name
    if not last.is_file():
        return candidates
    return [last, *(path for path in candidates if path.name != last.name)]
