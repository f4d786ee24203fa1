"""The paper's tables, measured again: one command each."""

import json
import os
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from traceback import format_exc
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from mmuniformer.errors import CheckpointError, LostProcess, UserError
from mmuniformer.reproduction.rows import listed
from mmuniformer.zoo import (
    Experiment,
    Weights,
    experiments,
    file_of,
    find,
    find_experiment,
    get,
    hint,
)
from mmuniformer.zoo import weights as published_files

# Of a table that goes into a file.
WIDTH = 160


def list_experiments(form: str = 'table') -> None:
    """Prints the official experiments: config, rows, metrics, checkpoint.

    Args:
        form (str): 'table' or 'json'.
    """
    found = listed()
    if form == 'json':
        _put_json([asdict(entry) for entry in found])
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in ('Id', 'Config', 'Tables: rows', 'Published', 'Checkpoint'):
        table.add_column(name, overflow='fold')
    for entry in found:
        rows = [f'{p["table"]}: {p["row"]}' for p in entry.tables]
        metrics = [
            f'{name} {value}'
            for values in entry.published.values()
            for name, value in values.items()
        ]
        table.add_row(
            entry.id,
            entry.config.removeprefix('configs/'),
            '\n'.join(rows),
            '\n'.join(metrics),
            entry.checkpoint or 'none',
        )
    _print(table)


def list_complexity(
    form: str = 'table', out: str | None = None, designs: bool = False
) -> None:
    """Counts the models of all tables, and prints them beside the paper's.

    Args:
        form (str): 'table' or 'json'.
        out (str, optional): JSON file that gets the same rows.
        designs (bool): Whether the designs of Table 23 are counted instead,
            which are settings of a config.
    """
    from mmuniformer.engine.backends import AtomicLocalBackend
    from mmuniformer.reproduction.complexity import complexity_rows

    # Libraries tell on stdout what they build.
    with (
        redirect_stdout(sys.stderr),
        Console(stderr=True).status('counting') as status,
    ):
        rows = complexity_rows(
            lambda model: model.has_config != designs, status.update
        )
    if out is not None:
        AtomicLocalBackend().put_text(_json(map(asdict, rows)), Path(out))
    if form == 'json':
        _put_json(map(asdict, rows))
        return
    table = Table(box=box.SIMPLE_HEAD)
    columns = ('Id', 'Tables', 'Input', 'Views', 'M', 'paper', 'G', 'paper')
    for name in (*columns, 'ratio', 'Explained'):
        table.add_column(name, overflow='fold')
    for row in rows:
        table.add_row(
            row.id,
            ', '.join(map(str, row.tables)),
            'x'.join(map(str, row.input)),
            str(row.views),
            f'{row.params / 1e6:.2f}',
            _scaled(row.params_paper, 1e6),
            f'{row.flops / 1e9:.2f}',
            _scaled(row.flops_paper, 1e9),
            '' if row.ratio is None else f'{row.ratio:.3f}',
            row.explained or '',
        )
    _print(table)


def reproduce(
    name: str,
    data_root: str,
    checkpoint: str | None = None,
    results: str | None = None,
    work_dir: str | None = None,
    launcher: str = 'none',
    cfg_options: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Tests an experiment as it was published, and keeps what comes out.

    Args:
        name (str): Of the experiment, its config or its file.
        data_root (str): Folder of all data sets, in place of ``data``.
        checkpoint (str, optional): File, link or name; by default what the
            catalogue has first.
        results (str, optional): JSON file that the results are added to.
        work_dir (str, optional): Folder for logs.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.
        cfg_options (dict, optional): Values by dotted key. A result with any
            is kept, and is not one of the published model.

    Returns:
        list[dict]: An entry for each style of test that has published
        metrics, also of those that were measured before.

    Raises:
        UserError: For a mistake in what the user gave.
        CheckpointError: If the checkpoint cannot be got or read.
    """
    from mmuniformer.checks import stop_on_errors
    from mmuniformer.checks.layout import check_layout
    from mmuniformer.engine.config import load_config
    from mmuniformer.reproduction import results as kept
    from mmuniformer.reproduction.places import root
    from mmuniformer.reproduction.trials import data_options, trials

    experiment = _find(name)
    data_root = os.path.expanduser(data_root)
    path = root() / experiment.config
    cfg = load_config(path)
    options = {**data_options(cfg, data_root), **(cfg_options or {})}
    stop_on_errors(check_layout(load_config(path, options), data_root))
    place = _place(results)
    # Before the first test: the file may be another one.
    kept.prepare(place)
    weights = _weights(experiment, checkpoint)
    folder = Path(work_dir or Path('work_dirs', 'reproduction', path.stem))
    return [
        _measure(
            experiment,
            trial,
            options,
            cfg_options or {},
            weights,
            place,
            folder,
            launcher,
        )
        for trial in trials(experiment)
    ]


def reproduce_all(
    data_root: str,
    results: str | None = None,
    work_dir: str | None = None,
    launcher: str = 'none',
) -> list[dict[str, Any]]:
    """Tests every official experiment; goes on where it was ended.

    What cannot be tested is told in one line, a defect by its traceback, and
    the next one is tested.

    Args:
        data_root (str): As for :func:`reproduce`.
        results (str, optional): As there.
        work_dir (str, optional): A folder for those of all.
        launcher (str): As there.

    Returns:
        list[dict]: As there, of all.

    Raises:
        UserError: At the end, if any experiment could not be tested; at
            once if none can be.
    """
    from mmuniformer.reproduction import results as kept

    # What is wrong for all is told once.
    if not Path(data_root).expanduser().is_dir():
        raise UserError(f'the data root {data_root} is no folder')
    kept.prepare(_place(results))
    found, failed = [], []
    for experiment in experiments():
        folder = work_dir and str(Path(work_dir, experiment.model))
        try:
            found += reproduce(
                experiment.id or experiment.name,
                data_root,
                results=results,
                work_dir=folder,
                launcher=launcher,
            )
        except LostProcess:
            raise
        except (UserError, CheckpointError) as error:
            failed.append(experiment.id)
            _say(sys.stderr, launcher, f'{experiment.id}: {error}')
        except Exception:
            # Of several processes, others would wait for this one.
            if launcher != 'none':
                raise
            failed.append(experiment.id)
            _say(
                sys.stderr,
                launcher,
                f'{experiment.id}:',
                format_exc().rstrip(),
            )
    if failed:
        raise UserError(
            f'{len(failed)} of {len(experiments())} experiments could not be '
            'tested, for the reasons above'
        )
    return found


def write_report(results: str | None = None) -> list[Path]:
    """Writes docs/reproduction.md and its pictures.

    What was counted is taken from docs/reproduction/complexity.json and
    designs.json, as ``--complexity --out`` writes them; throughput and cost
    from tables.json and sweep.json there, as the benchmark writes them, where
    they are.

    Args:
        results (str, optional): File of results, by default the project's.

    Returns:
        list[Path]: The page and its pictures.

    Raises:
        UserError: Outside of a checkout, or if nothing was counted.
    """
    from mmuniformer.engine.backends import AtomicLocalBackend
    from mmuniformer.reproduction import results as kept
    from mmuniformer.reproduction.figures import draw_counts
    from mmuniformer.reproduction.places import root
    from mmuniformer.reproduction.report import Page
    from mmuniformer.reproduction.speed_figures import (
        TABLES_FILE,
        draw_speeds,
    )
    from mmuniformer.reproduction.speeds import read_run

    # Before what takes seconds.
    if results is not None and not _place(results).is_file():
        raise UserError(f'{results} is not there: no results to report')
    measured = kept.read(_place(results))
    docs = root() / 'docs'
    folder = docs / 'reproduction'
    complexity = _counted(folder / 'complexity.json')
    complexity += _counted(folder / 'designs.json', ' --designs')
    speeds = read_run(folder / TABLES_FILE)
    pictures = [*draw_counts(complexity, folder), *draw_speeds(folder)]
    text = Page(complexity, measured, pictures, speeds).text()
    page = docs / 'reproduction.md'
    if not page.is_file() or page.read_text(encoding='utf-8') != text:
        AtomicLocalBackend().put_text(text, page)
    return [page, *(folder / picture.file for picture in pictures)]


def _counted(path: Path, option: str = '') -> list[dict[str, Any]]:
    if not path.is_file():
        raise UserError(
            f'{path} is not there: in a checkout, `mmuniformer reproduce '
            f'--complexity{option} --out {path}` writes it'
        )
    return json.loads(path.read_text(encoding='utf-8'))


def _place(results: str | None) -> Path:
    """The file of results."""
    from mmuniformer.reproduction.results import default_file

    return Path(results).expanduser() if results else default_file()


def _find(name: str) -> Experiment:
    experiment = find_experiment(name)
    if experiment is None:
        from mmuniformer.checks.finding import suggest

        ids = [each.id for each in experiments()]
        more = suggest(name, ids, 0.8) if '/' in name else hint(name)
        more = more or '; `mmuniformer reproduce --list` shows them'
        raise UserError(f'{name!r} is no experiment{more}')
    return experiment


@dataclass(frozen=True)
class _File:
    """A checkpoint: where it is, its SHA-256, and its name in the catalogue.

    The name is None for a file that is not known as a published one.
    """

    path: Path
    sha256: str
    published: str | None


def _weights(experiment: Experiment, checkpoint: str | None) -> _File:
    from mmuniformer.reproduction.results import file_digest

    source = experiment
    if experiment.weights_of:
        source = _find(experiment.weights_of)
    if checkpoint is None and not source.weights:
        raise UserError(
            f'no weights of {experiment.name} were published: give yours by '
            '--checkpoint'
        )
    if checkpoint is None:
        path = get(source.weights[0])
        return _File(path, file_digest(path), source.weights[0].name)
    path = file_of(checkpoint)
    digest = file_digest(path)
    called = None if Path(checkpoint).expanduser().is_file() else checkpoint
    meant = None if called is None else find(called)

    def is_it(weights: Weights) -> bool:
        by_digest = weights.sha256 and digest.startswith(weights.sha256)
        return weights == meant or bool(by_digest)

    own = next(filter(is_it, source.weights), None)
    if own is not None:
        return _File(path, digest, own.name)
    other = next(filter(is_it, published_files()), None)
    if other is not None:
        # Its names and shapes may be the same: those of other widths of a
        # head, and of windows.
        raise CheckpointError(
            f'{checkpoint} is the published file of {other.experiment}, '
            f'not of {source.id}: --run that one'
        )
    return _File(path, digest, None)


def _measure(
    experiment: Experiment,
    trial: Any,
    options: dict[str, Any],
    own: dict[str, Any],
    weights: _File,
    place: Path,
    folder: Path,
    launcher: str,
) -> dict[str, Any]:
    """Tests in one style, or takes what was measured before."""
    from mmengine.dist import broadcast_object_list, is_main_process

    from mmuniformer.apis.testing import METRICS_FILE, test
    from mmuniformer.engine.config import load_config
    from mmuniformer.reproduction import results as kept
    from mmuniformer.reproduction.places import root
    from mmuniformer.reproduction.trials import (
        compare,
        samples,
        view_options,
    )

    path = root() / experiment.config
    options = view_options(load_config(path), trial.style) | options
    cfg = load_config(path, options)
    file = weights.path
    entry = {
        'id': experiment.id or experiment.name,
        'style': trial.style,
        'options': {key: repr(value) for key, value in sorted(own.items())},
        'config': experiment.config,
        'config_sha256': kept.config_digest(cfg),
        'checkpoint': file.name,
        'checkpoint_sha256': weights.sha256,
        'data_sha256': kept.data_digest(cfg),
        'weights': weights.published,
    }
    # What the first process finds: another run may be adding to the file.
    found = [kept.same_test(kept.read(place), entry)]
    broadcast_object_list(found)
    if found[0] is not None:
        told = f'{entry["id"]}, {trial.style}: measured before ({place})'
        _say(sys.stdout, launcher, told)
        return found[0]
    work_dir = folder / trial.style.replace(' ', '_')
    try:
        metrics = test(
            str(path),
            str(file),
            work_dir=str(work_dir),
            tta=trial.tta,
            cfg_options=options,
            launcher=launcher,
        )
    except CheckpointError as error:
        # Of a backbone's own words, the file is not one.
        if str(file) in str(error):
            raise
        raise CheckpointError(f'{file}: {error}') from error
    entry['metrics'] = compare(experiment.task, trial.published, metrics)
    entry['samples_published'] = samples(experiment)
    entry |= kept.circumstances()
    if is_main_process():
        written = json.loads((work_dir / METRICS_FILE).read_text())
        entry['samples'] = written['samples']
        name = f'{entry["id"]}, {trial.style}'
        # Told first: the file may not be there any more after hours.
        told = [f'{name}, {line}' for line in kept.lines(entry)]
        _say(sys.stdout, launcher, *told)
        kept.add(place, entry)
    return entry


def _say(stream: TextIO, launcher: str, *lines: str) -> None:
    """Writes lines, once for all processes of a distributed test."""
    from mmuniformer.checks.machine import LAUNCHER_ENV

    # No process group is needed for what was measured before.
    if os.environ.get(LAUNCHER_ENV.get(launcher, ''), '0') == '0':
        stream.write(''.join(f'{line}\n' for line in lines))


def _scaled(value: float | None, unit: float) -> str:
    return '' if value is None else f'{value / unit:g}'


def _json(rows: Any) -> str:
    return json.dumps(list(rows), indent=1) + '\n'


def _put_json(rows: Any) -> None:
    sys.stdout.write(_json(rows))


def _print(table: Table) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
