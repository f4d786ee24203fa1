"""Checkpoint files: what a run starts from or goes on from."""

import inspect
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from string import digits

from mmengine.config import Config
from mmengine.registry import OPTIMIZERS

from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.checkpoint.values import not_finite
from mmuniformer.checks.finding import Finding, few, suggest
from mmuniformer.errors import CheckpointError
from mmuniformer.zoo import find, hint

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
# Names that a run gives to what it can go on from.
_NAME = re.compile(r'(epoch_|iter_)(\d+)')
# What training needs to go on, the weights among it.
STATE_OF_TRAINING = ('state_dict', 'optimizer', 'message_hub', 'meta')


def is_url(path: str) -> bool:
    """Whether ``path`` names a file elsewhere (``https://``, ``s3://``)."""
    return '://' in path


def is_elsewhere(path: str) -> bool:
    """Whether a checkpoint is a URL, or the name of published weights."""
    return is_url(path) or not (Path(path).is_file() or find(path) is None)


def check_start(cfg: Config) -> Iterator[Finding]:
    """Looks at the file that a config's ``load_from`` and ``resume`` name.

    What is not here yet is looked at when it is read.
    """
    path, resume = cfg.get('load_from'), bool(cfg.get('resume'))
    if resume and path in NEWEST:
        path, content, findings = _newest(Path(cfg.work_dir))
    elif path is not None and not is_elsewhere(path):
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
    """Looks whether a local checkpoint is there, and for one like it.

    The name of published weights is a checkpoint that will be there.
    """
    path = Path(path)
    if not path.is_file() and find(str(path)) is None:
        files = filter(Path.is_file, path.parent.glob('*.pth'))
        siblings = (p.name for p in files)
        like = suggest(path.name, siblings) or hint(str(path))
        what = 'is a folder' if path.is_dir() else 'does not exist'
        yield Finding(
            f'checkpoint {path} {what}{like}',
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
    """The checkpoint of the highest step of a run that can be resumed.

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


def check_leftovers(cfg: Config) -> Iterator[Finding]:
    """Looks whether a training that begins finds checkpoints of another.

    One that goes back to an older file finds those that it leaves.

    Args:
        cfg (Config): Its ``work_dir``, ``resume`` and ``load_from`` are read.
    """
    path = cfg.get('load_from')
    if cfg.get('resume'):
        if path not in NEWEST:
            yield from _left_behind(Path(cfg.work_dir), Path(path))
        return
    found = [
        path.name for kind in _by_step(Path(cfg.work_dir)) for path in kind
    ]
    if found:
        yield Finding(
            f'{cfg.work_dir} has checkpoints of another run ({few(found)}), '
            'and this one starts from the beginning: --resume would later go '
            'on from the one of the highest step, of whichever run',
            'name another --work-dir, or remove them',
            file=str(cfg.work_dir),
            level='warning',
        )


def _left_behind(work_dir: Path, start: Path) -> Iterator[Finding]:
    """Looks for files of more steps than the one that a run goes back to."""
    if not (start.is_file() and work_dir.is_dir()):
        return
    path, content, _ = _newest(work_dir)
    if path is None or content is None or Path(path).samefile(start):
        return
    step, newest = (
        _step(each)
        for each in (read_checkpoint(str(start), mmap=True), content)
    )
    if newest <= step:
        return
    yield Finding(
        f'this run goes on from {start} (iteration {step}), and {work_dir} '
        f'has {Path(path).name} (iteration {newest}): until it is as far, '
        '--resume, also of a job that is requeued, goes on from that one',
        'name another --work-dir, or remove what is newer',
        file=str(work_dir),
        level='warning',
    )


def _newest(
    work_dir: Path, since: float = 0
) -> tuple[str | None, dict | None, list[Finding]]:
    passed_over: list[Finding] = []
    newest: tuple[int, Path, dict] | None = None
    for kind in _by_step(work_dir):
        for path in kind:
            if since and _written(path) < since:
                continue
            content, problems = _look_whole(path)
            passed_over += problems
            if content is not None:
                step = _step(content)
                if newest is None or step > newest[0]:
                    newest = step, path, content
                break
    if newest is not None:
        _, path, content = newest
        passed_over += _check_pointer(work_dir, path, passed_over)
        warnings = [replace(f, level='warning') for f in passed_over]
        return str(path), content, warnings
    if passed_over:
        error = Finding(
            f'no checkpoint in {work_dir} can be resumed: {passed_over[0]}',
            file=str(work_dir),
        )
        return None, None, [error]
    return None, None, list(_check_no_pointer(work_dir))


def _written(path: Path) -> float:
    """When a file was written; 0 of a link to one that is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0


def _look_whole(path: Path) -> tuple[dict | None, list[Finding]]:
    """The content of a file that can be resumed, and else what is wrong."""
    try:
        content, problems = _look(path, to_resume=True)
    except CheckpointError as error:
        return None, [Finding(str(error), file=str(path))]
    if content is not None and isinstance(content['state_dict'], dict):
        meant = _meant(content)
        names = [
            n for n in not_finite(content['state_dict']) if n not in meant
        ]
        if names:
            problem = Finding(
                f'{path}: {len(names)} tensors hold numbers that are not '
                f'finite ({few(names)})',
                file=str(path),
            )
            return None, [problem]
    return content, problems


def _meant(content: dict) -> Collection[str]:
    """Tensors that were not finite when the run began: a mask, often."""
    state = content.get('run_state')
    names = state.get('not_finite') if isinstance(state, dict) else None
    return names if isinstance(names, list) else ()


def _step(content: dict) -> int:
    """Iterations that a checkpoint has behind it."""
    meta = content['meta']
    step = meta.get('iter') if isinstance(meta, dict) else None
    return step if isinstance(step, int) else -1


def _by_step(work_dir: Path) -> list[list[Path]]:
    """Checkpoints of a run, by the two kinds of names; the last one first.

    Not by the time of the files, which copying changes. A file of another
    name, which ``last_checkpoint`` names, is a kind of its own, with those
    that have another number in its place.
    """
    pointer = _pointer(work_dir)
    name, prefix = _NAME, pointer.stem.rstrip(digits)
    if prefix and prefix != pointer.stem:
        name = re.compile(rf'(epoch_|iter_|{re.escape(prefix)})(\d+)')
    for folder in dict.fromkeys((work_dir, pointer.parent)):
        kinds: dict[str, list[tuple[int, Path]]] = {}
        for path in folder.glob('*.pth'):
            match = name.fullmatch(path.stem)
            if match:
                numbered = kinds.setdefault(match[1], [])
                numbered.append((int(match[2]), path))
        if kinds:
            break
    found = [
        [path for _, path in sorted(kinds[kind], reverse=True)]
        for kind in sorted(kinds)
    ]
    if pointer.is_file() and not name.fullmatch(pointer.stem):
        found.append([pointer])
    return found


def _pointer(work_dir: Path) -> Path:
    """The file that a run says is its last one; it may not be there."""
    try:
        text = (work_dir / 'last_checkpoint').read_text().strip()
    except (OSError, UnicodeDecodeError):
        text = ''
    last = Path(text or work_dir / 'none')
    # The folder may have been moved since.
    beside = work_dir / last.name
    return beside if beside.is_file() else last


def _check_no_pointer(work_dir: Path) -> Iterator[Finding]:
    """Looks for a ``last_checkpoint`` where no checkpoint is found."""
    last = _pointer(work_dir)
    if (work_dir / 'last_checkpoint').is_file() and not last.is_file():
        yield Finding(
            f'{work_dir / "last_checkpoint"} names {last}, which does not '
            'exist, and there is no other checkpoint',
            'if it lies on a disk that is not there now, end this run, which '
            'starts from the beginning',
            file=str(work_dir / 'last_checkpoint'),
            level='warning',
        )


def _check_pointer(
    work_dir: Path, chosen: Path, told: list[Finding]
) -> Iterator[Finding]:
    """Looks whether ``last_checkpoint`` names another file than is chosen."""
    last = _pointer(work_dir)
    named = (work_dir / 'last_checkpoint').is_file()
    if not named or last.name == chosen.name:
        return
    if any(Path(finding.file).name == last.name for finding in told):
        return
    why = 'is behind it' if last.is_file() else 'does not exist'
    yield Finding(
        f'{work_dir / "last_checkpoint"} names {last.name or "no file"}, '
        f'which {why}; the run goes on from {chosen}',
        f'to go on from another, --resume {work_dir}/NAME.pth',
        file=str(work_dir / 'last_checkpoint'),
    )
