"""Pictures of two images never go to one file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset, ConcatDataset, pseudo_collate
from mmengine.registry import HOOKS, VISUALIZERS, init_default_scope
from mmengine.structures import InstanceData, PixelData
from PIL import Image

from mmuniformer.engine.prepare import draw_predictions
from mmuniformer.hosts import HOSTS

# Those whose hooks name a picture by the name of its image.
NAMING = [host for host in HOSTS if host != 'mmaction']
VISUALIZER = {
    'mmdet': 'DetLocalVisualizer',
    'mmseg': 'SegLocalVisualizer',
    'mmpose': 'PoseLocalVisualizer',
    'mmpretrain': 'UniversalVisualizer',
}


class Images(BaseDataset):
    def load_data_list(self) -> list[dict]:
        return [dict(img_path=str(path)) for path in self.ann_file]

    def _join_prefix(self) -> None:
        """The paths are whole."""


def sample(host: str, path: Path):
    """What a model of a library says of an image."""
    size = Image.open(path).size[::-1] if path.is_file() else (20, 20)
    shape = dict(img_path=str(path), img_shape=(20, 20), ori_shape=size)
    if host == 'mmdet':
        from mmdet.structures import DetDataSample as Sample

        boxes = InstanceData(
            bboxes=torch.tensor([[2.0, 2, 9, 9]]),
            scores=torch.ones(1),
            labels=torch.zeros(1, dtype=torch.long),
        )
        return Sample(metainfo=shape, pred_instances=boxes)
    if host == 'mmseg':
        from mmseg.structures import SegDataSample as Sample

        labels = torch.zeros(1, 20, 20, dtype=torch.long)
        return Sample(metainfo=shape, pred_sem_seg=PixelData(data=labels))
    if host == 'mmpose':
        from mmpose.structures import PoseDataSample as Sample

        points = InstanceData(
            keypoints=np.full((1, 1, 2), 5.0),
            keypoint_scores=np.ones((1, 1)),
            bboxes=np.array([[1.0, 1, 9, 9]]),
        )
        return Sample(
            metainfo=shape, pred_instances=points, gt_instances=points
        )
    from mmpretrain.structures import DataSample

    found = DataSample(metainfo=shape)
    return found.set_pred_label(0).set_pred_score(torch.tensor([1.0]))


class Run:
    """What the hooks ask of a runner."""

    def __init__(self, visualizer, datasets, work_dir: Path) -> None:
        self.visualizer = visualizer
        joined = ConcatDataset(datasets) if len(datasets) > 1 else datasets[0]
        self.test_dataloader = torch.utils.data.DataLoader(
            joined, collate_fn=pseudo_collate
        )
        self.test_evaluator = Config(dict(dataset_meta=META))
        self.work_dir, self.timestamp, self.iter = str(work_dir), 'now', 0


META = dict(
    classes=('a',),
    palette=[(255, 0, 0)],
    num_keypoints=1,
    keypoint_id2name={0: 'a'},
    keypoint_colors=np.array([[255, 0, 0]]),
    skeleton_links=[],
    skeleton_link_colors=np.zeros((0, 3), dtype=np.uint8),
    dataset_name='x',
)


def draw(host: str, folder: Path, lists: list[list[Path]]) -> list[str]:
    """The names of the pictures of a test on some data sets."""
    pytest.importorskip(host)
    init_default_scope(host)
    cfg = Config(dict(default_scope=host, visualizer={}, default_hooks={}))
    out = folder / 'pictures'
    draw_predictions(cfg, show=False, show_dir=str(out), wait_time=0)
    visualizer = VISUALIZERS.get(f'{host}.{VISUALIZER[host]}').get_instance(
        f'{folder}_{host}',
        vis_backends=cfg.visualizer.get('vis_backends'),
        save_dir=str(folder / 'elsewhere'),
    )
    visualizer.dataset_meta = META
    if host == 'mmpose':
        visualizer.set_dataset_meta(META)
    datasets = [
        Images(ann_file=files, metainfo=META, pipeline=[]) for files in lists
    ]
    run = Run(visualizer, datasets, folder / 'work')
    hook = HOOKS.build(cfg.default_hooks.visualization)
    hook.before_test(run)
    files = [path for files in lists for path in files]
    for index in range(0, len(files), 2):
        batch = files[index : index + 2]
        hook.after_test_iter(
            run,
            index // 2,
            dict(inputs=[torch.zeros(3, 20, 20)] * len(batch)),
            [sample(host, path) for path in batch],
        )
    found = [p for p in out.rglob('*') if p.is_file()]
    return sorted(str(p.relative_to(out)) for p in found)


@pytest.fixture
def images(tmp_path) -> list[Path]:
    paths = [tmp_path / f'images/{name}' for name in ('a/x', 'a/y', 'b/c/x')]
    paths = [path.with_suffix('.jpg') for path in paths]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (20, 20)).save(path)
    return paths


@pytest.mark.parametrize('host', NAMING)
class TestPictures:
    def test_one_name_in_two_folders(self, host, images, tmp_path):
        found = draw(host, tmp_path, [images])
        assert [str(Path(name).parent) for name in found] == ['a', 'a', 'b/c']
        assert len(found) == 3

    def test_one_folder_is_no_folder(self, host, images, tmp_path):
        found = draw(host, tmp_path, [images[:2]])
        assert len(found) == 2
        assert all('/' not in name for name in found)

    def test_several_data_sets_with_one_image(self, host, images, tmp_path):
        found = draw(host, tmp_path, [images[:2], images[1:], images[1:2]])
        assert len(found) == 5


def test_images_that_are_no_files(tmp_path):
    """mmpretrain numbers them; the second of a batch is not the first."""
    pytest.importorskip('mmpretrain')
    init_default_scope('mmpretrain')
    kind = VISUALIZERS.get('mmpretrain.UniversalVisualizer')
    kind.get_instance(str(tmp_path))
    hook = HOOKS.build(
        dict(
            type='mmuniformer.PicturesHook',
            hook=dict(type='VisualizationHook', enable=True, interval=1),
            folder='out_dir',
            out_dir=str(tmp_path / 'out'),
        )
    )
    one = sample('mmpretrain', Path('x'))
    del one.img_path
    for batch_idx in range(2):
        batch = dict(inputs=torch.zeros(2, 3, 20, 20))
        hook.after_test_iter(None, batch_idx, batch, [one, one])
    assert len(list((tmp_path / 'out').iterdir())) == 4


def test_skeletons_are_as_thick_as_photos_are_large(tmp_path):
    drawn = []
    for side in (20, 2000):
        path = tmp_path / f'{side}.png'
        Image.new('RGB', (side, side)).save(path)
        folder = tmp_path / f'of_{side}'
        (name,) = draw('mmpose', folder, [[path]])
        picture = np.asarray(Image.open(folder / 'pictures' / name))
        # The keypoint is near the corner, and its box.
        drawn.append(int(picture.any(-1)[:, :20].sum()))
    assert 0 < drawn[0] < 100
    assert drawn[1] > 200
