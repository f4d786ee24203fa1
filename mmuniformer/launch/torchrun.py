"""``torchrun`` that says in one line what went wrong."""

import fcntl
import os
import signal
import socket
import struct
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous.api import (
    RendezvousClosedError,
    RendezvousError,
    RendezvousTimeoutError,
)
from torch.distributed.elastic.rendezvous.utils import (
    parse_rendezvous_endpoint,
)
from torch.distributed.launcher import api

from mmuniformer.errors import UserError
from mmuniformer.launch import environment
from mmuniformer.launch.agent import Agent
from mmuniformer.launch.exit_codes import FAILED, INTERRUPTED, PREEMPTED

DEFAULT_PORT = 29500
# Seconds that torch waits for an answer of the first node, once it is there.
READ_TIMEOUT = 60
# Seconds in which processes save after a signal; then they are killed.
GRACE = 60
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)
SIOCGIFADDR = 0x8915


def launch(arguments: Sequence[str]) -> int:
    """Starts the processes of a run on this node, and waits for their end.

    Args:
        arguments (Sequence[str]): Those of ``torchrun``, and after them a
            script with its own.

    Returns:
        int: Exit code: 0, 75 if all processes have saved after a signal, 1
        after an error that has been told, else 128 and the signal's number.
    """
    handled = _handle_signals()
    started = []
    with tempfile.TemporaryDirectory(prefix='mmuniformer-') as folder:
        try:
            args = _parse(arguments)
            args.signals_to_handle = ','.join(handled)
            place = _prepare(args)
            os.environ[environment.ANSWERS] = folder
            os.environ.setdefault('PYTHONFAULTHANDLER', '1')

            def agent(*its: object, **others: object) -> Agent:
                made = Agent(
                    *its,
                    **others,
                    node_rank=place,
                    is_elastic=_is_elastic(args),
                    grace=float(os.environ.get('GRACE') or GRACE),
                    answers=Path(folder),
                    say=_say,
                )
                started.append(made)
                return made

            # torch has no argument for it; this process does nothing else.
            api.LocalElasticAgent = agent
            run.run(args)
        except UserError as error:
            return _failed(str(error))
        except ChildFailedError as error:
            codes = {f.exitcode for f in error.failures.values()}
            return PREEMPTED if PREEMPTED in codes else FAILED
        except SignalException as error:
            return _stopped(error.sigval, started)
        except RendezvousError as error:
            return _failed(_explain(error, args, bool(started)))
    return 0


def _handle_signals() -> list[str]:
    """Has signals end the run, but those that are ignored (``nohup``)."""
    handled = []
    for signum in SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, _raise)
            handled.append(signum.name)
    return handled


def _say(line: str) -> None:
    sys.stderr.write(f'launch: {line}\n')
    sys.stderr.flush()


def _failed(message: str) -> int:
    sys.stderr.write(f'error: {message}\n')
    return FAILED


def _raise(signum: int, frame: FrameType | None) -> None:
    raise SignalException(f'signal {signum}', signal.Signals(signum))


def _stopped(signum: signal.Signals, agents: list[Agent]) -> int:
    codes = agents[0].exit_codes if agents else []
    if codes and set(codes) == {PREEMPTED}:
        _say(f'stopped by {signum.name}; the state of the run is saved')
        return PREEMPTED
    _say(f'stopped by {signum.name}')
    return INTERRUPTED if signum == signal.SIGINT else 128 + signum


def _parse(arguments: Sequence[str]) -> Namespace:
    parser = run.get_args_parser()
    if 'PET_NODE_RANK' not in os.environ:
        # Of a node that has no place, not that of the first one.
        parser.set_defaults(node_rank=None)
    args = parser.parse_args(arguments)
    try:
        run.parse_min_max_nnodes(args.nnodes)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f'NNODES={args.nnodes}: neither a number nor MIN:MAX'
        ) from error
    return args


def _is_elastic(args: Namespace) -> bool:
    least, most = run.parse_min_max_nnodes(args.nnodes)
    return least < most


def _prepare(args: Namespace) -> int | None:
    """Sets what torch's agent would guess, or not say.

    Args:
        args (Namespace): torchrun's; changed.

    Returns:
        int or None: The place of this node, if the user has given it one.

    Raises:
        UserError: If the port is taken, or the first node cannot be reached.
    """
    place = args.node_rank
    # torch warns that it makes no use of it.
    args.node_rank = 0
    if args.rdzv_backend != 'c10d' or not args.rdzv_endpoint:
        return place
    host, port = _endpoint(args)
    timeout = environment.timeout() or environment.DEFAULT_TIMEOUT
    settings = dict(
        join_timeout=timeout, read_timeout=min(timeout, READ_TIMEOUT)
    )
    _, nodes = run.parse_min_max_nnodes(args.nnodes)
    is_here = _is_here(host)
    is_first = place == 0 if place is not None else nodes == 1 or None
    if is_first is None and not is_here:
        is_first = False
    if is_first is not None:
        settings['is_host'] = int(is_first)
    if nodes > 1:
        _say(
            f'waiting at {host}:{port} for {args.nnodes} nodes, at most '
            f'{timeout} s'
        )
    if is_first:
        _check_is_free(host, port)
    elif not is_here:
        _wait_for(host, port, timeout)
    if args.local_addr is None:
        args.local_addr = _own_address(host, port)
    if nodes > 1 and 'GLOO_SOCKET_IFNAME' not in os.environ:
        # gloo takes the address of the host's name, often that of lo.
        name = _interface(args.local_addr)
        if name is not None:
            os.environ['GLOO_SOCKET_IFNAME'] = name
    # What the user sets himself comes last.
    given = [args.rdzv_conf] if args.rdzv_conf else []
    args.rdzv_conf = ','.join(
        [f'{k}={v}' for k, v in settings.items()] + given
    )
    return place


def _endpoint(args: Namespace) -> tuple[str, int]:
    try:
        return parse_rendezvous_endpoint(
            args.rdzv_endpoint, default_port=DEFAULT_PORT
        )
    except ValueError as error:
        raise UserError(f'{args.rdzv_endpoint}: {error}') from error


def _is_here(host: str) -> bool:
    """Whether a name or address is one of this machine."""
    try:
        with socket.socket() as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def _check_is_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('', port))
        except OSError as error:
            raise UserError(
                f'port {port} of {host} cannot be used '
                f'({error.strerror}): choose another one with PORT'
            ) from error


def _wait_for(host: str, port: int, seconds: float) -> None:
    """Waits until the first node listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            rest = max(end - time.monotonic(), 1)
            socket.create_connection((host, port), min(rest, 10)).close()
            return
        except OSError as error:
            if time.monotonic() + 1 > end:
                raise UserError(
                    f'no first node at {host}:{port} within {seconds:g} s '
                    f'({error.strerror or error}): start it there with '
                    'NODE_RANK=0, and let the port through'
                ) from error
        time.sleep(1)


def _own_address(host: str, port: int) -> str | None:
    """The address of this node on the way to the first one."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, port or DEFAULT_PORT))
            return probe.getsockname()[0]
    except OSError:
        return None


def _interface(address: str | None) -> str | None:
    """The name of the network interface that has an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack('256s', name.encode())
            try:
                answer = fcntl.ioctl(probe, SIOCGIFADDR, request)
            except OSError:
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    return None


def _explain(error: RendezvousError, args: Namespace, joined: bool) -> str:
    """One line for an error of nodes that meet."""
    place = args.rdzv_endpoint
    timeout = environment.timeout() or environment.DEFAULT_TIMEOUT
    if isinstance(error, RendezvousTimeoutError):
        return (
            f'fewer than {args.nnodes.partition(":")[0]} nodes came to '
            f'{place} within {timeout} s (TIMEOUT)'
        )
    if isinstance(error, RendezvousClosedError):
        return f'{place}: the run has ended on another node; see its log'
    if joined:
        return f'the first node, at {place}, is gone; start the run again'
    cause = str(error.__cause__ or error).partition('\n')[0]
    return f'no run to join at {place}, but another program? {cause}'
