"""Running a model on photos, videos, cameras and links."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mmuniformer.errors import UserError
from mmuniformer.prediction.models import TASKS, load_model
from mmuniformer.prediction.poses import (
    BoxesOf,
    Detected,
    Filed,
    PosePredictor,
)
from mmuniformer.prediction.predictor import Predictor
from mmuniformer.prediction.results import Result
from mmuniformer.prediction.running import MAX_DOWNLOAD, Outcome, stream
from mmuniformer.prediction.sources import (
    Source,
    find_sources,
    videos_among,
)
from mmuniformer.prediction.writing import Wanted, Writer, check_apart

THRESHOLD = 0.3


@dataclass
class Summary:
    """What came of a command.

    Attributes:
        images (int): Images, frames and whole videos that were predicted.
        seconds (float): From the first one read to the last one written.
        problems (list[str]): A line for each input that could not be read.
        results (Path, optional): The file with the results.
    """

    images: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    results: Path | None = None

    @property
    def rate(self) -> float:
        """Images in a second."""
        return self.images / self.seconds if self.seconds else 0.0


def load(
    model: str | Path,
    weights: str | Path | None = None,
    device: str | None = None,
    threshold: float = THRESHOLD,
    half: bool = False,
    detector: Predictor | str | Path | None = None,
    detector_weights: str | Path | None = None,
    detector_classes: Sequence[str] | None = None,
    boxes: str | Path | None = None,
) -> Predictor:
    """A model that is called with images: ``load(...)('photo.jpg')``.

    Args:
        model (str or Path): A config, or a checkpoint that has its config in
            it, as every training here writes it.
        weights (str or Path, optional): The checkpoint, where ``model`` is a
            config; a file or a link.
        device (str, optional): Such as 'cuda:1'; the accelerator of this
            machine by default, or the CPU.
        threshold (float): Least score of what a detector finds; with 0 all
            that it gives. Of a pose model, least score of a box.
        half (bool): In half precision (bfloat16, on older GPUs float16).
        detector (Predictor, str or Path, optional): What finds the boxes for
            a pose model; by default the whole of each image is one.
        detector_weights (str or Path, optional): Its checkpoint.
        detector_classes (Sequence[str], optional): Classes of the boxes;
            'person' by default, or all if it has no such class.
        boxes (str or Path, optional): A file with boxes for a pose model, in
            place of a detector.

    Returns:
        Predictor: Call it with a file, an image as OpenCV reads it, or a list
        of these.

    Raises:
        UserError: For a mistake in what the user gave.
        CheckpointError: If a checkpoint cannot be read.
    """
    if not 0 <= threshold <= 1:
        raise UserError(f'the threshold is from 0 to 1, not {threshold:g}')
    loaded = load_model(_text(model), _text(weights), device, threshold)
    if TASKS[loaded.library] != 'pose':
        if detector is not None or boxes is not None:
            raise UserError(
                f'{model} is a model for {TASKS[loaded.library]}: a detector '
                'and boxes are for pose models'
            )
        return Predictor(loaded, threshold, half)
    if detector is not None and boxes is not None:
        raise UserError('--detector and --boxes: one of them finds the boxes')
    boxes_of: BoxesOf | None = None
    if detector is not None:
        if not isinstance(detector, Predictor):
            detector = load(
                detector, detector_weights, device, threshold, half
            )
        boxes_of = Detected(detector, detector_classes)
    elif boxes is not None:
        boxes_of = Filed(str(boxes), threshold)
    return PosePredictor(loaded, threshold, half, boxes_of)


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


def predict(
    sources: Iterable[str | Path],
    model: str | Path,
    weights: str | Path | None = None,
    out_dir: str | Path = 'predictions',
    *,
    device: str | None = None,
    half: bool = False,
    threshold: float = THRESHOLD,
    batch_size: int = 1,
    workers: int = 2,
    detector: str | Path | None = None,
    detector_weights: str | Path | None = None,
    detector_classes: Sequence[str] | None = None,
    boxes: str | Path | None = None,
    keypoint_threshold: float = THRESHOLD,
    pictures: bool = True,
    crops: bool = False,
    label_maps: bool = False,
    format: str | None = None,
    max_download: float = MAX_DOWNLOAD,
) -> Summary:
    """Runs a model on all inputs and writes what it finds.

    Args:
        sources (Iterable[str or Path]): Photos, videos, folders, globs,
            http(s) links, numbers of cameras, and ``-`` for a list on the
            standard input.
        model, weights, device, half, threshold: See :func:`load`.
        out_dir (str or Path): Folder for all that is written.
        batch_size (int): Images that go through the model at once.
        workers (int): Threads that read and prepare images ahead of it.
        detector, detector_weights, detector_classes, boxes: See
            :func:`load`.
        keypoint_threshold (float): Least score of a keypoint that is drawn.
        pictures (bool): Write pictures and videos.
        crops (bool): Write a picture of each box.
        label_maps (bool): Write a PNG with the classes of pixels.
        format (str, optional): 'coco' or 'jsonl' for the results; COCO by
            default where it has a form for them.
        max_download (float): Megabytes that one link may have.

    Returns:
        Summary: Also of the inputs that could not be read, each of which was
        told in a line on the standard error.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    if batch_size < 1 or workers < 0:
        raise UserError(
            '--batch-size must be at least 1 and --workers at least 0'
        )
    found = find_sources(sources)
    check_apart(found, Path(out_dir), boxes)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    _quiet_decoders()
    predictor = load(
        model,
        weights,
        device,
        threshold,
        half,
        detector,
        detector_weights,
        detector_classes,
        boxes,
    )
    if predictor.takes_videos:
        found = videos_among(found)
    for line in _about(predictor, detector, boxes):
        console.print(line, markup=False)
    wanted = Wanted(pictures, crops, label_maps, format)
    writer = Writer(Path(out_dir), predictor, wanted, keypoint_threshold)
    summary = Summary()
    start = time.perf_counter()
    try:
        # Closed at once: threads that read ahead would outlive an error.
        with closing(
            stream(predictor, found, batch_size, workers, max_download)
        ) as outcomes:
            for outcome in _shown(outcomes, found, summary, console):
                if outcome.result is not None:
                    writer.write(outcome)
                    summary.images += 1
    finally:
        # Also of a run that is interrupted: what is there is whole.
        writer.close()
    summary.seconds = time.perf_counter() - start
    summary.results = writer.results.path
    console.print(
        f'{summary.images} images in {summary.seconds:.1f} s, '
        f'{summary.rate:.2f} images/s; results in {writer.results.path}',
        markup=False,
    )
    return summary


def iterate(
    predictor: Predictor,
    sources: Iterable[str | Path],
    batch_size: int = 1,
    workers: int = 2,
) -> Iterator[Result]:
    """Results of any inputs one by one, in a memory that does not grow.

    Args:
        predictor (Predictor): From :func:`load`.
        sources (Iterable[str or Path]): See :func:`predict`.
        batch_size (int): Images that go through the model at once.
        workers (int): Threads that read ahead of the model.

    Yields:
        Result: One of each image or frame, in order.

    Raises:
        UserError: At the first input that cannot be read.
    """
    with closing(
        stream(predictor, find_sources(sources), batch_size, workers)
    ) as outcomes:
        for outcome in outcomes:
            if outcome.result is None:
                raise UserError(outcome.problem)
            yield outcome.result


def _about(
    predictor: Predictor,
    detector: str | Path | None,
    boxes: str | Path | None,
) -> Iterator[str]:
    yield from predictor.loaded.about
    if isinstance(predictor, PosePredictor) and predictor.is_top_down:
        if detector is None and boxes is None:
            yield (
                'boxes: each image is one, for there is no --detector and no '
                '--boxes'
            )
        elif isinstance(predictor.boxes_of, Detected):
            found = predictor.boxes_of
            yield f'boxes: {", ".join(found.classes)} of {detector}'
            for line in found.detector.loaded.about:
                yield f'detector: {line}'
    device = predictor.loaded.device
    if predictor.half and device.type == 'cpu':
        yield 'half precision: on most CPUs it is slower than float32'


class _Rate(TextColumn):
    """Images in a second since the first one."""

    def __init__(self) -> None:
        super().__init__('')

    def render(self, task):
        """Text of the column."""
        from rich.text import Text

        done, elapsed = task.fields.get('images', 0), task.elapsed
        return Text(f'{done / elapsed:.1f} images/s' if elapsed else '')


def _shown(
    outcomes: Iterator[Outcome],
    sources: Sequence[Source],
    summary: Summary,
    console: Console,
) -> Iterator[Outcome]:
    """Passes outcomes on, with progress; problems are told and counted."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task: TaskID = progress.add_task(
            'inputs', total=len(sources), images=0
        )
        seen: Source | None = None
        for outcome in outcomes:
            if seen is not None and outcome.item.source is not seen:
                progress.advance(task)
            seen = outcome.item.source
            if outcome.problem:
                summary.problems.append(outcome.problem)
                console.print(f'error: {outcome.problem}', markup=False)
            yield outcome
            progress.update(task, images=summary.images)


def _quiet_decoders() -> None:
    """What they say of a damaged file is said in a line of ours."""
    from cv2.utils import logging

    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
