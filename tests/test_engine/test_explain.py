"""Errors of libraries as one line; others keep their traceback."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import TRANSFORMS
from torch.utils.data import DataLoader

from mmuniformer.engine import explain
from mmuniformer.engine.explain import readable_errors
from mmuniformer.errors import UserError
from mmuniformer.hosts import packages


def test_type_of_a_library_that_is_not_installed(monkeypatch):
    cfg = Config(dict(pipeline=[dict(type='Rand', _scope_='mmpretrain')]))
    monkeypatch.setattr(explain, 'find_spec', lambda name: None)
    with (
        pytest.raises(
            UserError,
            match=r"pipeline\.0: 'Rand' is a transform of mmpretrain, "
            f'which is not installed; pip install {packages()["mmpretrain"]}',
        ),
        readable_errors(cfg),
    ):
        # What the registry says of a library that is not there.
        TRANSFORMS.build(dict(type='Rand', _scope_='mmrotate'))


def test_type_of_another_library():
    import mmdet.models  # noqa: F401
    import mmseg.registry

    cfg = Config(dict(hook=dict(type='ExpMomentumEMA')))
    with pytest.raises(UserError) as caught, readable_errors(cfg):
        mmseg.registry.MODELS.build(dict(type='ExpMomentumEMA'))
    said = str(caught.value)
    assert said.startswith("hook.type: there is no model 'ExpMomentumEMA' in")
    assert "; write 'mmdet.ExpMomentumEMA'" in said
    # What it says can be built.
    assert mmseg.registry.MODELS.get('mmdet.ExpMomentumEMA') is not None


class Reads:
    """A data set that opens a file, in the process of the loader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> bytes:
        return self.path.read_bytes()


def test_missing_file_in_a_loader_process(tmp_path):
    root = tmp_path / 'coco'
    cfg = Config(dict(loader=dict(dataset=dict(data_root=str(root)))))
    loader = DataLoader(Reads(root / 'a.jpg'), num_workers=1)
    with (
        pytest.raises(
            UserError,
            match=r'coco/a\.jpg does not exist; .*loader\.dataset\.data_root',
        ),
        readable_errors(cfg),
    ):
        next(iter(loader))


@pytest.mark.parametrize('content', [b'', b'no image'])
def test_unreadable_image(content, tmp_path):
    from mmcv.transforms import LoadImageFromFile

    image = tmp_path / 'broken.jpg'
    image.write_bytes(content)
    with (
        pytest.raises(UserError, match=r'broken\.jpg: it is damaged'),
        readable_errors(Config(dict())),
    ):
        LoadImageFromFile()(dict(img_path=str(image)))


def test_foreign_type_error_is_not_hidden():
    def f() -> None:
        """Takes nothing."""

    with (
        pytest.raises(TypeError, match="unexpected keyword argument 'x'"),
        readable_errors(Config(dict(a=1))),
    ):
        f(x=1)
