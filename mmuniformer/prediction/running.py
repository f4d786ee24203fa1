"""Reading ahead of the model: in order, in a memory that does not grow."""

import queue
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmuniformer.errors import UserError
from mmuniformer.prediction.predictor import Predictor, Prepared
from mmuniformer.prediction.reading import Item, read
from mmuniformer.prediction.results import Result
from mmuniformer.prediction.sources import Source

# Megabytes that an input from a link may have.
MAX_DOWNLOAD = 1000.0
# Batches in which inputs of one size are looked for.
WINDOW = 2


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of an input.

    Attributes:
        item (Item): The input.
        image (np.ndarray, optional): (H, W, 3), BGR, to draw on.
        result (Result, optional): None if it could not be read.
        problem (str): Why; a line for the user.
    """

    item: Item
    image: np.ndarray | None = None
    result: Result | None = None
    problem: str = ''


def stream(
    predictor: Predictor,
    sources: Sequence[Source],
    batch_size: int = 1,
    workers: int = 2,
    max_download: float = MAX_DOWNLOAD,
) -> Iterator[Outcome]:
    """Predicts inputs one after another, in their order.

    Args:
        predictor (Predictor): The model.
        sources (Sequence[Source]): The inputs.
        batch_size (int): Images that go through the model at once, if they
            have one size; two batches are looked at for that.
        workers (int): Threads that read and run the test pipeline ahead of
            the model; with 0 nothing is read ahead.
        max_download (float): Megabytes that one link may have.

    Yields:
        Outcome: One for each image, frame or (of a model for actions) video,
        and one for each input that cannot be read.
    """
    live = any(source.kind == 'camera' for source in sources)
    window = batch_size if live or batch_size == 1 else WINDOW * batch_size

    def prepare(item: Item) -> Prepared | Outcome:
        if item.problem:
            return Outcome(item, problem=item.problem)
        try:
            return predictor.prepare(item)
        except UserError as error:
            return Outcome(item, problem=str(error))

    with tempfile.TemporaryDirectory(prefix='mmuniformer-') as folder:
        items = read(
            sources, predictor.takes_videos, Path(folder), max_download
        )
        ready = _ahead(items, prepare, workers, workers + window)
        try:
            for chunk in _chunks(ready, window):
                for outcome in _outcomes(predictor, chunk, batch_size):
                    yield outcome
                    outcome.item.forget()
        finally:
            ready.close()


def _outcomes(
    predictor: Predictor, chunk: Sequence[Prepared | Outcome], batch_size: int
) -> Iterator[Outcome]:
    prepared = [one for one in chunk if isinstance(one, Prepared)]
    results = iter(predictor.predict(prepared, batch_size))
    for one in chunk:
        if isinstance(one, Outcome):
            yield one
        else:
            yield Outcome(one.item, one.image, next(results))


def _chunks(values: Iterable, size: int) -> Iterator[list]:
    chunk = []
    for value in values:
        chunk.append(value)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _ahead(
    items: Iterator[Item], work: Callable, workers: int, depth: int
) -> Iterator:
    """What ``work`` makes of items, in their order.

    Args:
        items (Iterator[Item]): Asked for by one thread.
        work (Callable): Called in ``workers`` threads.
        workers (int): 0 for none.
        depth (int): Most items that are under way.

    Yields:
        Any: Its values; an error that it or the items raise is raised here.
    """
    if not workers:
        yield from map(work, items)
        return
    waiting: queue.Queue[Future | None] = queue.Queue(depth)
    stop = threading.Event()

    def put(value: Future | None) -> None:
        while not stop.is_set():
            try:
                waiting.put(value, timeout=0.1)
                return
            except queue.Full:
                continue

    def feed() -> None:
        try:
            for item in items:
                if stop.is_set():
                    break
                put(pool.submit(work, item))
        except BaseException as error:
            failed: Future = Future()
            failed.set_exception(error)
            put(failed)
        finally:
            put(None)

    with ThreadPoolExecutor(workers, 'predict') as pool:
        feeder = threading.Thread(target=feed, name='predict-reader')
        feeder.start()
        try:
            while (future := waiting.get()) is not None:
                yield future.result()
        finally:
            stop.set()
            feeder.join()
            pool.shutdown(cancel_futures=True)
            items.close()
