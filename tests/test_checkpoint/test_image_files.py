"""Official files of image classifiers in models of mmpretrain."""

import pytest
import torch
from image_models import build, light, plain, with_token_labels
from mmengine.runner.checkpoint import load_checkpoint

from mmuniformer import CheckpointError, load_classifier
from mmuniformer.checkpoint.classifier import name_officially

pytest.importorskip('mmpretrain')

FILES = {
    'image_uniformer_small': (plain('small'), 64),
    'image_uniformer_small_plus': (plain('small_plus'), 32),
    'image_uniformer_base_ls': (plain('base_ls'), None),
    'image_uniformer_xxs': (light('xxs'), None),
    'tokenlabel_uniformer_small': (with_token_labels('small_dim32'), 32),
}


@pytest.mark.parametrize('name', FILES)
def test_whole_files_load_as_they_are(name, official, tmp_path, messages):
    """Every tensor, by mmengine's door; head_dim is told where it counts."""
    config, head_dim = FILES[name]
    tensors = official(name)
    torch.save(dict(model=tensors), tmp_path / 'file.pth')
    model = build(config)
    load_checkpoint(model, str(tmp_path / 'file.pth'), strict=True)
    loaded = name_officially(model.state_dict())
    assert loaded.keys() == tensors.keys()
    assert all(loaded[key].equal(tensors[key]) for key in tensors)
    told = [line for line in messages if 'head_dim is' in line]
    assert bool(told) == (head_dim is not None)
    if told:
        assert f'head_dim is {head_dim}, by the arch' in told[0]


def test_another_number_of_classes_is_named(official, tmp_path):
    torch.save(official('image_uniformer_small'), tmp_path / 'file.pth')
    model = build(plain('small', classes=10))
    with pytest.raises(CheckpointError, match=r'1000 classes.*has 10.*head'):
        load_classifier(model, str(tmp_path / 'file.pth'))


def test_names_that_the_official_code_lacks():
    with pytest.raises(
        CheckpointError, match=r'neck\.conv\.weight has no name'
    ):
        name_officially({'neck.conv.weight': torch.zeros(1)})
