"""Pictures of what a recognizer says of videos."""

from pathlib import Path

import cv2
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmuniformer.registry import HOOKS
from mmuniformer.visualization.clips import class_name, draw_clip

WHITE, GREEN, RED = (255, 255, 255), (110, 230, 110), (255, 120, 110)


@HOOKS.register_module()
class VideoPictureHook(Hook):
    """Draws tested videos with their true and predicted classes.

    mmaction2's ``VisualizationHook`` fails for samples of several views,
    which those of every 3D recognizer are, and writes no class.

    Args:
        enable (bool): Whether to draw.
        interval (int): Every how many samples.
        show (bool): Open a window for each picture.
        wait_time (float): Seconds that a window stays.
        out_dir (str, optional): Folder that gets a PNG of each sample: frames
            of its first view.
    """

    def __init__(
        self,
        enable: bool = False,
        interval: int = 5000,
        show: bool = False,
        wait_time: float = 2.0,
        out_dir: str | None = None,
    ) -> None:
        self.enable = enable
        self.interval = interval
        self.show = show
        self.wait_time = wait_time
        self.out_dir = out_dir

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: list
    ) -> None:
        """Draws the samples of a batch of the validation."""
        self._draw(
            runner, runner.val_dataloader, batch_idx, data_batch, outputs
        )

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: list
    ) -> None:
        """Draws the samples of a batch of the test."""
        self._draw(
            runner, runner.test_dataloader, batch_idx, data_batch, outputs
        )

    def _draw(
        self,
        runner: Runner,
        loader: object,
        batch_idx: int,
        data_batch: dict,
        outputs: list,
    ) -> None:
        if not self.enable:
            return
        classes = loader.dataset.metainfo.get('classes')
        for position, sample in enumerate(outputs):
            # Processes take turns in the list.
            index = batch_idx * loader.batch_size + position
            index = index * get_world_size() + get_rank()
            if index % self.interval:
                continue
            view = data_batch['inputs'][position][0]
            true, predicted = int(sample.gt_label), int(sample.pred_label)
            right = GREEN if predicted == true else RED
            lines = [
                (f'true: {class_name(true, classes)}', WHITE),
                (f'predicted: {class_name(predicted, classes)}', right),
            ]
            picture = draw_clip(list(view.permute(1, 2, 3, 0).numpy()), lines)
            name = f'{index:06d}_{self._name(sample)}'.rstrip('_')
            if self.out_dir is not None:
                path = Path(self.out_dir, f'{name}.png')
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), picture[..., ::-1])
            if self.show:
                runner.visualizer.show(
                    picture, win_name=name, wait_time=self.wait_time
                )

    @staticmethod
    def _name(sample: object) -> str:
        """Name of the video or its folder, if the pipeline packs it."""
        path = sample.get('filename') or sample.get('frame_dir') or ''
        return Path(path).stem
