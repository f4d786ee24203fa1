"""The rows of the paper's tables: of which model, which input, which views.

Nothing here imports torch: lists are shown at once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mmuniformer.zoo import (
    Experiment,
    PaperRow,
    PaperTable,
    experiments,
    find_experiment,
    paper_tables,
)

# FLOPs of these tables are of one size for all rows.
SIZES = {
    1: (224, 224),
    5: (800, 1280),
    7: (800, 1280),
    8: (512, 2048),
    9: (512, 2048),
    13: (800, 1280),
    14: (512, 512),
    15: (224, 224),
    20: (800, 1280),
    21: (512, 2048),
    23: (160, 160),
}
CLIP = (16, 224, 224)
# Cells of Table 23, and the settings of the backbone that they stand for.
DESIGNS = {
    'score_token': 'score_token',
    'running_mean': 'running_mean',
    'shrink_ratio': 'keep_ratio',
}
DEFAULT_DESIGN = {
    'score_token': True,
    'running_mean': True,
    'keep_ratio': 0.5,
}
LIGHT = 'xxs_160'


@dataclass(frozen=True)
class Model:
    """A model of a row and its input, with what is printed of it.

    Args:
        experiment (Experiment): What has its config.
        shape (tuple[int, ...]): (H, W), or (T, H, W) of one view.
        views (int): Views of a video that the printed FLOPs are those of.
        tables (tuple[int, ...]): Where it is.
        params (float, optional): Printed parameters, in millions.
        flops (float, optional): Printed FLOPs of all views, in billions.
        settings (dict): Of the backbone, which differ from the config's.
        clip (tuple[int, ...], optional): Input of the printed FLOPs where
            these are of the same structure for video.
    """

    experiment: Experiment
    shape: tuple[int, ...]
    views: int = 1
    tables: tuple[int, ...] = ()
    params: float | None = None
    flops: float | None = None
    settings: dict[str, Any] = field(default_factory=dict, hash=False)
    clip: tuple[int, ...] | None = None

    @property
    def has_config(self) -> bool:
        """Whether the config alone makes it."""
        return not self.settings

    @property
    def id(self) -> str:
        """Official id, or the name of the config, and what differs."""
        name = self.experiment.id or self.experiment.name
        changed = [f'{key}={value}' for key, value in self.settings.items()]
        return ','.join([name, *changed])


def models() -> list[Model]:
    """Every model of UniFormer in the tables with a printed size.

    A model that stands in several tables with the same figures comes once.
    """
    merged: dict[tuple, Model] = {}
    for table in paper_tables():
        for row in table.rows:
            if row.is_uniformer:
                for model in models_of(table, row):
                    _merge(merged, model)
    return list(merged.values())


def _merge(merged: dict[tuple, Model], model: Model) -> None:
    key = (model.id, model.shape, model.views, model.clip)
    while key in merged:
        before = merged[key]
        if model.flops in (None, before.flops) or before.flops is None:
            # The finest print is the one that can be compared with.
            finest = max(
                (before.params, model.params),
                key=lambda x: -1 if x is None else decimals(x),
            )
            merged[key] = Model(
                before.experiment,
                before.shape,
                before.views,
                (*before.tables, *model.tables),
                finest,
                before.flops if model.flops is None else model.flops,
                before.settings,
                before.clip,
            )
            return
        key = (*key, 'printed otherwise')
    merged[key] = model


def models_of(table: PaperTable, row: PaperRow) -> Iterator[Model]:
    """The models of a row with a printed size."""
    cells, number = row.values, table.number
    for i, experiment in enumerate(_experiments(table, row)):
        flops = cells.get(_flops_column(number, i))
        params = cells.get('params_M', cells.get('in1k_params_M'))
        if params is None and flops is None:
            continue
        shape, views = _input(number, cells)
        yield Model(
            experiment,
            shape,
            views,
            (number,),
            params,
            flops,
            design(cells) if number == 23 else {},
            CLIP if number == 15 else None,
        )


def _experiments(table: PaperTable, row: PaperRow) -> tuple[Experiment, ...]:
    if table.number == 23:
        # Designs without a config of their own are settings of one.
        light = find_experiment(LIGHT)
        assert light is not None
        return (light,)
    if table.number == 20:
        # Both schedules are of one model.
        return row.experiments[:1]
    return row.experiments


def _flops_column(number: int, index: int) -> str:
    if number == 21:
        return ('fpn_flops_G', 'upernet_flops_G')[index]
    return 'k400_flops_G' if number == 15 else 'flops_G'


def _input(number: int, cells: dict[str, Any]) -> tuple[tuple, int]:
    """Shape of one view, and the number of views."""
    if 'views' in cells:
        frames, crops, clips = map(int, cells['views'].split('x'))
        return (frames, 224, 224), crops * clips
    if number == 16:
        return CLIP, 1
    if 'input' in cells:
        return tuple(map(int, cells['input'].split('x'))), 1
    side = cells.get('test_size', cells.get('size'))
    shape = SIZES[number] if side is None else (side, side)
    return ((cells['frames'], *shape) if 'frames' in cells else shape), 1


def design(cells: dict[str, Any]) -> dict[str, Any]:
    """What a row of Table 23 changes in the backbone of the published model.

    Args:
        cells (dict): Of the row.
    """
    found = {name: cells[column] for column, name in DESIGNS.items()}
    return {
        name: value
        for name, value in found.items()
        if value not in (None, DEFAULT_DESIGN[name])
    }


def decimals(printed: float) -> int:
    """Digits behind the point of a figure as it is printed.

    A whole number has none, and 2.0 has one.
    """
    return len(str(printed).partition('.')[2])


def is_near(found: float, printed: float | None) -> bool:
    """Whether a value is within 1 % of a printed one, if there is any."""
    return printed is None or abs(found - printed) <= 0.01 * printed


def rounds_to(found: float, printed: float) -> bool:
    """Whether a value is the printed one, rounded as that is."""
    return round(found, decimals(printed)) == printed


@dataclass(frozen=True)
class Listed:
    """An official experiment in a list.

    Args:
        id (str): Official id.
        config (str): Path of its config.
        tables (list[dict]): Number, row (the label in the table) of each.
        published (dict): Metrics by data set.
        checkpoint (str, optional): Name of its first file in the catalogue.
    """

    id: str
    config: str
    tables: list[dict[str, Any]]
    published: dict[str, dict[str, float]]
    checkpoint: str | None


def listed() -> list[Listed]:
    """All official experiments."""
    return [
        Listed(
            experiment.id or '',
            experiment.config,
            list(_places(experiment)),
            _published(experiment),
            experiment.weights[0].name if experiment.weights else None,
        )
        for experiment in experiments()
    ]


def _published(experiment: Experiment) -> dict[str, dict[str, float]]:
    """Metrics by data set: COCO has those of two tasks."""
    found: dict[str, dict[str, float]] = {}
    for result in experiment.results:
        found.setdefault(result.dataset, {}).update(result.metrics)
    return found


def _places(experiment: Experiment) -> Iterator[dict[str, Any]]:
    for table in paper_tables():
        for row in table.rows:
            if experiment in row.experiments:
                yield {'table': table.number, 'row': label(row)}


def label(row: PaperRow) -> str:
    """What tells a row from the others: its cells that are no figures."""
    words = []
    for column, value in row.values.items():
        is_figure = re.search(
            r'_[MG]$|top[15]|AP|AR$|mIoU|throughput|channels|blocks', column
        )
        if value is None or is_figure:
            continue
        if isinstance(value, bool):
            words.append(column if value else f'no {column}')
        elif isinstance(value, str):
            words.append(value)
        elif isinstance(value, list):
            words.append(''.join(value))
        else:
            words.append(f'{column} {value}')
    return ', '.join(words)
