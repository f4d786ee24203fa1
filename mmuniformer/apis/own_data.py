"""A config for data as people have them."""

import io
import os
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS
from rich.console import Console

from mmuniformer.analysis.memory import Memory
from mmuniformer.apis.check_report import print_report
from mmuniformer.apis.checking import Report, check_dataset
from mmuniformer.apis.rehearsing import dry_run
from mmuniformer.checks.duplicates import check_duplicates
from mmuniformer.checks.keypoints.names import parse_name
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.engine.config import load_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.engine.prepare import prepare
from mmuniformer.errors import UserError
from mmuniformer.owndata.naming import palette
from mmuniformer.owndata.parts import Recognised
from mmuniformer.owndata.recipe import (
    base_name,
    make_leaf,
    recipe_file,
)
from mmuniformer.owndata.recognising import TASKS, Given, recognise
from mmuniformer.owndata.schedule import base_batch
from mmuniformer.owndata.splitting import split
from mmuniformer.owndata.writing import text_of, write_part
from mmuniformer.visualization.sample_sheet import (
    cell_of,
    legend_of,
    sample_sheet,
)
from mmuniformer.visualization.steps import StepRecorder, shown_steps

SAMPLES = 10
# Without an accelerator a training is a try.
CPU_BATCHES = dict(det=2, ins=2, seg=4, pose=16, cls=16, video=2)
# Of the memory that is free; the allocator and kernels need some.
SHARE = 0.75
NO_RUN = dict(
    launcher='none', device=None, work_dir=None, load_from=None, resume=False
)
SIDES = {'l': 'left', 'r': 'right', '': 'middle'}


@dataclass
class NewData:
    """What was written.

    Attributes:
        config (Path): The config.
        sheet (Path): The picture of samples.
        files (list[Path]): Files of labels.
        found (Recognised): How the data were understood.
        report (Report): What the checks say of the config.
        notes (list[str]): What the user was told.
    """

    config: Path
    sheet: Path
    files: list[Path]
    found: Recognised
    report: Report
    notes: list[str] = field(default_factory=list)


def new_data(
    task: str,
    images: str | None,
    labels: str | None,
    out: str,
    val_images: str | None = None,
    val_labels: str | None = None,
    share: float | None = None,
    seed: int = 0,
    group_by: str | None = None,
    classes: str | None = None,
    like: str = 'small',
    weights: str | None = None,
    batch: int | None = None,
    first_pixel: int | None = None,
    overwrite: bool = False,
) -> NewData:
    """Recognises labels, and writes a config that trains on them.

    The user's own files are only read. What a library cannot read from them
    is written beside the config, in ``<name>_labels``.

    Args:
        task (str): 'det', 'ins', 'seg', 'pose', 'cls' or 'video'.
        images (str, optional): Folder of the images or videos; a data.yaml
            may name it.
        labels (str, optional): File or folder of labels; folders of classes
            need none.
        out (str): The config to write.
        val_images (str, optional): Images of validation, if in another
            folder.
        val_labels (str, optional): Labels of validation.
        share (float, optional): Of training; the rest is for validation.
        seed (int): Of that choice.
        group_by (str, optional): 'folder', or a regular expression whose
            first group names what stays on one side.
        classes (str, optional): Names between commas, or a file of them.
        like (str): 'small', 'base', 'xxs', 'tiny', or a config of ours.
        weights (str, optional): A checkpoint, 'none', or those of the recipe.
        batch (int, optional): Samples of a step; by default what the device
            has memory for.
        first_pixel (int, optional): Of VOC's boxes, 0 or 1.
        overwrite (bool): Whether files of an earlier call are written again.

    Returns:
        NewData: What was written.

    Raises:
        UserError: If the labels are not recognised, or wrong; nothing that
            was written stays then.
    """
    _look_at_options(task, out, share, val_labels, val_images, batch)
    config = Path(out)
    folder = config.with_name(f'{config.stem}_labels')
    outputs = (config, config.with_suffix('.png'), folder)
    _keep_sources(
        dict(
            images=images,
            labels=labels,
            val_images=val_images,
            val_labels=val_labels,
            classes=classes,
            like=like,
            weights=weights,
        ),
        outputs,
    )
    files = _Files(*outputs, overwrite)
    given = Given(
        task,
        *(Path(p) if p else None for p in (images, labels)),
        *(Path(p) if p else None for p in (val_images, val_labels)),
        classes,
        first_pixel,
        config.stem,
    )
    console = Console(highlight=False)
    recipe = load_config(recipe_file(task, like))
    base = base_name(recipe_file(task, like), config)
    found = recognise(given)
    told = [f'{found.form}: {_sizes(found)}', *found.notes]
    told += _split(found, share, seed, group_by)
    for line in told:
        _say(console, line)
    try:
        written = {
            side: write_part(part, side, folder, files.put, task)
            for side, part in found.parts.items()
        }
        files.note(folder)
        if not written['train'].samples:
            raise UserError('nothing is left to learn: no object in training')
        written.setdefault('val', written['train'])
        head = _head(given, found)
        settings: dict[str, Any] = dict(
            base=base,
            found=found,
            written=written,
            task=task,
            weights='' if weights == 'none' else weights,
            notes=head,
            workers=len(os.sched_getaffinity(0)),
        )
        batch, why = _batch(recipe, settings, task, batch, files)
        leaf = make_leaf(recipe, batch=batch, **settings)
        files.put(leaf.text, config)
        report = _check(config, validates='val' in found.parts)
        _build_and_draw(config, files.sheet)
    except BaseException:
        files.remove()
        raise
    told += (last := [*leaf.notes, f'batch {leaf.batch}: {why}'])
    for line in last:
        _say(console, line)
    print_report(report, console)
    _tell(console, config, files.sheet)
    return NewData(config, files.sheet, files.written, found, report, told)


def _look_at_options(
    task: str,
    out: str,
    share: float | None,
    val_labels: str | None,
    val_images: str | None,
    batch: int | None,
) -> None:
    if task not in TASKS:
        raise UserError(f'--task {task}: it is one of {", ".join(TASKS)}')
    if Path(out).suffix != '.py':
        raise UserError(f'--out takes the name of a Python file, not {out}')
    if share is not None and not 0 < share < 1:
        raise UserError(
            f'--split is the share of training, between 0 and 1, not {share}'
        )
    if share is not None and (val_labels or val_images):
        raise UserError(
            '--split and --val-labels are two ways to one thing: give one'
        )
    if batch is not None and batch < 1:
        raise UserError(f'--batch must be at least 1, not {batch}')


def _keep_sources(
    sources: dict[str, str | None], outputs: Sequence[Path]
) -> None:
    """Refuses to write over what is read.

    Args:
        sources (dict[str, str or None]): By the name of their option.
        outputs (Sequence[Path]): Files and the folder that are written.

    Raises:
        UserError: If one is, or lies in, an output.
    """
    written = {output.resolve(): output for output in outputs}
    for option, source in sources.items():
        if not source or not os.path.exists(source):
            continue
        place = Path(source).resolve()
        for output in (place, *place.parents):
            if output in written:
                raise UserError(
                    f'--{option.replace("_", "-")} {source} is in the place '
                    f'of {written[output]}, which is written: choose another '
                    '--out'
                )


class _Files:
    """Files of one call: none is overwritten without a word.

    Args:
        config (Path): The config.
        sheet (Path): The picture.
        folder (Path): For labels.
        overwrite (bool): Whether they may be there.

    Raises:
        UserError: If one is there.
    """

    def __init__(
        self, config: Path, sheet: Path, folder: Path, overwrite: bool
    ) -> None:
        self.config, self.sheet, self.folder = config, sheet, folder
        self.written: list[Path] = []
        there = [p for p in (config, sheet, folder) if p.exists()]
        if there and not overwrite:
            raise UserError(
                f'{" and ".join(map(str, there))} '
                f'{"exist" if len(there) > 1 else "exists"}; --overwrite '
                'writes anew, or choose another --out'
            )
        self.new = [p for p in (config, sheet, folder) if not p.exists()]

    def put(self, text: str, file: Path) -> None:
        """Writes a text."""
        AtomicLocalBackend().put_text(text, file)
        if file not in self.written:
            self.written.append(file)

    def note(self, folder: Path) -> None:
        """Adds maps that were written below a folder."""
        known = set(self.written)
        maps = folder / 'maps'
        if maps.is_dir():
            self.written += [
                p for p in sorted(maps.rglob('*.png')) if p not in known
            ]

    def remove(self) -> None:
        """Takes away what was not there before."""
        if self.folder in self.new and self.folder.is_dir():
            for path in sorted(self.folder.rglob('*'), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            self.folder.rmdir()
        for path in (self.config, self.sheet):
            if path in self.new:
                path.unlink(missing_ok=True)


def _sizes(found: Recognised) -> str:
    sides = [
        f'{len(part.files)} of {side}' for side, part in found.parts.items()
    ]
    number = len(found.classes)
    return (
        f'{number} class{"es" if number != 1 else ""}; files: '
        f'{", ".join(sides)}'
    )


def _split(
    found: Recognised, share: float | None, seed: int, group_by: str | None
) -> list[str]:
    """Makes a second side, if asked for."""
    whole = found.parts['train']
    if share is None:
        if group_by is not None:
            raise UserError('--group-by says how to --split, and is alone')
        if 'val' in found.parts:
            return []
        return [
            'no validation was asked for: it reads the images of training, '
            'and its metrics say nothing of new ones (--split 0.8)'
        ]
    if 'val' in found.parts:
        raise UserError(
            '--split: the data have a validation of their own already'
        )
    train, val = split(whole.files, whole.counts(), share, seed, group_by)
    found.parts['train'], found.parts['val'] = (
        whole.take(train),
        whole.take(val),
    )
    how = f', {group_by} on one side' if group_by else ''
    missing = [
        name
        for name in found.classes
        if not any(c[name] for c in found.parts['train'].counts())
        and any(c[name] for c in found.parts['val'].counts())
    ]
    lines = [
        f'split with seed {seed}: {len(train)} of training, {len(val)} of '
        f'validation, by class{how}'
    ]
    if missing:
        lines.append(
            f'training has no sample of {", ".join(missing)}: there are too '
            'few to share out'
        )
    return lines


def _head(given: Given, found: Recognised) -> list[str]:
    """Lines at the top of the config."""
    source = given.labels or given.images
    return [
        f'{TASKS[given.task].capitalize()} of {text_of(source)} '
        f'({found.form}). Paths are relative to the folder that commands are '
        'run in.'
    ]


def _batch(
    recipe: Config,
    settings: dict[str, Any],
    task: str,
    batch: int | None,
    files: _Files,
) -> tuple[int, str]:
    """Samples of a step, and why."""
    import torch

    if batch is not None:
        return batch, 'as asked for'
    most = min(base_batch(recipe), settings['written']['train'].samples)
    if not torch.cuda.is_available():
        return min(CPU_BATCHES[task], most), (
            'there is no accelerator here; --batch sets another'
        )
    # Of the real model at the real size, a forward pass of one and of two.
    leaf = make_leaf(recipe, batch=most, **settings)
    files.put(leaf.text, files.config)
    plan = dry_run(str(files.config), check=False)
    if plan.memory is None:
        return min(CPU_BATCHES[task], most), (
            'the memory of the model could not be measured; --batch sets '
            'another'
        )
    free = torch.cuda.mem_get_info()[0] * SHARE
    chosen = fitting_batch(plan.memory, most, free)
    return chosen, (
        f'of {free / 2**30:.1f} GiB that are for the taking, a sample keeps '
        f'{plan.memory.activations / most / 2**20:.0f} MiB for the backward '
        'pass; --batch sets another'
    )


def fitting_batch(memory: Memory, batch: int, room: float) -> int:
    """The largest power of two that memory is there for.

    Args:
        memory (Memory): What a step needs.
        batch (int): Samples of that step; no larger batch is chosen.
        room (float): Bytes that there are.
    """
    each = memory.activations / batch
    fits = (room - (memory.total - memory.activations)) / each
    chosen = 1
    while chosen * 2 <= min(fits, batch):
        chosen *= 2
    return chosen


def _check(config: Path, validates: bool) -> Report:
    """Reads the config and checks its data."""
    report = check_dataset(str(config))
    if not validates:
        # That has been told.
        told = set(check_duplicates(report.duplicates, report.summary))
        report.findings = [f for f in report.findings if f not in told]
        report.duplicates = []
    errors = report.of_level('error')
    if errors:
        raise UserError('; '.join(str(e) for e in errors[:3]))
    return report


def _build_and_draw(config: Path, out: Path) -> None:
    """Builds the model, and draws samples as the config reads them."""
    cfg = load_config(config, **NO_RUN)
    with readable_errors(cfg), warnings.catch_warnings():
        # Libraries advise about what recipes mean.
        warnings.simplefilter('ignore')
        MODELS.build(cfg.model)
    prepare(cfg)
    # pycocotools prints that it reads, and libraries advise each other.
    with (
        readable_errors(cfg),
        redirect_stdout(io.StringIO()),
        warnings.catch_warnings(action='ignore'),
    ):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        dataset.full_init()
        number = min(SAMPLES, len(dataset))
        chosen = np.linspace(0, len(dataset) - 1, number).round().astype(int)
        recorder = StepRecorder(dataset, 'original')
        metainfo = dict(dataset.metainfo)
        sides = [
            SIDES[parse_name(name).side]
            for name in (metainfo.get('keypoint_id2name') or {}).values()
        ]
        classes = metainfo.get('classes') or ()
        colours = metainfo.get('palette') or palette(classes)
        scope = cfg.default_scope
        cells = []
        for index in chosen.tolist():
            (_, notes), *_ = recorder.read(index)
            step = shown_steps(notes, 'original')[-1]
            sample = step.packed_by(notes.pack)
            cells.append(
                cell_of(scope, step.results, sample, metainfo, sides, colours)
            )
    title = f'{number} of {len(dataset)} samples as {config.name} reads them'
    sample_sheet(out, cells, legend_of(scope, classes, colours), title)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def _tell(console: Console, config: Path, sheet: Path) -> None:
    _say(console, f'\n{config} is written, and {sheet} shows samples. Next:')
    for command in ('train', 'check'):
        _say(console, f'  mmuniformer {command} {config}')
    _say(console, f'  mmuniformer data browse {config}')
