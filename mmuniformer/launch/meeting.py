"""Where nodes meet: what torch's agent would guess, or not say."""

import fcntl
import os
import socket
import struct
import threading
import time
from argparse import Namespace
from collections.abc import Callable

from torch.distributed.elastic.rendezvous.api import (
    RendezvousClosedError,
    RendezvousError,
    RendezvousTimeoutError,
)
from torch.distributed.elastic.rendezvous.utils import (
    parse_rendezvous_endpoint,
)
from torch.distributed.run import parse_min_max_nnodes

from mmuniformer.errors import UserError
from mmuniformer.launch import environment

DEFAULT_PORT = 29500
# Seconds that torch waits for an answer of the first node, once it is there.
READ_TIMEOUT = 60
# Linux's request for the address of a network interface.
SIOCGIFADDR = 0x8915


class Meeting:
    """The place where the nodes of a run meet, and how long they wait.

    Args:
        args (Namespace): torchrun's; ``node_rank`` is None where the user
            has not said which node this is.

    Raises:
        UserError: For a number of nodes or a place that is none.
    """

    def __init__(self, args: Namespace) -> None:
        try:
            self.least, self.most = parse_min_max_nnodes(args.nnodes)
        except (RuntimeError, ValueError) as error:
            raise UserError(
                f'NNODES={args.nnodes}: neither a number nor MIN:MAX'
            ) from error
        if not 0 < self.least <= self.most:
            raise UserError(
                f'NNODES={args.nnodes}: numbers of nodes are from 1, the '
                'smaller one first'
            )
        rank = args.node_rank
        if rank is not None and not 0 <= rank < self.most:
            raise UserError(
                f'NODE_RANK={rank}: of NNODES={args.nnodes} it is from 0 to '
                f'{self.most - 1}'
            )
        try:
            self.host, self.port = parse_rendezvous_endpoint(
                args.rdzv_endpoint, default_port=DEFAULT_PORT
            )
        except ValueError as error:
            raise UserError(f'{args.rdzv_endpoint}: {error}') from error
        self.timeout = environment.timeout() or environment.DEFAULT_TIMEOUT
        self.read_timeout = min(self.timeout, READ_TIMEOUT)
        self.is_c10d = args.rdzv_backend == 'c10d'

    def __str__(self) -> str:
        return f'{self.host}:{self.port}'

    @property
    def first_is_gone(self) -> str:
        """What is said where the first node does not answer any more."""
        return f'the first node, at {self}, is gone; start the run again'

    @property
    def is_elastic(self) -> bool:
        """Whether the run goes on with fewer nodes."""
        return self.least < self.most

    def prepare(self, args: Namespace) -> None:
        """Waits for the first node, and sets what torch would guess.

        Args:
            args (Namespace): torchrun's; changed.

        Raises:
            UserError: If this node cannot be the first one, since its port
                is taken, or cannot reach that one.
        """
        is_first = self._is_first(args.node_rank)
        if is_first:
            self._check_port()
        elif is_first is False:
            self._wait_for_first()
        settings = dict(
            join_timeout=self.timeout, read_timeout=self.read_timeout
        )
        if is_first is not None:
            settings['is_host'] = int(is_first)
        # What the user sets himself comes last.
        given = [args.rdzv_conf] if args.rdzv_conf else []
        ours = [f'{key}={value}' for key, value in settings.items()]
        args.rdzv_conf = ','.join(ours + given)
        if args.local_addr is None:
            args.local_addr = self._own_address()
        if self.most > 1 and 'GLOO_SOCKET_IFNAME' not in os.environ:
            # gloo takes the address of the host's name, often that of lo.
            name = _interface(args.local_addr)
            if name is not None:
                os.environ['GLOO_SOCKET_IFNAME'] = name

    def ends_without_answer(
        self, fail: Callable[[str], int]
    ) -> threading.Timer:
        """Ends this process if what listens there is no first node.

        torch waits for ever for a program that takes its call and is silent.

        Args:
            fail (Callable): Writes a message and returns an exit code.
        """

        def end() -> None:
            code = fail(
                f'what listens at {self} is no run: it gave no answer for '
                f'{self.read_timeout} s; choose another PORT'
            )
            os._exit(code)

        timer = threading.Timer(self.read_timeout + 5, end)
        timer.daemon = True
        timer.start()
        return timer

    def explain(self, error: RendezvousError, have_met: bool) -> str:
        """One line for an error of nodes that meet."""
        if isinstance(error, RendezvousTimeoutError):
            return (
                f'fewer than {self.least} nodes came to {self} within '
                f'{self.timeout} s (TIMEOUT)'
            )
        if isinstance(error, RendezvousClosedError):
            return f'{self}: the run has ended on another node; see its log'
        if have_met:
            return self.first_is_gone
        cause = str(error.__cause__ or error).partition('\n')[0]
        return f'what listens at {self} is no run: {cause}'

    def _is_first(self, node_rank: int | None) -> bool | None:
        """Whether the others meet here; None where torch has to try."""
        if node_rank is not None:
            return node_rank == 0
        if self.most == 1:
            return True
        try:
            with socket.socket() as probe:
                probe.bind((self.host, 0))
        except OSError:
            return False
        # Of several launchers on one machine the first one is.
        return None

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(('', self.port))
            except OSError as error:
                raise UserError(
                    f'port {self.port} of {self.host} cannot be used '
                    f'({error.strerror}): choose another one with PORT'
                ) from error

    def _wait_for_first(self) -> None:
        end = time.monotonic() + self.timeout
        while True:
            try:
                rest = max(end - time.monotonic(), 1)
                place = (self.host, self.port)
                socket.create_connection(place, min(rest, 10)).close()
                return
            except OSError as error:
                if time.monotonic() + 1 > end:
                    raise UserError(
                        f'no first node at {self} within {self.timeout} s '
                        f'({error.strerror or error}): start it there with '
                        'NODE_RANK=0, and let the port through'
                    ) from error
            time.sleep(1)

    def _own_address(self) -> str | None:
        """The address of this node on the way to the first one."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((self.host, self.port or DEFAULT_PORT))
            except OSError:
                return None
            return probe.getsockname()[0]


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
