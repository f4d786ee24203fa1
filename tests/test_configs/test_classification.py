"""Every config of image classification: a step, an evaluation, a test."""

import math
import pickle
from pathlib import Path

import pytest
from mmengine import Config

from mmuniformer import apis
from mmuniformer.errors import UserError

FOLDER = Path(__file__).parents[2] / 'configs/classification'
LEAVES = sorted(FOLDER.rglob('*.py'))
PLAIN = FOLDER / 'uniformer/uniformer-small_8xb128_in1k.py'
LABELED = FOLDER / 'uniformer_tl/uniformer-small_8xb128-tl_in1k.py'


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_trains_and_tests(path, reduced_classifier, outcome):
    cfg = reduced_classifier(Config.fromfile(path))
    out = outcome(cfg)
    names = {
        'uniformer_light': ('loss', 'token_loss'),
        'uniformer_tl': ('loss', 'loss_cls', 'loss_aux'),
    }.get(path.parent.name, ('loss',))
    for name in names:
        assert 0 < out.scalars[f'train/{name}'] < math.inf
    assert out.unused == []
    assert out.changed
    assert out.trained == out.validated == out.tested == [[5, 3, 64, 64]]
    assert 0 <= out.metrics['accuracy/top1'] <= out.metrics['accuracy/top5']
    assert out.metrics['accuracy/top5'] <= 100


def test_without_mixed_precision(reduced_classifier, outcome):
    """The option of docs/classification.md."""
    cfg = reduced_classifier(Config.fromfile(PLAIN))
    cfg.merge_from_dict({'optim_wrapper.type': 'OptimWrapper'})
    assert outcome(cfg).changed


@pytest.fixture
def reduced_file(request, reduced_classifier, tmp_path) -> Path:
    """A reduced config on disk, for the command lines."""
    cfg = reduced_classifier(Config.fromfile(request.param))
    path = tmp_path / 'reduced.py'
    cfg.dump(path)
    return path


@pytest.mark.parametrize('reduced_file', [PLAIN], indirect=True)
def test_stops_resumes_and_writes_predictions(reduced_file, tmp_path):
    work = tmp_path / 'work'
    apis.train(str(reduced_file), str(work))
    options = {'train_cfg.max_epochs': 2}
    apis.train(
        str(reduced_file), str(work), resume='auto', cfg_options=options
    )
    out, pictures = tmp_path / 'scores.pkl', tmp_path / 'pictures'
    metrics = apis.test(
        str(reduced_file),
        str(work / 'epoch_2.pth'),
        str(work),
        out=str(out),
        show_dir=str(pictures),
    )
    predictions = pickle.loads(out.read_bytes())
    right = [int(p['pred_label'] == p['gt_label']) for p in predictions]
    assert len(right) == 5
    assert 100 * sum(right) / 5 == metrics['accuracy/top1']
    assert len([*pictures.rglob('*.png')]) == 5
    assert [*work.glob('best_accuracy_top1_epoch_*.pth')]


@pytest.mark.parametrize('reduced_file', [LABELED], indirect=True)
def test_missing_label_maps(reduced_file, tmp_path):
    options = {
        'train_dataloader.dataset.pipeline.1.label_root': str(tmp_path / 'no')
    }
    with pytest.raises(UserError, match=r'n0/0\.pt does not exist|label map'):
        apis.train(str(reduced_file), str(tmp_path / 'w'), cfg_options=options)
