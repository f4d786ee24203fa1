"""What an editor, an importer and a reader of the package see."""

import ast
import inspect
from graphlib import TopologicalSorter
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


def imports_of(path):
    """Modules of the package that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.split('.')[0] == 'mmuniformer'}


def modules_of(folder):
    for path in sorted((ROOT / folder).rglob('*.py')):
        parts = path.relative_to(ROOT.parent).with_suffix('').parts
        yield '.'.join(parts).removesuffix('.__init__'), path


def test_arrows_point_one_way():
    allowed = {
        'models/layers': ('models.layers',),
        'checkpoint': ('checkpoint', 'errors', 'compat.mmengine_checkpoint'),
        'models': ('models', 'checkpoint', 'errors', 'registry'),
    }
    for folder, rooms in allowed.items():
        prefixes = tuple(f'mmuniformer.{room}' for room in rooms)
        for name, path in modules_of(folder):
            strays = {
                m for m in imports_of(path) if not m.startswith(prefixes)
            }
            assert not strays, (name, strays)


def test_no_import_goes_round():
    modules = [*modules_of('models'), *modules_of('checkpoint')]
    graph = {name: imports_of(path) for name, path in modules}
    # Raises an error that names a cycle.
    assert list(TopologicalSorter(graph).static_order())
