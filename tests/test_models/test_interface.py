"""What an editor, an importer and a reader of the package see."""

import inspect
from pathlib import Path

import pytest
import torch

import mmuniformer
from mmuniformer.models.layers import (
    DividedBlock,
    GlobalBlock,
    LocalBlock,
    UniFormerBlock,
)

ROOT = Path(mmuniformer.__file__).parent
BACKBONES = ('UniFormer', 'UniFormer3D', 'UniFormerLight', 'UniFormerLight3D')


@pytest.mark.parametrize('name', BACKBONES)
def test_arguments_are_spelled_out_and_explained(name):
    cls = getattr(mmuniformer, name)
    parameters = inspect.signature(cls).parameters.values()
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
    for parameter in parameters:
        assert f'\n        {parameter.name} (' in cls.__doc__, parameter.name


def test_all_that_is_public_is_there():
    for name in mmuniformer.__all__:
        assert hasattr(mmuniformer, name), name
    errors = {'CheckpointError', 'InputError', 'SettingError', 'UserError'}
    others = {'MixupCutmix', 'ScoreTokenHead', 'load_pretrained'}
    assert {*errors, *others, *BACKBONES} <= set(mmuniformer.__all__)
    # Type checkers read the hints of packages that say so.
    assert (ROOT / 'py.typed').is_file()


def test_blocks_by_the_name_of_their_aggregator():
    classes = dict(local=LocalBlock, divided=DividedBlock)
    classes['global'] = GlobalBlock
    for aggregator, cls in classes.items():
        block = UniFormerBlock(3, 8, aggregator, mlp_ratio=2.0)
        assert type(block) is cls
        assert block.mlp.fc1.weight.shape[:2] == (16, 8)
        assert block(torch.rand(1, 8, 2, 4, 4)).shape == (1, 8, 2, 4, 4)
