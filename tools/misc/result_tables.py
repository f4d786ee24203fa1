"""The tables of results in the pages of the configs, and the model index.

What ``write_tables.py`` writes: cells of a model from the catalogue, columns
of a table, and which models a table has.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import yaml

from mmuniformer.zoo import Experiment, Weights, find, find_experiment
from mmuniformer.zoo.catalogue import collections

NAMES = {
    'small': 'UniFormer-S',
    'base': 'UniFormer-B',
    'large': 'UniFormer-L',
    'xs': 'UniFormer-XS',
    'xxs': 'UniFormer-XXS',
}
PAPER = dict(
    URL='https://arxiv.org/abs/2201.09450',
    Title='UniFormer: Unifying Convolution and Self-attention for Visual '
    'Recognition',
)
# Keys of a model in the index, after those of the paper, by their names here.
METADATA = {
    'Views': 'views',
    'Parameters': 'parameters',
    'FLOPs': 'flops',
    'Batch Size': 'batch_size',
    'Epochs': 'epochs',
    'Iterations': 'iterations',
    'Training Resources': 'training_resources',
}


def metrics(experiment: Experiment) -> dict[str, float]:
    """Published metrics of all data sets."""
    return {
        name: value
        for result in experiment.results
        for name, value in result.metrics.items()
    }


def indexed(experiment: Experiment) -> Weights | None:
    """The file that the model index names: one that any program can get."""
    file = find(experiment.model)
    return None if file is None or file.place == 'google_drive' else file


def _label(experiment: Experiment) -> str:
    return experiment.label or NAMES[experiment.arch.split('_')[0]]


def _stage3(experiment: Experiment) -> str:
    if experiment.arch in ('xs', 'xxs'):
        return 'hourglass'
    match = re.search(r'-([hw]14)[-_]', experiment.config)
    return match[1] if match else 'global'


def _tested_with(experiment: Experiment) -> str:
    match = re.search(r'_test-(\w+)\.py', experiment.config)
    return match[1] if match else _stage3(experiment)


def _schedule(experiment: Experiment) -> str:
    return {12: '1x', 36: '3x, multi-scale'}[experiment.epochs]


def _size(experiment: Experiment) -> str:
    match = re.search(r'-(\d+)px', experiment.config)
    return match[1] if match else '224'


def _millions(experiment: Experiment) -> str:
    # A style of stage 3 has no parameters of its own.
    whole = experiment
    if whole.parameters is None and experiment.derived_from:
        whole = find_experiment(experiment.derived_from) or experiment
    return '-' if whole.parameters is None else f'{whole.parameters / 1e6:g}'


def _billions(experiment: Experiment) -> str:
    flops = experiment.flops_printed or experiment.flops
    if flops is None:
        return '-'
    # Small ones are printed with a digit more.
    text = f'{flops / 1e9:g}'
    return f'{text}.0' if flops < 20e9 and '.' not in text else text


def _metric(name: str) -> Callable[[Experiment], str]:
    def cell(experiment: Experiment) -> str:
        value = metrics(experiment).get(name)
        if value is not None:
            return f'{value:.1f}'
        return 'in the paper' if experiment.paper else 'not trained'

    return cell


def _top(suffix: str = '') -> Callable[[Experiment], str]:
    def cell(experiment: Experiment) -> str:
        found = metrics(experiment)
        views = suffix
        if suffix:
            frames = (experiment.views or '').split('x')[0]
            views = f' ({frames}x1x1)'
        both = [found.get(f'Top {k} Accuracy{views}') for k in (1, 5)]
        return ' / '.join(f'{v:.1f}' for v in both if v is not None) or '-'

    return cell


def _frames(experiment: Experiment) -> str:
    dense = re.search(r'-(\d+x\d+)x1-', experiment.config)
    uniform = re.search(r'-u(\d+)-', experiment.config)
    return dense[1] if dense else uniform[1]


def _start(experiment: Experiment) -> str:
    return re.search(r'_(k\d00)-pre', experiment.config)[1].upper()


def _config(experiment: Experiment) -> str:
    return f'[config]({experiment.config.rpartition("/")[2]})'


def _download(experiment: Experiment) -> str:
    file = indexed(experiment)
    if file is not None:
        return f'[model]({file.url})'
    return 'Drive' if experiment.weights else '-'


def _config_and_download(experiment: Experiment) -> str:
    file = indexed(experiment) if experiment.weights else None
    return _config(experiment) + (f' · [model]({file.url})' if file else '')


def _id(experiment: Experiment) -> str:
    if experiment.weights_of:
        return 'the same weights'
    return f'`{experiment.name}`' if experiment.id else '-'


def _counted(key: str) -> Callable[[Experiment], str]:
    return lambda experiment: str((experiment.counted or {}).get(key, '-'))


# Heads of columns, their alignment and their cells.
COLUMNS: dict[str, tuple[str, str, Callable[[Experiment], str]]] = {
    'label': ('Backbone', ':--', _label),
    'model': ('Model', ':--', _label),
    'changed': ('Changed', ':--', _label),
    'data': ('Data', ':--', lambda e: e.results[0].dataset),
    'size': ('Size', '--:', _size),
    'input': ('Input', ':--', lambda e: e.paper['input']),
    'stage3': ('Stage 3', ':--', _stage3),
    'trained': ('Trained with', ':--', _stage3),
    'tested': ('Tested with', ':--', _tested_with),
    'schedule': ('Schedule', ':--', _schedule),
    'stride': ('Frames x stride', '--:', _frames),
    'frames': ('Frames', '--:', _frames),
    'start': ('Start from', ':--', _start),
    'views': ('Views', '--:', lambda e: e.views),
    'params': ('Params (M)', '--:', _millions),
    'params counted': ('counted', '--:', _counted('parameters')),
    'flops': ('FLOPs (G)', '--:', _billions),
    'flops counted': ('counted', '--:', _counted('flops')),
    'flops, counted': ('FLOPs (G), counted', '--:', _counted('flops')),
    'top-1': ('Top-1', '--:', _metric('Top 1 Accuracy')),
    'top': ('Top-1 / top-5', '--:', _top()),
    'one view': ('One view', '--:', _top('one view')),
    'config': ('Config', ':--', _config),
    'config and download': ('Config', ':--', _config_and_download),
    'download': ('Download', ':--', _download),
    'id': ('Official id', ':--', _id),
}
for _name in ('box AP', 'mask AP', 'mIoU', 'AP', 'AP50', 'AP75', 'AR'):
    COLUMNS[_name] = (_name, '--:', _metric(_name))
for _name in ('AP (M)', 'AP (L)'):
    COLUMNS[_name] = (_name, '--:', _metric(_name))
COLUMNS['MS mIoU'] = ('MS mIoU', '--:', _metric('mIoU(ms+flip)'))


@dataclass(frozen=True)
class Results:
    """A table of a page.

    Args:
        folder (str): Of the configs; the page is its README.md.
        name (str): Of the marks in the page.
        columns (str): Keys of :data:`COLUMNS`, with ``|`` between them.
        models (Callable): Whether it has a model of the folder.
        first (str, optional): A row before those.
    """

    folder: str
    name: str
    columns: str
    models: Callable[[Experiment], bool] = lambda experiment: True
    first: str | None = None


def _of_data(name: str) -> Callable[[Experiment], bool]:
    return lambda e: e.id is not None and e.results[0].dataset == name


_CLS = (
    'model|size|params|params counted|flops|flops counted|top-1|config|'
    'download|id'
)
_DET = 'label|stage3|schedule|params|flops|box AP|mask AP|config|id'
_POSE = 'params|flops|AP|AP50|AP75|AP (M)|AP (L)|AR|config'
_VIDEO = 'views|flops|top|one view|config|download|id'
_LIGHT = ('xs', 'xxs')
TABLES = (
    Results('configs/classification/uniformer', 'results', _CLS),
    Results('configs/classification/uniformer_light', 'results', _CLS),
    Results('configs/classification/uniformer_tl', 'results', _CLS),
    Results(
        'configs/classification/ablations',
        'results',
        'changed|params|params counted|flops, counted|top-1|config',
        first='| as it is: LLGG, 5 x 5 | 21.5 | 21.5 | 3.64 | 82.9 | '
        '[config](../uniformer/uniformer-small_8xb128_in1k.py) |',
    ),
    Results(
        'configs/detection/mask_rcnn',
        'results',
        _DET,
        lambda e: e.paper is not None,
    ),
    Results(
        'configs/detection/cascade_mask_rcnn',
        'results',
        _DET,
        lambda e: e.paper is not None,
    ),
    Results(
        'configs/pose/topdown_heatmap',
        'results',
        f'label|input|{_POSE}|download|id',
        lambda e: e.id is not None,
    ),
    Results(
        'configs/pose/topdown_heatmap',
        'stage 3',
        f'label|stage3|{_POSE}',
        lambda e: e.id is None or e.name == 'top_down_384x288_global_small',
    ),
    Results(
        'configs/segmentation/semantic_fpn',
        'results',
        'label|trained|tested|params|flops|flops counted|mIoU|config|id',
        lambda e: e.arch not in _LIGHT,
    ),
    Results(
        'configs/segmentation/semantic_fpn',
        'light',
        'label|params|flops|flops counted|mIoU|config|id',
        lambda e: e.arch in _LIGHT,
    ),
    Results(
        'configs/segmentation/upernet',
        'results',
        'label|trained|tested|params|flops|flops counted|mIoU|MS mIoU|'
        'config and download|id',
    ),
    *(
        Results(
            'configs/video/uniformer',
            data,
            f'label|{columns}|{_VIDEO}',
            _of_data(data),
        )
        for data, columns in {
            'Kinetics-400': 'stride',
            'Kinetics-600': 'stride',
            'Something-Something V1': 'frames|start',
            'Something-Something V2': 'frames|start',
        }.items()
    ),
    Results(
        'configs/video/uniformer',
        'UCF101 and HMDB51',
        'data|label|stride|views|flops|top-1|config|download|id',
        lambda e: 'split 1' in (e.results[0].dataset if e.results else ''),
    ),
    Results(
        'configs/video/uniformer_light',
        'results',
        'label|frames|size|params|flops|top-1|config|id',
    ),
)


def lines(table: Results) -> Iterator[str]:
    """The table in Markdown."""
    columns = [COLUMNS[key] for key in table.columns.split('|')]
    yield f'| {" | ".join(head for head, _, _ in columns)} |'
    yield f'| {" | ".join(align for _, align, _ in columns)} |'
    if table.first is not None:
        yield table.first
    for experiment in _models_of(table.folder):
        if table.models(experiment):
            cells = (cell(experiment) for _, _, cell in columns)
            yield f'| {" | ".join(cells)} |'


def _models_of(folder: str) -> Iterator[Experiment]:
    for collection in collections():
        if collection['folder'] == folder:
            for model in collection['models']:
                yield _whole(model['config'])


def _whole(name: str) -> Experiment:
    found = find_experiment(name)
    assert found is not None, name
    return found


def metafile(collection: dict) -> str:
    """The part of the model index that is of a folder.

    Args:
        collection (dict): Of the catalogue.
    """
    folder = collection['folder']
    head = dict(
        Name=collection['name'],
        Metadata=collection['metadata'],
        Paper=PAPER,
        README=f'{folder}/README.md',
    )
    written = [
        *_comment(collection['about']),
        'Collections:',
        *_item(_yaml(head)),
        '',
        'Models:',
    ]
    for model in collection['models']:
        experiment = _whole(model['config'])
        lines = _yaml(_entry(experiment, collection['name']))
        if experiment.flops_note:
            at = next(i for i, li in enumerate(lines) if '  FLOPs: ' in li)
            lines.insert(at, f'  # {experiment.flops_note}')
        written += [*_item(lines), '']
    return '\n'.join(written[:-1]) + '\n'


def _entry(experiment: Experiment, collection: str) -> dict:
    about: dict = dict(Official=experiment.id)
    if experiment.id is None:
        about = {
            'Derived From': experiment.derived_from,
            'Changed': _Inline(experiment.changed),
        }
    for key, value in (experiment.paper or {}).items():
        about[f'Paper {key.capitalize()}'] = value
    for key, name in METADATA.items():
        if getattr(experiment, name) is not None:
            about[key] = getattr(experiment, name)
    entry = {
        'Name': experiment.model,
        'In Collection': collection,
        'Config': experiment.config,
        'Metadata': about,
    }
    if experiment.results:
        entry['Results'] = [
            dict(Task=r.task, Dataset=r.dataset, Metrics=r.metrics)
            for r in experiment.results
        ]
    file = indexed(experiment)
    if file is not None:
        entry['Weights'] = file.url
    return entry


class _Inline(list):
    """A list that is written on one line."""


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False):
        return super().increase_indent(flow, False)


_Dumper.add_representer(
    _Inline,
    lambda dumper, data: dumper.represent_sequence(
        'tag:yaml.org,2002:seq', data, flow_style=True
    ),
)


def _yaml(data: dict) -> list[str]:
    return yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6
    ).splitlines()


def _item(lines: list[str]) -> list[str]:
    """Lines of a mapping as those of an item of a list."""
    return [
        f'  {"- " if i == 0 else "  "}{line}' for i, line in enumerate(lines)
    ]


def _comment(text: str) -> list[str]:
    out = ['#']
    for word in text.split():
        if len(out[-1]) + len(word) > 79:
            out.append('#')
        out[-1] += f' {word}'
    return out
