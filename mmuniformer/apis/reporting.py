"""A page about trainings, from what their runs wrote."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmuniformer.checks import check_inputs, stop_on_errors
from mmuniformer.checks.checkpoints import newest_checkpoint
from mmuniformer.checks.data_sets import data_sets, evaluators, library_of
from mmuniformer.engine.collecting import scorings
from mmuniformer.engine.config import load_run_config
from mmuniformer.engine.hooks import CheckpointMatchHook
from mmuniformer.engine.prepare import prepare, use_validation_set
from mmuniformer.engine.runner import runner_of
from mmuniformer.engine.written import RunConfig
from mmuniformer.errors import UserError
from mmuniformer.reports.page import write_page
from mmuniformer.reports.predictions import prediction_section
from mmuniformer.reports.runs import Run, read_runs
from mmuniformer.reports.samples import (
    RESULT,
    Samples,
    forget_result,
    write_result,
)
from mmuniformer.reports.training import (
    headline,
    machine,
    overview,
    settings,
    speed,
    training_curves,
)
from mmuniformer.version import __version__

FOLDER = 'report'


def report(
    work_dirs: Sequence[str],
    out: str | None = None,
    checkpoint: str | None = None,
    phase: str = 'val',
    pictures: int = 6,
    cfg_options: dict[str, Any] | None = None,
    check: bool = True,
) -> Path:
    """Writes a page about one training, or several beside each other.

    Args:
        work_dirs (Sequence[str]): What the trainings wrote into.
        out (str, optional): Folder for the page and its pictures; by default
            ``report`` in the work dir, or beside several.
        checkpoint (str, optional): ``'best'``, ``'last'`` or a file: it is
            tested, and its predictions are shown. What was kept of an
            earlier test of the same file and config is taken instead.
        phase (str): 'val' or 'test', the data that it is tested on.
        pictures (int): Best and worst samples that are drawn of each run.
        cfg_options (dict, optional): Values by dotted key, for the test.
        check (bool): Look at the data before the test.

    Returns:
        Path: The page.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    runs = read_runs(work_dirs)
    folder = Path(out) if out else _default_folder(runs)
    if folder.exists() and not folder.is_dir():
        raise UserError(f'--out {folder} is a file')
    sections = [overview(runs), training_curves(runs), speed(runs)]
    for run in runs if checkpoint else ():
        samples = predictions_of(run, checkpoint, phase, cfg_options, check)
        section = prediction_section(samples, pictures)
        section.title = f'Predictions of {run.name}'
        section.note = _origin(samples)
        sections.append(section)
    sections += [settings(runs), machine(runs)]
    several = len(runs) > 1
    return write_page(
        folder,
        ', '.join(run.name for run in runs),
        [headline(run) for run in runs],
        sections,
        [
            f'{run.name}: {problem}' if several else problem
            for run in runs
            for problem in run.problems
        ],
    )


def _default_folder(runs: Sequence[Run]) -> Path:
    first = runs[0].folder
    return first / FOLDER if len(runs) == 1 else first.parent / FOLDER


def _origin(samples: Samples) -> str:
    checkpoint = samples.result['key']['checkpoint']
    what = {'val': 'validation', 'test': 'test'}[samples.result['phase']]
    number = len(samples.entries)
    return f'{Path(checkpoint).name}, {number} samples of the {what} set.'


def chosen_checkpoint(run: Run, which: str) -> str:
    """The checkpoint of a run that a word or a file stands for.

    Args:
        run (Run): The run.
        which (str): ``'best'``, ``'last'``, a file or a URL.

    Raises:
        UserError: If there is none.
    """
    if which == 'last':
        path, findings = newest_checkpoint(run.folder)
        stop_on_errors(findings)
        if path is None:
            raise UserError(f'{run.folder} has no checkpoint')
        return path
    if which != 'best':
        return which
    if run.best_files:
        return str(run.best_files[-1])
    best = run.curves.best(run.metric) if run.metric else None
    if best is not None:
        unit = 'epoch' if run.curves.by_epoch else 'iter'
        path = run.folder / f'{unit}_{best[0]:g}.pth'
        if path.is_file():
            return str(path)
        told = f'no {path.name}, where {run.metric} was best'
    else:
        told = 'no validation that says which is best'
    raise UserError(
        f'{run.folder} has no best_*.pth, and {told}; take --checkpoint last, '
        'or train with default_hooks.checkpoint.save_best=auto'
    )


def predictions_of(
    run: Run,
    checkpoint: str,
    phase: str = 'val',
    cfg_options: dict[str, Any] | None = None,
    check: bool = True,
) -> Samples:
    """Tests a checkpoint of a run once, and keeps what it predicts.

    Args:
        run (Run): Its config is read.
        checkpoint (str): See :func:`chosen_checkpoint`.
        phase (str): 'val' or 'test'.
        cfg_options (dict, optional): Values by dotted key.
        check (bool): Look at the data first.

    Returns:
        Samples: Of this test, or of an earlier one of the same.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    if run.config_file is None:
        raise UserError(f'{run.folder} has no config to test with')
    checkpoint = chosen_checkpoint(run, checkpoint)
    folder = run.folder / FOLDER / f'predictions-{phase}'
    cfg = load_run_config(
        run.config_file,
        cfg_options,
        'test',
        (f'{phase}_dataloader', f'{phase}_evaluator'),
        str(folder),
        launcher='none',
    )
    cfg.load_from, cfg.resume = checkpoint, False
    kept, key = Samples(folder), _key(cfg, checkpoint, phase)
    if (folder / RESULT).is_file() and _same(kept.result.get('key'), key):
        return kept
    forget_result(folder)
    findings = check_inputs(cfg, (phase,), data=check)
    notes = stop_on_errors(findings)
    if phase == 'val':
        use_validation_set(cfg)
    notes += prepare(cfg, keep=str(folder))
    with runner_of(cfg, notes, [CheckpointMatchHook()]) as runner:
        metrics = runner.test()
        result = dict(
            key=key,
            phase=phase,
            library=library_of(cfg),
            metrics=metrics,
            scorings=scorings(cfg, runner.test_evaluator),
        )
    write_result(folder, result)
    return Samples(folder)


def _key(cfg: RunConfig, checkpoint: str, phase: str) -> dict[str, Any]:
    """What two tests have in common that give the same."""
    key = dict(
        version=__version__,
        phase=phase,
        checkpoint=checkpoint,
        config=hashlib.sha256(cfg.pretty_text.encode()).hexdigest(),
        labels=_labels(cfg, phase),
    )
    path = Path(checkpoint)
    if path.is_file():
        state = path.stat()
        key |= dict(
            checkpoint=str(path.resolve()),
            size=state.st_size,
            changed=state.st_mtime_ns,
        )
    return key


def _labels(cfg: RunConfig, phase: str) -> dict[str, list[int]]:
    """Number, size and time of the labels that there are, by path."""
    places = []
    for data_set in data_sets(cfg, (phase,)):
        places.append(data_set.ann_file)
        prefix = data_set.node.get('data_prefix')
        if isinstance(prefix, dict) and prefix.get('seg_map_path'):
            places.append(data_set.below_root(prefix['seg_map_path']))
    for _, _, node in evaluators(cfg, (phase,)):
        if node.get('ann_file'):
            places.append(Path(node['ann_file']))
    found = {}
    for place in filter(None, places):
        files = [place] if place.is_file() else place.rglob('*')
        states = [file.stat() for file in files if file.is_file()]
        if states:
            found[str(place.absolute())] = [
                len(states),
                sum(state.st_size for state in states),
                max(state.st_mtime_ns for state in states),
            ]
    return found


def _same(kept: dict[str, Any] | None, key: dict[str, Any]) -> bool:
    """Whether a test is of the same; labels may be gone since then."""
    kept, key = dict(kept or {}), dict(key)
    before, now = kept.pop('labels', {}), key.pop('labels')
    return kept == key and all(before.get(k) == v for k, v in now.items())
