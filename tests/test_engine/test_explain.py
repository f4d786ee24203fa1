"""Errors of libraries as one line; others keep their traceback."""

import pytest
from mmengine.config import Config

from mmuniformer.engine import explain
from mmuniformer.engine.explain import readable_errors
from mmuniformer.errors import UserError


def test_type_of_a_library_that_is_not_installed(monkeypatch):
    cfg = Config(dict(pipeline=[dict(type='Rand', _scope_='mmpretrain')]))
    monkeypatch.setattr(explain, 'find_spec', lambda name: None)
    with (
        pytest.raises(
            UserError,
            match=r"pipeline\.0: 'Rand' is a transform of mmpretrain, "
            'which is not installed; pip install mmpretrain',
        ),
        readable_errors(cfg),
    ):
        raise KeyError('Rand is not in the mmengine::transform registry.')


def test_missing_file_in_a_loader_process():
    cfg = Config(dict(loader=dict(dataset=dict(data_root='data/coco'))))
    text = (
        'Caught FileNotFoundError in DataLoader worker process 0.\n'
        'Original Traceback (most recent call last):\n'
        'FileNotFoundError: [Errno 2] No such file or directory: '
        "'data/coco/a.jpg'\n"
    )
    with (
        pytest.raises(UserError, match=r'data/coco/a\.jpg does not exist'),
        readable_errors(cfg),
    ):
        raise FileNotFoundError(text)


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


@pytest.mark.parametrize(
    'error', [TypeError("f() got an unexpected keyword argument 'x'")]
)
def test_foreign_type_error_is_not_hidden(error):
    with pytest.raises(TypeError), readable_errors(Config(dict(a=1))):
        raise error
