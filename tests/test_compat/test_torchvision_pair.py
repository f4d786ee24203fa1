import importlib

import pytest

from mmuniformer.compat import torchvision_pair


@pytest.mark.parametrize(
    ('torch', 'torchvision'),
    [('2.1.0', '0.16'), ('2.6.0+cu126', '0.21'), ('2.14.1', '0.29')],
)
def test_matching_version(torch, torchvision):
    assert torchvision_pair.matching_version(torch) == torchvision


def test_a_mismatch_is_said_in_one_line(fake_package, monkeypatch):
    versions = dict(torch='2.14.1+cpu', torchvision='0.27.0')
    monkeypatch.setattr(torchvision_pair, 'installed', versions.get)
    fake_package(
        'torchvision',
        __init__='raise RuntimeError('
        '"operator torchvision::nms does not exist")',
    )
    with pytest.raises(RuntimeError) as caught:
        importlib.import_module('torchvision')
    assert str(caught.value) == (
        'torchvision 0.27.0 does not load into torch 2.14.1+cpu, which needs '
        'torchvision 0.29: pip install "torchvision==0.29.*"'
    )
    status = torchvision_pair.status()
    assert status.state == 'broken'
    assert status.remedy == 'pip install "torchvision==0.29.*"'


def test_right_release_of_another_build():
    text = torchvision_pair.explain('2.14.1+cpu', '0.29.1')
    assert 'another build (CPU or CUDA version)' in text
    command = torchvision_pair.remedy('2.14.1+cpu', '0.29.1')
    assert '--force-reinstall --no-deps "torchvision==0.29.*"' in command


def test_a_torchvision_that_is_broken_otherwise(fake_package):
    fake_package('torchvision', __init__='raise OSError("libjpeg\\nmissing")')
    assert torchvision_pair.status().message == 'libjpeg'


def test_other_errors_pass_through(fake_package):
    fake_package('torchvision', __init__='raise RuntimeError("other")')
    with pytest.raises(RuntimeError, match=r'^other$'):
        importlib.import_module('torchvision')


def test_a_matching_pair():
    assert torchvision_pair.status().state == 'not needed'
