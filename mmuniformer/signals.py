"""SIGTERM and SIGUSR1: a cluster that asks a run to stop."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mmuniformer.errors import Preempted

# Windows has no SIGUSR1.
SIGNALS = tuple(
    getattr(signal, name)
    for name in ('SIGTERM', 'SIGUSR1')
    if hasattr(signal, name)
)


class StopRequest:
    """A handler of signals, and whether one came.

    Before :meth:`defer` a signal raises :class:`Preempted` wherever the
    program is: nothing has been trained that could be saved. From then on it
    is noted alone. All signals after the first are: they come from the same
    cluster, which must not interrupt the saving that it asked for.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._deferred = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Takes a signal, see :func:`signal.signal`."""
        if self.received is not None:
            return
        self.received = signal.Signals(number).name
        self.end_early()

    def end_early(self) -> None:
        """Raises :class:`Preempted` if a signal came before the first step.

        Also later than in the handler: a library may have caught that one, as
        mmengine does around yapf.
        """
        if self.received is not None and not self._deferred:
            raise Preempted(
                f'{self.received}: ended before the first step, there is '
                'nothing to save'
            )

    def defer(self) -> None:
        """Leaves the end to the run, which looks at :attr:`received`."""
        self.end_early()
        self._deferred = True


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Listens to :data:`SIGNALS`; within another such block, to the same.

    Only the main thread of a program can listen: in any other one the request
    never comes.
    """
    outer = signal.getsignal(SIGNALS[0])
    if isinstance(outer, StopRequest):
        yield outer
        return
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {each: signal.signal(each, request) for each in SIGNALS}
    try:
        yield request
    except Exception:
        request.end_early()
        raise
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def heed_parent_alone() -> None:
    """Leaves the signals of a cluster to the parent of this process.

    A cluster sends them to every process of a job, loader workers among them,
    whose end would be an error of the run that is to finish its step. The
    parent ends a worker by SIGTERM, too. A handler is not told who sent it,
    but a thread that waits for it is.
    """
    if not hasattr(signal, 'sigwaitinfo'):
        return
    # Threads that are started from here on have the same mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    while True:
        if signal.sigwaitinfo(SIGNALS).si_pid == os.getppid():
            os._exit(0)


def end_with_parent() -> None:
    """Has this process, a worker of a pool, end when its parent is gone.

    One that was killed tells its workers nothing: they would wait for their
    next task for ever.
    """
    parent = os.getppid()
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
