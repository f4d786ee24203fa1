#!/usr/bin/env python
"""Images a second and memory of `mmuniformer predict`, and of an Inferencer.

Both run a quick-start model with weights of no training on generated photos.
"""

import argparse
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mmuniformer.cli import run_command

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    'det': 'mask-rcnn_uniformer-tiny_fpn_shapes.py',
    'seg': 'fpn_uniformer-tiny_shapes.py',
    'pose': 'td-hm_uniformer-tiny_shapes.py',
    'cls': 'uniformer-tiny_shapes.py',
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--task', choices=CONFIGS, default='det', help='default: %(default)s'
    )
    parser.add_argument(
        '--images',
        type=int,
        default=1000,
        metavar='N',
        help='how many photos `predict` gets (default: %(default)s)',
    )
    parser.add_argument(
        '--host-images',
        type=int,
        default=100,
        metavar='N',
        help='how many of them the Inferencer gets (default: %(default)s)',
    )
    parser.add_argument(
        '--size',
        type=int,
        default=480,
        metavar='PIXELS',
        help='side of a photo (default: %(default)s)',
    )
    parser.add_argument('--batch-size', type=int, default=1, metavar='N')
    parser.add_argument('--workers', type=int, default=2, metavar='N')
    return parser.parse_args()


def resident() -> float:
    """Memory of this process now, in MB."""
    status = Path('/proc/self/status').read_text()
    return int(status.partition('VmRSS:')[2].split()[0]) / 1024


class Sampler(threading.Thread):
    """Notes the memory of the process twice a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.values: list[float] = []
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.5):
            self.values.append(resident())

    def stop(self) -> None:
        self._end.set()
        self.join()

    def at(self, share: float) -> float:
        """Mean memory around a share of the time, in MB."""
        middle = int(share * (len(self.values) - 1))
        near = self.values[max(0, middle - 4) : middle + 5]
        return sum(near) / len(near)


def main(
    task: str,
    images: int,
    host_images: int,
    size: int,
    batch_size: int,
    workers: int,
) -> None:
    """Measures, and prints a table."""
    from rich.console import Console
    from rich.table import Table

    from mmuniformer.apis import load
    from mmuniformer.prediction.running import stream
    from mmuniformer.prediction.sources import find_sources
    from mmuniformer.prediction.writing import Wanted, Writer

    config = str(ROOT / 'configs' / 'quickstart' / CONFIGS[task])
    table = Table('', 'pictures', 'images', 'images/s', 'ms of CPU an image')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = make_weights(config, folder)
        photos = make_photos(folder, images, size)
        model = load(config, weights, threshold=0.0)

        def ours(given: list[str], out: Path | None) -> None:
            wanted = Wanted(pictures=out is not None)
            writer = Writer(out or folder / 'bare', model, wanted, 0.3)
            for outcome in stream(
                model, find_sources(given), batch_size, workers
            ):
                writer.write(outcome)
            writer.close()

        some = photos[:host_images]
        # The first images of a process are slow.
        ours(photos[:2], folder / 'warm')
        sampler = Sampler()
        sampler.start()
        add_row(
            table,
            'predict',
            True,
            photos,
            lambda: ours(photos, folder / 'drawn'),
        )
        sampler.stop()
        add_row(table, 'predict', False, some, lambda: ours(some, None))
        call, drawing = inferencer(task, config, weights)
        for pictures in (True, False):
            more = drawing(folder / 'host') if pictures else {}
            call(some[:2], **more)
            add_row(
                table,
                'Inferencer',
                pictures,
                some,
                partial(call, some, **more),
            )
    console = Console()
    console.print(table)
    console.print(
        f'Memory of predict, of {images} images: {sampler.at(0.2):.0f} MB '
        f'after a fifth of the time, {sampler.at(0.6):.0f} MB after three, '
        f'{sampler.at(1):.0f} MB at the end. {platform.machine()}, Python '
        f'{platform.python_version()}.'
    )


def add_row(
    table: Any,
    name: str,
    pictures: bool,
    photos: list[str],
    work: Callable[[], object],
) -> None:
    """Runs what is measured, and enters its times."""
    start, spent = time.perf_counter(), time.process_time()
    work()
    seconds = time.perf_counter() - start
    spent = time.process_time() - spent
    table.add_row(
        name,
        'yes' if pictures else 'no',
        f'{len(photos)}',
        f'{len(photos) / seconds:.2f}',
        f'{1000 * spent / len(photos):.1f}',
    )


def make_weights(config: str, folder: Path) -> str:
    import torch
    from mmengine.registry import MODELS

    from mmuniformer.engine.config import load_config

    torch.manual_seed(0)
    cfg = load_config(config)
    settings = dict(cfg.model)
    if cfg.get('data_preprocessor') is not None:
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = MODELS.build(settings)
    path = folder / 'weights.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return str(path)


def make_photos(folder: Path, number: int, size: int) -> list[str]:
    """Links to as many photos as are asked for, of which 50 differ."""
    from mmuniformer.datasets.shapes import generate

    generate(folder / 'shapes', train=1, val=min(number, 50), size=size)
    made = sorted((folder / 'shapes' / 'images' / 'val').iterdir())
    photos = folder / 'photos'
    photos.mkdir()
    for index in range(number):
        source = made[index % len(made)]
        (photos / f'{index:06d}{source.suffix}').symlink_to(source)
    return [str(path) for path in sorted(photos.iterdir())]


def inferencer(
    task: str, config: str, weights: str
) -> tuple[Callable, Callable[[Path], dict]]:
    """The library's own, and what has it write pictures."""
    if task == 'det':
        from mmdet.apis import DetInferencer

        call = DetInferencer(config, weights, show_progress=False)
        return (
            lambda photos, **more: call(photos, pred_score_thr=0.0, **more),
            lambda out: dict(out_dir=str(out)),
        )
    if task == 'seg':
        from mmseg.apis import MMSegInferencer

        call = MMSegInferencer(config, weights)
        return call, lambda out: dict(out_dir=str(out))
    if task == 'pose':
        from mmpose.apis import Pose2DInferencer

        pose = Pose2DInferencer(config, weights, det_model='whole_image')
        return (
            lambda photos, **more: [list(pose(p, **more)) for p in photos],
            lambda out: dict(vis_out_dir=str(out), return_vis=False),
        )
    from mmpretrain import ImageClassificationInferencer

    call = ImageClassificationInferencer(config, weights)
    return call, lambda out: dict(show_dir=str(out))


if __name__ == '__main__':
    arguments = vars(parse_args())
    sys.exit(run_command(lambda: main(**arguments)))
