"""What a test kept of its samples, as plain files: no pickle is read."""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SAMPLES, SCORES, COUNTS, MAPS = (
    'samples.json',
    'scores.npy',
    'counts.npz',
    'maps.zip',
)
# Written last: without it the others are not complete.
RESULT = 'result.json'
# Bins of confidence, of equal width.
BINS = 15


@dataclass
class Samples:
    """A folder of what a test kept.

    ::

        result.json   what was tested, the host's metrics and how they were
                      computed
        samples.json  classes and the like, and an entry for each sample
        scores.npy    (N, C) float32, of classifiers
        counts.npz    of pixels: entries of the confusion matrix of each
                      sample, and bins of confidence
        maps.zip      true and predicted maps of labels, a PNG each
        scored-*.json detections and keypoints as the host's metric scored
                      them, in COCO's format of results

    Attributes:
        folder (Path): Where they are.
    """

    folder: Path

    @cached_property
    def result(self) -> dict[str, Any]:
        """Keys 'key', 'library', 'phase', 'metrics' and 'scorings'."""
        return _read(self.folder / RESULT)

    @cached_property
    def _content(self) -> dict[str, Any]:
        return _read(self.folder / SAMPLES)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """One for each sample; 'path' is that of its file."""
        return self._content['samples']

    @property
    def metainfo(self) -> dict[str, Any]:
        """What the data set says of its classes and keypoints."""
        return self._content['metainfo']

    def class_names(self, number: int) -> list[str]:
        """Names of so many classes; numbers where there are none."""
        names = list(self.metainfo.get('classes') or [])
        return [
            str(names[i]) if i < len(names) else f'class {i}'
            for i in range(number)
        ]

    def scores(self) -> np.ndarray:
        """(N, C) scores of all classes."""
        return np.load(self.folder / SCORES, allow_pickle=False)

    def counts(self) -> dict[str, np.ndarray]:
        """See :func:`write_counts`."""
        with np.load(self.folder / COUNTS, allow_pickle=False) as file:
            return dict(file)

    def maps(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) true and predicted labels of a sample."""
        with zipfile.ZipFile(self.folder / MAPS) as file:
            truth, found = (
                np.asarray(Image.open(io.BytesIO(file.read(name))))
                for name in _map_names(index)
            )
        return truth, found


def write_samples(
    folder: Path, metainfo: dict[str, Any], results: Sequence[dict]
) -> None:
    """Writes the files of :class:`Samples`, without its result.

    Args:
        folder (Path): It is made.
        metainfo (dict): Of the data set; what is no plain value is left out.
        results (Sequence[dict]): Of each sample its 'entry', and 'scores',
            'counts' and 'maps' where it has them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = dict(
        metainfo=_plain(metainfo), samples=[r['entry'] for r in results]
    )
    _write(folder / SAMPLES, content)
    if all('scores' in result for result in results):
        scores = np.stack([result['scores'] for result in results])
        np.save(folder / SCORES, scores.astype(np.float32))
    if all('counts' in result for result in results):
        write_counts(folder / COUNTS, [r['counts'] for r in results])
    if all('maps' in result for result in results):
        with zipfile.ZipFile(folder / MAPS, 'w') as file:
            for index, result in enumerate(results):
                names = _map_names(index)
                for name, png in zip(names, result['maps'], strict=True):
                    file.writestr(name, png)


def write_result(folder: Path, result: dict[str, Any]) -> None:
    """Says that all has been written, and of what."""
    _write(folder / RESULT, result)


def forget_result(folder: Path) -> None:
    """Says that what is in a folder is no longer complete."""
    (folder / RESULT).unlink(missing_ok=True)


def write_counts(path: Path, counts: Sequence[dict]) -> None:
    """Writes pixels of each sample by true and predicted class.

    Args:
        path (Path): Gets 'sample', 'cell' and 'pixels', one each for each
            pair of classes that a sample has, 'shape' of the matrix, and
            'bins' (3, BINS): pixels, the sum of their confidence, and those
            that are right.
        counts (Sequence[dict]): 'matrix' of each, and 'bins'.
    """
    flat = [np.flatnonzero(each['matrix']) for each in counts]
    np.savez_compressed(
        path,
        sample=np.repeat(np.arange(len(flat)), [len(f) for f in flat]),
        cell=np.concatenate(flat),
        pixels=np.concatenate(
            [c['matrix'].flat[f] for c, f in zip(counts, flat, strict=True)]
        ),
        shape=np.array(counts[0]['matrix'].shape),
        bins=np.sum([each['bins'] for each in counts], axis=0),
    )


def png_of_labels(labels: np.ndarray) -> bytes:
    """(H, W) labels as the bytes of a PNG."""
    kind = np.uint8 if labels.max(initial=0) < 256 else np.uint16
    buffer = io.BytesIO()
    Image.fromarray(labels.astype(kind)).save(buffer, format='png')
    return buffer.getvalue()


def count_bins(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Predictions by their confidence.

    Args:
        confidence (np.ndarray): (N,) 0 to 1.
        right (np.ndarray): (N,) bool.

    Returns:
        np.ndarray: (3, BINS): how many, the sum of their confidence, and how
        many are right.
    """
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return np.stack(
        [
            np.bincount(places, values, BINS)
            for values in (np.ones(len(places)), confidence, right)
        ]
    )


def calibration_error(bins: np.ndarray) -> float:
    """The expected calibration error: see :func:`count_bins` for ``bins``."""
    counts, confidence, right = bins
    return float(np.abs(confidence - right).sum() / max(counts.sum(), 1))


def _map_names(index: int) -> tuple[str, str]:
    return f'{index:07d}_true.png', f'{index:07d}_predicted.png'


def _plain(value: Any) -> Any:
    """What JSON can hold of a value."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    return str(value)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding='utf-8'))


def _write(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_name(f'.{path.name}.partial')
    partial.write_text(json.dumps(_plain(content)), encoding='utf-8')
    partial.replace(path)
