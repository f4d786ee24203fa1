"""Pictures of samples as a data pipeline gives them, for each library."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import VISUALIZERS
from mmengine.visualization import Visualizer

from mmuniformer.visualization.clips import class_name, draw_clip
from mmuniformer.visualization.skeletons import scale_skeletons

CAPTION_HEIGHT = 24


def build_visualizer(cfg: Config) -> Visualizer:
    """The visualizer of a config, without the places that it writes to."""
    settings = dict(cfg.visualizer, vis_backends=None, name='browse')
    return VISUALIZERS.build(settings)


def set_metainfo(cfg: Config, visualizer: Visualizer, metainfo: dict) -> None:
    """Tells a visualizer the classes, keypoints and colours of a data set."""
    if cfg.default_scope == 'mmpose':
        # It takes colours and links of keypoints from there.
        visualizer.set_dataset_meta(metainfo)
    else:
        visualizer.dataset_meta = metainfo


def frames_of(results: dict) -> list[np.ndarray]:
    """The image, or the frames of a clip while they are a list of images."""
    image = results.get('img')
    if image is not None:
        # A list of images in what mixes or multiplies them.
        return [image] if isinstance(image, np.ndarray) else list(image)
    frames = results.get('imgs', [])
    if isinstance(frames, np.ndarray) and frames.ndim == 5:
        # FormatShape: (clips, C, T, H, W).
        frames = frames[0].transpose(1, 2, 3, 0)
    return list(frames)


def draw_sample(
    scope: str, visualizer: Visualizer, results: dict, sample: Any
) -> np.ndarray:
    """One RGB picture (H, W, 3) of a sample with its annotations.

    Args:
        scope (str): The library of the config.
        visualizer (Visualizer): Its visualizer.
        results (dict): What the pipeline had before it packed.
        sample (Any): The packed annotations.
    """
    draw = DRAWERS[scope]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, 'picture.png')
        picture = draw(visualizer, frames_of(results), sample, out)
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
    instances = sample.gt_instances
    moved = 'transformed_keypoints' in instances
    scale_skeletons(visualizer, frames[0].shape)
    visible = instances.get('keypoints_visible')
    if visible is not None and visible.ndim == 3:
        # KeypointConverter puts weights beside what is visible, which
        # mmpose's visualizer cannot draw.
        instances.keypoints_visible = visible[..., 0]
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


def side_by_side(pictures: list[tuple[str, np.ndarray]]) -> np.ndarray:
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
