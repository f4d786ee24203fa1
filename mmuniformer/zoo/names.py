"""Names by which published weights are called."""

import difflib
from functools import cache
from pathlib import Path, PurePosixPath

from mmuniformer.zoo.catalogue import (
    Experiment,
    Weights,
    derived,
    experiments,
)


def find(name: str) -> Weights | None:
    """The published file that a name stands for.

    Names are those of an experiment (``uniformer_s16x4_k400``, or its whole
    id), of its config, of the file with or without its ending, and its
    address. An experiment's first file is meant, unless ``@`` and a place
    follow: ``uniformer_s16x4_k400@google_drive``. Capitals are small letters.

    Args:
        name (str): Any word.

    Returns:
        Weights or None: The file, None if nothing has that name.
    """
    files = _files()
    if name in files:
        return files[name]
    found = [f for word, f in files.items() if word.lower() == name.lower()]
    return found[0] if len({file.name for file in found}) == 1 else None


def find_experiment(name: str) -> Experiment | None:
    """The experiment that a name stands for, with weights or without.

    Args:
        name (str): What :func:`find` takes.
    """
    file = find(name)
    for word in (name, file.experiment) if file else (name,):
        for experiment in (*experiments(), *derived()):
            names = (experiment.id, experiment.name, experiment.model)
            if word.lower() in [str(each).lower() for each in names]:
                return experiment
    return None


def trained_by(source: str) -> Experiment | None:
    """The experiment that made a checkpoint, if a name or link tells it.

    Args:
        source (str): What :func:`file_of` takes; a file tells nothing.
    """
    file = None if Path(source).expanduser().is_file() else find(source)
    return None if file is None else find_experiment(file.experiment)


def similar(name: str, number: int = 3) -> list[str]:
    """Names of the catalogue that are like another one, the nearest first.

    Args:
        name (str): A name that nothing has.
        number (int): How many at most.
    """
    # A file has several names, which are like each other.
    near: dict[str, str] = {}
    for word in difflib.get_close_matches(name, _files(), 4 * number, 0.75):
        near.setdefault(_files()[word].name, word)
    return list(near.values())[:number]


def hint(source: str) -> str:
    """The end of a message: what a path that leads to nothing may mean.

    Args:
        source (str): A path, or a name that no file has.
    """
    path = PurePosixPath(source)
    published = find(path.name)
    if published is not None:
        name = published.name.removesuffix(f'@{published.place}')
        return f'; `mmuniformer zoo get {name} --out {path.parent}` gets it'
    name, at, place = source.partition('@')
    if at and find(name) is not None:
        files = find_experiment(find(name).experiment).weights
        places = [file.name.partition('@')[2] for file in files]
        return f'; {name} is at {", ".join(places)}, not at {place}'
    experiment = find_experiment(source)
    if experiment is not None and experiment.id is not None:
        return '; no weights of this experiment were published, only its log'
    near = [] if '/' in source else similar(source)
    return f'; did you mean {", ".join(near)}?' if near else ''


@cache
def _files() -> dict[str, Weights]:
    found: dict[str, Weights] = {}
    for experiment in experiments():
        files = experiment.weights
        for word in (experiment.name, experiment.id, experiment.model):
            found.update((word, file) for file in files[:1])
        for file in files:
            found[file.name] = file
            found.setdefault(f'{experiment.name}@{file.place}', file)
    for experiment in derived():
        if experiment.weights_of in found:
            found[experiment.model] = found[experiment.weights_of]
    for file in list(found.values()):
        stem = PurePosixPath(file.kept_as).stem
        for word in (file.kept_as, stem, file.url):
            if word is not None:
                found.setdefault(word, file)
    return found
