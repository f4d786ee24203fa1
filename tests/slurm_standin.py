#!/usr/bin/env python3
"""A stand-in for srun, sbatch and scontrol, which does what they do.

It is called by one of these names. ``SLURM_STANDIN`` is a folder: the jobs'
output, what each command was called with, and the spool of batch scripts.
``STANDIN_LIMIT`` is the time limit, in seconds after a task has made a file
``started`` there; ``--signal`` counts back from it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

FOLDER = Path(os.environ['SLURM_STANDIN'])
LIMIT = float(os.environ.get('STANDIN_LIMIT', 3600))


def options(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Options of the form ``--key=value``, and what follows them."""
    found = {}
    for index, word in enumerate(arguments):
        if not word.startswith('--'):
            return found, arguments[index:]
        key, _, value = word[2:].partition('=')
        found[key] = value
    return found, []


def note(name: str, arguments: list[str]) -> None:
    with open(FOLDER / 'calls', 'a') as file:
        file.write(json.dumps([name, *arguments]) + '\n')


def signal_of(text: str) -> tuple[str, signal.Signals, float]:
    """``B:USR1@120`` as who gets it, what, and seconds before the limit."""
    whom, _, rest = text.rpartition(':')
    name, _, before = rest.partition('@')
    return whom, signal.Signals[f'SIG{name}'], float(before or 60)


def at_limit(found: dict[str, str], whom: str, send) -> None:
    """Sends the signal that was asked for, ahead of the time limit."""
    if 'signal' not in found:
        return
    asked, signum, before = signal_of(found['signal'])
    if asked != whom:
        return

    def wait() -> None:
        # On a machine that is busy a second of Slurm's minutes is not much.
        while not (FOLDER / 'started').exists():
            time.sleep(0.05)
        time.sleep(max(LIMIT - before, 0))
        send(signum)

    threading.Thread(target=wait, daemon=True).start()


def srun(arguments: list[str]) -> int:
    found, command = options(arguments)
    count = int(found.get('ntasks', os.environ.get('SLURM_NTASKS', 1)))
    on_node = os.environ.get('SLURM_NTASKS_PER_NODE', count)
    on_node = int(found.get('ntasks-per-node', on_node))
    tasks = []
    for rank in range(count):
        env = dict(
            os.environ,
            SLURM_PROCID=str(rank),
            SLURM_LOCALID=str(rank % on_node),
            SLURM_NODEID=str(rank // on_node),
            SLURM_NTASKS=str(count),
            SLURM_NODELIST='localhost',
            SLURM_JOB_ID=os.environ.get('SLURM_JOB_ID', '7'),
        )
        tasks.append(subprocess.Popen(command, env=env))

    def send(signum: int, frame=None) -> None:
        for task in tasks:
            if task.poll() is None:
                task.send_signal(signum)

    for signum in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        signal.signal(signum, send)
    at_limit(found, '', send)
    running, code = list(tasks), 0
    while running:
        time.sleep(0.05)
        for task in list(running):
            if task.poll() is None:
                continue
            running.remove(task)
            ended = task.returncode
            code = max(code, ended if ended >= 0 else 128 - ended)
            if ended and 'kill-on-bad-exit' in found:
                # Slurm's second thought, after seconds.
                threading.Timer(2, send, (signal.SIGKILL,)).start()
    return code


def sbatch(arguments: list[str]) -> int:
    found, (script, *rest) = options(arguments)
    # Command line over what stands in the script.
    for line in Path(script).read_text().splitlines():
        if line.startswith('#SBATCH '):
            key, _, value = line.removeprefix('#SBATCH --').partition('=')
            found.setdefault(key, value)
    spool = FOLDER / 'spool' / 'slurm_script'
    spool.parent.mkdir()
    shutil.copy(script, spool)
    (FOLDER / 'job').write_text(os.path.abspath(script))
    sys.stdout.write('Submitted batch job 7\n')
    for restart in range(9):
        for name in ('requeued', 'started'):
            (FOLDER / name).unlink(missing_ok=True)
        env = dict(os.environ, SLURM_JOB_ID='7', ENVIRONMENT='BATCH')
        if restart:
            env['SLURM_RESTART_COUNT'] = str(restart)
        for key in ('ntasks', 'ntasks-per-node'):
            if key in found:
                name = key.upper().replace('-', '_')
                env[f'SLURM_{name}'] = found[key]
        with open(FOLDER / 'output', 'a') as output:
            job = subprocess.Popen(
                ['bash', str(spool), *rest],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            at_limit(found, 'B', job.send_signal)
            job.wait()
            output.write(f'job ended with {job.returncode}\n')
        if 'requeue' not in found or not (FOLDER / 'requeued').exists():
            break
    return 0


def scontrol(arguments: list[str]) -> int:
    if arguments[0] == 'requeue':
        (FOLDER / 'requeued').touch()
    elif arguments[:2] == ['show', 'job']:
        command = (FOLDER / 'job').read_text()
        sys.stdout.write(
            f'JobId={arguments[2]} JobName=x\n   Command={command} a b\n'
            '   WorkDir=/tmp\n'
        )
    else:
        sys.stdout.write('localhost\n')
    return 0


if __name__ == '__main__':
    name = Path(sys.argv[0]).name
    note(name, sys.argv[1:])
    sys.exit(globals()[name](sys.argv[1:]))
