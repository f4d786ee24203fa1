#!/usr/bin/env python
"""Proves that UniFormer trains in the configs of the five libraries.

Each config of a list gets a small UniFormer by swap_backbone's rules, is
built, makes two steps on two processes (find_unused_parameters=False) and
predicts on a real image. What is done is in the JSON file, and is not done
again.
"""

import argparse
import gc
import importlib
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
LIST = HERE / 'dropin' / 'configs.txt'
# Those without a backbone for pictures, which are to be refused by name.
REFUSED = HERE / 'dropin' / 'no_backbone.txt'
# A machine that does other things as well takes this many times as long.
PATIENCE = 15
# Bytes that a process may ask for.
MEMORY = 5 * 2**30
PAUSE = 0.2


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'configs',
        nargs='*',
        help=f'names or paths (default: of {LIST.name} and {REFUSED.name})',
    )
    parser.add_argument(
        '--out', default='dropin.json', help='results, also to go on from'
    )
    parser.add_argument('--work-dir', default='work_dirs/dropin_matrix')
    parser.add_argument('--image', required=True, help='a real image')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument(
        '--timeout',
        type=int,
        default=200,
        help='seconds of a processor that a process may take (default: 200)',
    )
    parser.add_argument(
        '--again',
        choices=['none', 'failed', 'all'],
        default='none',
        help='what to do again, of what is in the results',
    )
    parser.add_argument(
        '--control',
        action='store_true',
        help="what fails is done with the host's own backbone as well",
    )
    parser.add_argument(
        '--only', default='', help='configs whose name has this in it'
    )
    parser.add_argument(
        '--table', metavar='PAGE.md', help='page that gets the table'
    )
    return parser.parse_args()


if __name__ == '__main__':
    # Before what takes seconds to import: an option may be mistyped.
    ARGS = parse_args()

from rich.console import Console  # noqa: E402
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn  # noqa: E402

import mmuniformer  # noqa: E402
from mmuniformer.dropin.limits import OPTIONAL  # noqa: E402
from mmuniformer.hosts import HOSTS, packages  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from dropin.proof import finish_child, prove, start_child  # noqa: E402
from dropin.table import write_table  # noqa: E402


def main(args: argparse.Namespace) -> int:
    out = Path(args.out)
    known = json.loads(out.read_text()) if out.is_file() else {}
    results = known.get('configs', {})
    names = args.configs or LIST.read_text().split()
    refused = [] if args.configs else REFUSED.read_text().split()
    todo = [
        name
        for name in [*names, *refused]
        if args.only in name and wanted(results.get(name), args.again)
    ]
    if todo:
        # Here, once: each config is proved in copies of this process.
        for host in HOSTS.values():
            importlib.import_module(host.models)
            importlib.import_module(host.models.replace('models', 'datasets'))
        # Else the collector writes to, and copies, all that they share.
        gc.freeze()
        run(todo, args, results, out)
    if args.table:
        told = json.loads(out.read_text())
        write_table(Path(args.table), told, names, refused)
    failed = [n for n in names if results.get(n, {}).get('step') != 'passed']
    Console().print(f'{len(names) - len(failed)} of {len(names)} passed')
    return 0


def wanted(result: dict | None, again: str) -> bool:
    """Whether a config is to be proved."""
    if result is None or again == 'all':
        return True
    return again == 'failed' and result['step'] != 'passed'


def run(
    todo: list[str], args: argparse.Namespace, results: dict, out: Path
) -> None:
    """Proves configs, some at a time, and writes each result at once."""
    running: dict[str, tuple[int, Path, float]] = {}
    folder = Path(args.work_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    image = str(Path(args.image).absolute())
    # All libraries early on, so that what is wrong with one shows soon.
    queue = random.Random(0).sample(todo, len(todo))
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn()) as progress:
        task = progress.add_task('configs', total=len(queue))
        while queue or running:
            while queue and len(running) < args.jobs:
                name = queue.pop(0)
                place = folder / name.replace('::', '_').replace('/', '_')
                report = folder / f'{place.name}.json'
                work = in_group(args, name, image, place)
                running[name] = (
                    start_child(work, report),
                    report,
                    time.time(),
                )
            time.sleep(PAUSE)
            for name, (pid, report, begin) in list(running.items()):
                late = time.time() - begin > PATIENCE * args.timeout
                if not late and not ended(pid):
                    continue
                if late:
                    os.killpg(pid, signal.SIGKILL)
                told = finish_child(pid, report)
                if late:
                    told = dict(
                        step='train',
                        error=f'not done in {PATIENCE * args.timeout} s',
                    )
                del running[name]
                told['date'] = date.today().isoformat()
                results[name] = told
                save(results, out)
                progress.advance(task)
                if told['step'] != 'passed':
                    progress.console.print(
                        f'{name}: {told["step"]}: {told.get("error")} '
                        f'({told.get("where")})',
                        markup=False,
                        soft_wrap=True,
                    )


def in_group(
    args: argparse.Namespace, name: str, image: str, place: Path
) -> Callable[[], dict]:
    """The proof of a config, in a group that can be ended as a whole."""
    seconds = args.timeout

    def work() -> dict:
        os.setpgid(0, 0)
        # Processes that this one starts inherit the limit.
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        return prove(name, image, place, args.control)

    return work


def ended(pid: int) -> bool:
    """Whether a child has ended; it stays to be waited for."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, flags) is not None


def save(results: dict, out: Path) -> None:
    versions = {name: version(name) for name in ('torch', 'mmengine')}
    versions |= {name: version(name) for name in packages().values()}
    # Of those that some models need, what is there.
    versions |= {
        name: version(name)
        for needed in OPTIONAL.values()
        for module, name in needed.items()
        if find_spec(module)
    }
    content = dict(
        date=date.today().isoformat(),
        mmuniformer=mmuniformer.__version__,
        versions=versions,
        configs=dict(sorted(results.items())),
    )
    new = out.with_suffix('.new')
    new.write_text(json.dumps(content, indent=1) + '\n')
    new.replace(out)


if __name__ == '__main__':
    sys.exit(main(ARGS))
