"""Every video config: one step of training, one test of several views."""

import math
import pickle
import shutil
from pathlib import Path

import cv2
import pytest
from mmengine import Config

from mmuniformer import apis
from mmuniformer.apis import browse
from mmuniformer.apis.browsing import MODES
from mmuniformer.errors import UserError

DENSE = 'uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_kinetics400-rgb.py'
UNIFORM = 'uniformer-small_k400-pre_8xb4-u16-60e_sthv1-rgb.py'
FOLDER = Path(__file__).parents[2] / 'configs/video/uniformer'
LEAVES = sorted(FOLDER.glob('*.py'))


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_trains_and_tests_views(path, reduced_recognizer, outcome):
    cfg = reduced_recognizer(Config.fromfile(path))
    out = outcome(cfg)
    assert 0 < out.scalars['train/loss_cls'] < math.inf
    assert out.unused == []
    assert out.changed
    # Two copies of two clips, then a view each of two videos, then all views.
    assert out.trained == [[4, 3, 4, 64, 64]]
    assert out.validated == [[2, 3, 4, 64, 64]]
    tests = cfg.test_dataloader.dataset.pipeline
    clips = next(t for t in tests if 'clip_len' in t).get('num_clips', 1)
    crops = 3 if any(t.type == 'ThreeCrop' for t in tests) else 1
    assert clips * crops > 1
    assert out.tested == [[2 * clips * crops, 3, 4, 64, 64]]
    assert 0 <= out.metrics['acc/top1'] <= out.metrics['acc/top5'] <= 1


@pytest.fixture(params=[DENSE, UNIFORM], ids=['videos', 'frames'])
def reduced_file(request, reduced_recognizer, tmp_path) -> Path:
    """A reduced config on disk, for the command lines."""
    cfg = reduced_recognizer(Config.fromfile(FOLDER / request.param))
    path = tmp_path / 'reduced.py'
    cfg.dump(path)
    return path


def test_stops_resumes_and_writes_predictions(
    reduced_file, video_data, tmp_path
):
    work = tmp_path / 'work'
    apis.train(str(reduced_file), str(work))
    options = {'train_cfg.max_epochs': 2}
    apis.train(
        str(reduced_file), str(work), resume='auto', cfg_options=options
    )
    checkpoint = work / 'epoch_2.pth'
    out, pictures = tmp_path / 'scores.pkl', tmp_path / 'pictures'
    metrics = apis.test(
        str(reduced_file),
        str(checkpoint),
        str(work),
        out=str(out),
        show_dir=str(pictures),
    )
    predictions = pickle.loads(out.read_bytes())
    assert [int(p['gt_label']) for p in predictions] == [0, 1]
    right = [int(p['pred_label'] == p['gt_label']) for p in predictions]
    assert sum(right) / 2 == metrics['acc/top1']
    assert all(p['pred_score'].isfinite().all() for p in predictions)
    names = [
        Path(p.get('filename') or p['frame_dir']).stem for p in predictions
    ]
    assert names == [*video_data.names[:2]]
    drawn = [f'{i:06d}_{name}.png' for i, name in enumerate(names)]
    assert sorted(path.name for path in pictures.iterdir()) == drawn


@pytest.mark.parametrize('mode', MODES)
def test_samples_are_drawn(reduced_file, mode, tmp_path):
    folder = tmp_path / 'pictures'
    browse(str(reduced_file), 'train', mode, 1, str(folder))
    (path,) = folder.iterdir()
    height, width = cv2.imread(str(path)).shape[:2]
    if mode == 'transformed':
        assert (width, height) == (4 * 64, 64)
    assert width >= 4 * 64


def test_missing_weights_to_start_from(reduced_file, tmp_path):
    cfg = Config.fromfile(reduced_file)
    cfg.model.backbone.init_cfg = dict(
        type='Pretrained', checkpoint='checkpoints/k600.pth'
    )
    cfg.dump(reduced_file)
    with pytest.raises(UserError, match=r'checkpoints/k600\.pth') as raised:
        apis.train(str(reduced_file), str(tmp_path / 'work'))
    assert 'model.backbone.init_cfg.checkpoint' in str(raised.value)


def test_label_out_of_range(reduced_file, video_data, tmp_path):
    wrong = tmp_path / 'wrong.txt'
    key = 'train_dataloader.dataset.ann_file'
    cfg = Config.fromfile(reduced_file)
    text = (
        video_data.root / cfg.train_dataloader.dataset.ann_file
    ).read_text()
    wrong.write_text(text.replace(' 2', ' 700'))
    with pytest.raises(UserError, match=r'wrong\.txt, line 3: .* label 700'):
        apis.train(
            str(reduced_file),
            str(tmp_path / 'work'),
            cfg_options={key: str(wrong)},
        )


@pytest.mark.parametrize('content', [b'', b'no image'])
@pytest.mark.parametrize('reduced_file', [UNIFORM], indirect=True)
def test_unreadable_frame(reduced_file, video_data, tmp_path, content):
    data = tmp_path / 'data'
    shutil.copytree(video_data.root, data)
    for frame in (data / video_data.names[0]).iterdir():
        frame.write_bytes(content)
    options = {'train_dataloader.dataset.data_root': str(data)}
    with pytest.raises(
        UserError,
        match=rf'{video_data.names[0]}/img_0000\d\.jpg: it is damaged',
    ):
        apis.train(str(reduced_file), str(tmp_path / 'w'), cfg_options=options)
