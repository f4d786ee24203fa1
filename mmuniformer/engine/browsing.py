"""Pictures of what a config's data pipeline gives to the model."""

import tempfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, VISUALIZERS
from mmengine.visualization import Visualizer
from rich.progress import track

from mmuniformer.datasets.repeat_augment import RepeatAugment
from mmuniformer.engine.config import load_config
from mmuniformer.engine.errors import readable_errors
from mmuniformer.engine.hosts import host_of
from mmuniformer.engine.launch import check_display
from mmuniformer.engine.video_lists import check_video_lists
from mmuniformer.engine.videos import check_videos
from mmuniformer.errors import UserError
from mmuniformer.visualization.clips import class_name, draw_clip

MODES = ('transformed', 'original', 'pipeline')
PHASES = ('train', 'val', 'test')
# Transforms that read and decode: what they give is the original.
READING = ('Load', 'Decord', 'OpenCV', 'PyAV', 'RawFrame', 'SampleFrames')
READING += ('UniformSample', 'DenseSample')
CAPTION_HEIGHT = 24


def browse_dataset(
    config: str,
    phase: str = 'train',
    mode: str = 'transformed',
    number: int = 10,
    out_dir: str | None = None,
    show: bool = False,
    cfg_options: dict[str, Any] | None = None,
) -> None:
    """Draws the samples of a config's data set with their annotations.

    Args:
        config (str): Config file.
        phase (str): Which dataloader: 'train', 'val' or 'test'.
        mode (str): 'transformed' for what the model gets, 'original' for
            what the files hold, 'pipeline' for each step that changes it.
        number (int): How many samples.
        out_dir (str, optional): Folder for the pictures; by default, and
            unless a window is asked for, ``work_dirs/<config>/browse``.
        show (bool): Show each picture in a window.
        cfg_options (dict, optional): Values by dotted key.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    cfg = load_config(config, cfg_options)
    host_of(cfg, 'browse_dataset.py')
    check_display(show)
    if number < 1:
        raise UserError(f'--number must be at least 1, not {number}')
    if out_dir is None and not show:
        out_dir = str(Path('work_dirs', Path(config).stem, 'browse'))
    check_video_lists(cfg, (phase,))
    check_videos(cfg)
    with readable_errors(cfg):
        dataset = _dataset(cfg, phase)
        visualizer = _visualizer(cfg, dataset)
        count = min(number, len(dataset))
        for index in track(range(count), description=f'{phase} samples'):
            pictures = [
                (caption, _draw(cfg, visualizer, results, sample))
                for caption, results, sample in _steps(dataset, index, mode)
            ]
            picture = _row(pictures) if mode == 'pipeline' else pictures[0][1]
            if out_dir is not None:
                _write(picture, Path(out_dir, f'{phase}_{index:04d}.png'))
            if show:
                visualizer.show(picture, win_name=f'{phase} {index}')


def _dataset(cfg: Config, phase: str) -> Any:
    loader = cfg.get(f'{phase}_dataloader')
    if loader is None:
        raise UserError(f'config {cfg.filename} has no {phase}_dataloader')
    dataset = DATASETS.build(loader.dataset)
    while not hasattr(dataset, 'pipeline'):
        # Wrappers that repeat, join or balance data sets.
        inner = getattr(dataset, 'dataset', None)
        dataset = inner if inner is not None else dataset.datasets[0]
    return dataset


def _visualizer(cfg: Config, dataset: Any) -> Visualizer:
    settings = dict(cfg.visualizer, vis_backends=None, name='browse')
    visualizer = VISUALIZERS.build(settings)
    if cfg.default_scope == 'mmpose':
        # It takes colours and links of keypoints from there.
        visualizer.set_dataset_meta(dataset.metainfo)
    else:
        visualizer.dataset_meta = dataset.metainfo
    return visualizer


def _steps(
    dataset: Any, index: int, mode: str
) -> Iterator[tuple[str, dict, Any]]:
    """Caption, results and packed sample of the steps that ``mode`` shows."""
    *transforms, pack = dataset.pipeline.transforms
    if isinstance(pack, RepeatAugment):
        # One of the copies.
        transforms += pack.transforms.transforms
        pack = transforms.pop()
    pack = deepcopy(pack)
    if hasattr(pack, 'pack_transformed'):
        pack.pack_transformed = True
    whole, dataset.pipeline = dataset.pipeline, lambda results: results
    try:
        results = dataset.prepare_data(index)
    finally:
        dataset.pipeline = whole
    shown = []
    for position, transform in enumerate(transforms):
        before = _frames(results)
        results = transform(results)
        if results is None:
            raise UserError(
                f'sample {index}: {type(transform).__name__} dropped it '
                '(nothing is left to learn from); choose others'
            )
        name = type(transform).__name__
        reading = name.startswith(READING)
        changed = _changed(before, _frames(results))
        last = position == len(transforms) - 1
        new = changed or last or name.startswith('Load')
        if mode == 'pipeline' and new and _frames(results):
            shown.append((name, _copy(results)))
        elif mode == 'original' and reading:
            shown = [(name, _copy(results))]
    if mode == 'transformed':
        shown = [('', results)]
    for name, step in shown:
        yield name, step, pack.transform(_copy(step))['data_samples']


def _copy(results: dict) -> dict:
    # An open video cannot be copied, and no later step reads it.
    return deepcopy({k: v for k, v in results.items() if k != 'video_reader'})


def _frames(results: dict) -> list[np.ndarray]:
    """The image, or the frames of a clip while they are a list of images."""
    if isinstance(results.get('img'), np.ndarray):
        return [results['img']]
    frames = results.get('imgs', [])
    if isinstance(frames, np.ndarray) and frames.ndim == 5:
        # FormatShape: (clips, C, T, H, W).
        frames = frames[0].transpose(1, 2, 3, 0)
    return list(frames)


def _changed(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    return len(before) != len(after) or any(
        a is not b and not np.array_equal(a, b)
        for a, b in zip(before, after, strict=True)
    )


def _draw(
    cfg: Config, visualizer: Visualizer, results: dict, sample: Any
) -> np.ndarray:
    """One RGB picture of a sample with its annotations."""
    draw = DRAWERS[cfg.default_scope]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, 'picture.png')
        picture = draw(visualizer, _frames(results), sample, out)
        if picture is None:
            picture = cv2.imread(str(out))[..., ::-1]
    return picture


def _rgb(frames: list[np.ndarray]) -> np.ndarray:
    """The image of a library whose loader keeps OpenCV's channel order."""
    image = np.clip(frames[0], 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image[..., ::-1])


def _draw_detection(
    visualizer: Any, frames: list, sample: Any, out: Path
) -> None:
    instances = sample.gt_instances
    boxes = instances.get('bboxes')
    if hasattr(boxes, 'tensor'):
        instances.bboxes = boxes.tensor
    masks = instances.get('masks')
    if hasattr(masks, 'to_ndarray'):
        instances.masks = masks.to_ndarray().astype(bool)
    visualizer.add_datasample(
        '', _rgb(frames), sample, draw_pred=False, out_file=str(out)
    )


def _draw_segmentation(
    visualizer: Any, frames: list, sample: Any, out: Path
) -> np.ndarray | None:
    image = _rgb(frames)
    if 'gt_sem_seg' not in sample:
        # Not loaded yet, or a test pipeline: nothing to draw.
        return image
    visualizer.add_datasample(
        '', image, sample, draw_pred=False, out_file=str(out)
    )
    return None


def _draw_pose(visualizer: Any, frames: list, sample: Any, out: Path) -> None:
    moved = 'transformed_keypoints' in sample.gt_instances
    visualizer.add_datasample(
        '',
        _rgb(frames),
        sample,
        draw_pred=False,
        draw_bbox=not moved,
        draw_heatmap=True,
        out_file=str(out),
    )


def _draw_action(
    visualizer: Any, frames: list, sample: Any, _: Path
) -> np.ndarray:
    # mmaction2 decodes to RGB. Its own visualizer writes no class.
    classes = visualizer.dataset_meta.get('classes')
    names = [class_name(label, classes) for label in sample.gt_label.tolist()]
    return draw_clip(frames, [(', '.join(names), (255, 255, 255))])


def _draw_class(visualizer: Any, frames: list, sample: Any, out: Path) -> None:
    visualizer.visualize_cls(
        _rgb(frames), sample, draw_pred=False, out_file=str(out)
    )


# Each writes its picture into the file or gives it.
DRAWERS: dict[str, Callable[[Any, list, Any, Path], Any]] = {
    'mmdet': _draw_detection,
    'mmseg': _draw_segmentation,
    'mmpose': _draw_pose,
    'mmaction': _draw_action,
    'mmpretrain': _draw_class,
}


def _row(pictures: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """Pictures side by side, each below its caption."""
    height = max(picture.shape[0] for _, picture in pictures)
    cells = []
    for caption, picture in pictures:
        (text, _), _ = cv2.getTextSize(
            caption, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1
        )
        width = max(picture.shape[1], text + 8)
        cell = np.full((height + CAPTION_HEIGHT, width, 3), 255, np.uint8)
        bottom = CAPTION_HEIGHT + picture.shape[0]
        cell[CAPTION_HEIGHT:bottom, : picture.shape[1]] = picture
        cv2.putText(
            cell, caption, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0)
        )
        cells.append(cell)
    return np.concatenate(cells, axis=1)


def _write(picture: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1])
