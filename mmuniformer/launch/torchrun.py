"""``torchrun`` that says in one line what went wrong."""

import os
import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous.api import RendezvousError
from torch.distributed.launcher import api

from mmuniformer.errors import UserError
from mmuniformer.launch import environment
from mmuniformer.launch.agent import Agent
from mmuniformer.launch.exit_codes import FAILED, INTERRUPTED, PREEMPTED
from mmuniformer.launch.meeting import Meeting

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)


def launch(arguments: Sequence[str]) -> int:
    """Starts the processes of a run on this node, and waits for their end.

    Args:
        arguments (Sequence[str]): Those of ``torchrun``, and after them a
            script with its own.

    Returns:
        int: Exit code: 0, 75 if the processes have saved after a signal, 1
        after an error that has been told, else 128 and the signal's number.
    """
    handled = _handle_signals()
    try:
        args = _parse(arguments)
        args.signals_to_handle = ','.join(handled)
        meeting = Meeting(args)
        if meeting.most > 1:
            _say(
                f'waiting at {meeting} for {args.nnodes} nodes, at most '
                f'{meeting.timeout} s'
            )
        with tempfile.TemporaryDirectory(prefix='mmuniformer-') as folder:
            return _run(args, meeting, Path(folder))
    except UserError as error:
        return _fail(str(error))
    except SignalException as error:
        return _stopped(error.sigval, [])


def _run(args: Namespace, meeting: Meeting, answers: Path) -> int:
    grace = float(environment.grace() or environment.DEFAULT_GRACE)
    if meeting.is_c10d:
        meeting.prepare(args)
    node_rank, args.node_rank = args.node_rank, 0
    os.environ[environment.ANSWERS] = str(answers)
    os.environ[environment.LAUNCHER] = str(os.getpid())
    # A process that is ended says where it was.
    os.environ.setdefault('PYTHONFAULTHANDLER', '1')
    silence = meeting.ends_without_answer(_fail)
    agents = []

    def agent(*its: Any, **others: Any) -> Agent:
        silence.cancel()
        agents.append(
            Agent(
                *its,
                **others,
                node_rank=node_rank,
                is_elastic=meeting.is_elastic,
                grace=grace,
                answers=answers,
                say=_say,
                silence=2 * meeting.read_timeout,
                leave=lambda: os._exit(_fail(meeting.first_is_gone)),
            )
        )
        return agents[0]

    # torch has no argument for it; this process does nothing else.
    api.LocalElasticAgent = agent
    try:
        run.run(args)
    except ChildFailedError:
        return PREEMPTED if agents[0].is_preempted else FAILED
    except SignalException as error:
        return _stopped(error.sigval, agents)
    except RendezvousError as error:
        return _fail(meeting.explain(error, have_met=bool(agents)))
    finally:
        silence.cancel()
    return 0


def _parse(arguments: Sequence[str]) -> Namespace:
    parser = run.get_args_parser()
    # Else it refuses what the script's own --run could be short for.
    parser.allow_abbrev = False
    if 'PET_NODE_RANK' not in os.environ:
        # Of a node that has no place, not that of the first one.
        parser.set_defaults(node_rank=None)
    # Its own way is some fifty lines of usage, and the error after them.
    parser.error = _refuse
    args = parser.parse_args(arguments)
    args.nproc_per_node = str(_processes(args.nproc_per_node))
    if args.max_restarts < 0:
        _refuse(f'MAX_RESTARTS={args.max_restarts} is less than 0')
    return args


def _processes(text: str) -> int:
    """The number of processes of this node; ``auto`` and its like, too."""
    try:
        number = run.determine_local_world_size(text)
    except ValueError as error:
        raise UserError(
            f'{text!r} is no number of processes (GPUS): {error}'
        ) from error
    if number < 1:
        _refuse(f'{number} processes (GPUS) train nothing')
    return number


def _refuse(message: str) -> NoReturn:
    raise UserError(message)


def _handle_signals() -> list[str]:
    """Has signals end the run, but those that are ignored (``nohup``)."""
    handled = []
    for signum in SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, _raise)
            handled.append(signum.name)
    return handled


def _raise(signum: int, frame: FrameType | None) -> None:
    raise SignalException(f'signal {signum}', signal.Signals(signum))


def _stopped(signum: signal.Signals, agents: list[Agent]) -> int:
    codes = agents[0].exit_codes if agents else []
    # They save together: a second signal may end one that is about to end.
    if PREEMPTED in codes:
        told = 'the state of the run is saved'
        if agents[0].is_before_first_step:
            told = 'it had not come to its first step'
        _say(f'stopped by {signum.name}; {told}')
        return PREEMPTED
    _say(f'stopped by {signum.name}')
    return INTERRUPTED if signum == signal.SIGINT else 128 + signum


def _say(line: str) -> None:
    sys.stderr.write(f'launch: {line}\n')
    sys.stderr.flush()


def _fail(message: str) -> int:
    sys.stderr.write(f'error: {message}\n')
    sys.stderr.flush()
    return FAILED
