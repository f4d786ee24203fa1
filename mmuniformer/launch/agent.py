"""torch's elastic agent, with what it does not know of a training."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch.distributed.elastic.agent.server import (
    WorkerGroup,
    WorkerSpec,
    WorkerState,
)
from torch.distributed.elastic.agent.server.api import RunResult, Worker
from torch.distributed.elastic.agent.server.local_elastic_agent import (
    LocalElasticAgent,
)
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure
from torch.distributed.elastic.rendezvous.api import (
    RendezvousConnectionError,
)

from mmuniformer.launch import environment
from mmuniformer.launch.exit_codes import FAILED, PREEMPTED, USAGE

# Seconds after a deadline in which a process may say where it hangs.
LAST_WORDS = 5


class Agent(LocalElasticAgent):
    """Starts the processes of one node, and starts them again.

    torch's agent restarts after any exit code but 0. This one does not after
    an error that would come again, nor after a preemption; it ends a process
    that misses the deadline that it has set itself (see
    :mod:`~mmuniformer.launch.environment`), and says what it does.

    Args:
        args (Any): Those of ``LocalElasticAgent``.
        node_rank (int, optional): Place of this node: processes of the first
            have the lowest ranks. torch sorts nodes by their addresses.
        is_elastic (bool): Whether other nodes go on without this one.
        grace (float): Seconds in which processes save after a signal.
        answers (Path): Folder for what they answer.
        say (Callable): Writes a line for the user.
        silence (float): Seconds in which the first node has to answer.
        leave (Callable): Ends this process, where it does not.
        kwargs (Any): Those of ``LocalElasticAgent``.
    """

    def __init__(
        self,
        *args: Any,
        node_rank: int | None,
        is_elastic: bool,
        grace: float,
        answers: Path,
        say: Callable[[str], None],
        silence: float,
        leave: Callable[[], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.node_rank = node_rank
        self.is_elastic = is_elastic
        self.grace = grace
        self.answers = answers
        self.say = say
        self.silence = silence
        self.leave = leave
        # How processes ended that a signal to this agent has stopped.
        self.exit_codes: list[int | None] = []
        # When the first node was last asked something, while that lasts.
        self._asked: float | None = None
        # Whether the last of them ended because it was asked to.
        self.is_preempted = False
        self._first_start = time.time()
        self._starts = 0
        self._overdue: set[int] = set()

    def run(self, *args: Any, **kwargs: Any) -> RunResult:
        """Runs until the end, see ``SimpleElasticAgent``."""
        watch = threading.Thread(target=self._notice_silence, daemon=True)
        watch.start()
        try:
            return super().run(*args, **kwargs)
        except RendezvousConnectionError:
            # To tell a node that is gone of the end takes torch for ever.
            self._worker_group.spec.rdzv_handler.shutdown = lambda: False
            raise

    def _notice_silence(self) -> None:
        """Ends this process when the first node does not answer it.

        torch waits for some answers as long as the network allows, which may
        be a quarter of an hour.
        """
        while True:
            time.sleep(1)
            since = self._asked
            if since is None or time.monotonic() - since < self.silence:
                continue
            for signum in (signal.SIGTERM, signal.SIGKILL):
                for worker in self._worker_group.workers:
                    _send(worker.id, signum)
                time.sleep(LAST_WORDS)
                if self._asked != since:
                    # It has answered: other processes may be there by now.
                    break
            else:
                self.leave()

    def _rendezvous(self, worker_group: WorkerGroup) -> None:
        self._asked = None
        handler = worker_group.spec.rdzv_handler
        # torch keeps the address of the first round, whose node may be gone.
        handler._bootstrap_store_info = None
        super()._rendezvous(worker_group)
        if worker_group.group_world_size > 1 or self.is_elastic:
            self.say(
                f'{worker_group.group_world_size} nodes with '
                f'{worker_group.workers[0].world_size} processes'
            )

    def _assign_worker_ranks(
        self, store: Any, group_rank: int, group_world_size: int, spec: Any
    ) -> list[Worker]:
        """Orders nodes as the user counts them; tells all of restarts.

        A node that comes later has started nothing yet, and its processes
        resume like the others.
        """
        mine = (self.node_rank, self._starts, self._first_start)
        store.set(f'mmuniformer/{group_rank}', json.dumps(mine))
        nodes = [
            json.loads(store.get(f'mmuniformer/{rank}'))
            for rank in range(group_world_size)
        ]
        os.environ[environment.RESTARTS] = str(max(n[1] for n in nodes))
        os.environ[environment.STARTED] = str(min(n[2] for n in nodes))
        self._starts += 1
        if all(place is not None for place, _, _ in nodes):
            order = sorted(range(len(nodes)), key=lambda i: (nodes[i][0], i))
            group_rank = order.index(group_rank)
        return super()._assign_worker_ranks(
            store, group_rank, group_world_size, spec
        )

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        # To end processes that do not end may take longer than an answer.
        self._asked = None
        for worker in worker_group.workers:
            self._end_if_overdue(worker)
        result = super()._monitor_workers(worker_group)
        if result.is_failed():
            self._decide(result.failures, worker_group)
        # What follows while all is well is a question to the first node.
        healthy = result.state == WorkerState.HEALTHY
        self._asked = time.monotonic() if healthy else None
        return result

    def _shutdown(
        self,
        death_sig: signal.Signals = signal.SIGTERM,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self._asked = None
        if death_sig == signal.SIGINT:
            # A terminal sends it to all processes itself; twice is once more.
            death_sig = signal.SIGTERM
        if self._pcontext is not None:
            self._pcontext.close(death_sig, self.grace)
            handlers = self._pcontext.subprocess_handlers.values()
            self.exit_codes = [handler.proc.poll() for handler in handlers]
        super()._shutdown(death_sig, *args, **kwargs)

    @property
    def is_before_first_step(self) -> bool:
        """Whether processes that promise steps have not come to one."""
        known = [a for a in self.answers.iterdir() if not a.suffix]
        return bool(known) and not any(a.stat().st_size for a in known)

    def _end_if_overdue(self, worker: Worker) -> None:
        try:
            deadline = (self.answers / str(worker.id)).stat().st_mtime
        except FileNotFoundError:
            return
        late = time.time() - deadline
        if late > 0 and worker.id not in self._overdue:
            self._overdue.add(worker.id)
            self.say(
                f'process {worker.global_rank} (pid {worker.id}) hangs: it '
                'has come to no step within its time; it is ended'
            )
            # Python writes where it hangs, if it can.
            _send(worker.id, signal.SIGABRT)
            _send(worker.id, signal.SIGCONT)
        elif late > LAST_WORDS:
            _send(worker.id, signal.SIGKILL)

    def _decide(
        self, failures: dict[int, ProcessFailure], worker_group: WorkerGroup
    ) -> None:
        """Decides on a restart, through the number of those that are left."""
        spec: WorkerSpec = worker_group.spec
        rank, cause = self._cause(failures)
        what = f'process {rank} (pid {cause.pid}) {_ending(cause.exitcode)}'
        used = spec.max_restarts - self._remaining_restarts
        self.is_preempted = cause.exitcode == PREEMPTED
        if self.is_preempted:
            if self.is_elastic and worker_group.group_world_size > 1:
                # Another node is taken away; it counts as no failure.
                self._remaining_restarts += 1
                self.say(f'{what}; going on with the nodes that remain')
            else:
                self._remaining_restarts = 0
        elif reason := self._why_not_again(cause, failures):
            self._remaining_restarts = 0
            self.say(f'{what}; not started again: {reason}')
        elif self._remaining_restarts:
            self.say(
                f'{what}; restart {used + 1} of {spec.max_restarts} from the '
                'newest checkpoint of this run'
            )
        else:
            self.say(f'{what}; {used} restarts were made, and no more are')

    def _cause(
        self, failures: dict[int, ProcessFailure]
    ) -> tuple[int, ProcessFailure]:
        """The failure that others follow from: one ends, the others lose it.

        They are in the order in which they were noticed, and at last those
        that the agent itself has ended then, some of which save and end as if
        they were preempted.
        """
        final = (item for item in failures.items() if self._is_final(item[1]))
        return next(final, next(iter(failures.items())))

    def _is_final(self, failure: ProcessFailure) -> bool:
        return (self.answers / f'{failure.pid}.final').exists()

    def _why_not_again(
        self, cause: ProcessFailure, failures: dict[int, ProcessFailure]
    ) -> str | None:
        if self._is_final(cause):
            return 'the error would come again'
        answers = [self.answers / str(f.pid) for f in failures.values()]
        known = [answer for answer in answers if answer.exists()]
        stepped = any(answer.stat().st_size for answer in known)
        if cause.exitcode == FAILED and known and not stepped:
            return 'it did not come to its first step'
        if cause.exitcode == USAGE and not known:
            return 'it does not know its arguments'
        return None


def _ending(code: int) -> str:
    if code >= 0:
        return f'ended with exit code {code}'
    return f'was killed by {signal.Signals(-code).name}'


def _send(pid: int, signum: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signum)
