"""What was published: experiments, their figures and files of weights."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import yaml

FILE = Path(__file__).with_name('catalogue.yml')
HUGGING_FACE = 'https://huggingface.co'
GOOGLE_DRIVE = 'https://drive.google.com/uc?id='
# libyaml's reader is five times as fast, where PyYAML was built with it.
_LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


@dataclass(frozen=True)
class Weights:
    """One published file. What is None is not known.

    Args:
        name (str): Its name here: that of its experiment, ``@`` and a label.
        experiment (str): Id of the experiment whose weights it holds.
        place (str): 'openmmlab', 'huggingface' or 'google_drive'.
        url (str, optional): Address; of a Google Drive, of the page that
            hands it out.
        drive_id (str, optional): Id on Google Drive.
        repo (str, optional): Repository on huggingface.co.
        file (str, optional): Published name of the file.
        size (int, optional): Bytes.
        sha256 (str, optional): Digest, or its first digits.
        md5 (str, optional): Digest, where only this one is known.
        digest_by (str, optional): Whose word the digest is, if not the
            host's.
        licence (str, optional): Of the official release.
        class_order (str, optional): Which list numbers its classes.
        measured_by_host (dict, optional): Metrics that its host measured.
        note (str, optional): What else is known of it.
    """

    name: str
    experiment: str
    place: str
    url: str | None = None
    drive_id: str | None = None
    repo: str | None = None
    file: str | None = None
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    digest_by: str | None = None
    licence: str | None = None
    class_order: str | None = None
    measured_by_host: dict[str, float] | None = None
    note: str | None = None

    @property
    def kept_as(self) -> str:
        """Name of the file here: the published one, if that is known."""
        return self.file or f'{self.name.partition("@")[0]}.pth'


@dataclass(frozen=True)
class Result:
    """Published metrics of a model on one data set, in percent."""

    task: str
    dataset: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class Experiment:
    """An official experiment, or one with something changed.

    Args:
        name (str): Last part of the id, or name of the config.
        config (str): Path of the config, from the root of the repository.
        task (str): 'classification', 'detection', 'segmentation', 'pose' or
            'video'.
        id (str, optional): Of an official experiment.
        derived_from (str, optional): Of another one, the experiment that it
            is with something changed.
        changed (tuple[str]): What is changed.
        arch (str, optional): Published architecture of the backbone.
        head_dim (int, optional): Channels of an attention head.
        paper (dict): Table of the paper, and what tells the row in it.
        parameters (int, optional): As published.
        flops (int, optional): As published.
        flops_printed (int, optional): What the official release prints,
            where its code does not do that.
        flops_note (str, optional): What is to be said of these.
        views (str, optional): Frames x crops x clips of a video.
        batch_size (int, optional): Of all GPUs.
        epochs (int, optional): Length of the training.
        iterations (int, optional): Length, of one that counts iterations.
        training_resources (str, optional): What it was trained on.
        label (str, optional): What it is called in a table, where the
            architecture is not enough.
        counted (dict, optional): Parameters (M) and FLOPs (G) as
            ``tools/analysis_tools/get_flops.py`` counts them.
        results (tuple[Result]): Published metrics.
        weights (tuple[Weights]): Published files, in the order of preference.
        weights_of (str, optional): Id of the experiment that it tests.
    """

    name: str
    config: str
    task: str
    id: str | None = None
    derived_from: str | None = None
    changed: tuple[str, ...] = ()
    arch: str | None = None
    head_dim: int | None = None
    paper: dict[str, Any] | None = None
    parameters: int | None = None
    flops: int | None = None
    flops_printed: int | None = None
    flops_note: str | None = None
    views: str | None = None
    batch_size: int | None = None
    epochs: int | None = None
    iterations: int | None = None
    training_resources: str | None = None
    label: str | None = None
    counted: dict[str, float] | None = None
    results: tuple[Result, ...] = ()
    weights: tuple[Weights, ...] = ()
    weights_of: str | None = None

    @property
    def model(self) -> str:
        """Name of its config, and of its entry in the model index."""
        return PurePosixPath(self.config).stem


def experiments() -> tuple[Experiment, ...]:
    """The official experiments."""
    return tuple(e for e in _all() if e.id is not None)


def derived() -> tuple[Experiment, ...]:
    """Official experiments with something changed: a config of each."""
    return tuple(e for e in _all() if e.id is None)


def weights() -> tuple[Weights, ...]:
    """All published files."""
    return tuple(w for e in experiments() for w in e.weights)


@cache
def collections() -> tuple[dict[str, Any], ...]:
    """The catalogue as it is written: a folder of configs each."""
    return tuple(read(FILE)['collections'])


def read(path: Path) -> Any:
    """A file of data of this package."""
    with path.open(encoding='utf-8') as file:
        return yaml.load(file, Loader=_LOADER)


@cache
def _all() -> tuple[Experiment, ...]:
    return tuple(
        _experiment(model, collection['folder'])
        for collection in collections()
        for model in collection['models']
    )


def _experiment(model: dict[str, Any], folder: str) -> Experiment:
    values = dict(model)
    config = values.pop('config')
    identity = values.get('id')
    name = identity.rpartition('/')[2] if identity else config
    values['changed'] = tuple(values.get('changed', ()))
    values['results'] = tuple(Result(**r) for r in values.get('results', ()))
    values['weights'] = tuple(
        _weights(file, name, identity) for file in values.get('weights', ())
    )
    return Experiment(
        name=name,
        config=f'{folder}/{config}.py',
        task=folder.split('/')[1],
        **values,
    )


def _weights(file: dict[str, Any], name: str, experiment: str) -> Weights:
    values = dict(file)
    label = values.pop('label', values['place'])
    path = values.pop('path', None)
    if path is not None:
        url = f'{HUGGING_FACE}/{values["repo"]}/resolve/main/{path}'
        values.update(url=url, file=PurePosixPath(path).name)
    elif 'drive_id' in values:
        values['url'] = GOOGLE_DRIVE + values['drive_id']
    elif 'url' in values:
        values['file'] = PurePosixPath(urlparse(values['url']).path).name
    return Weights(name=f'{name}@{label}', experiment=experiment, **values)
