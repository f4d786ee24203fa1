"""mmpretrain beside releases of transformers, made up."""

import importlib

import pytest

from mmuniformer.compat import mmpretrain_transformers as workaround


@pytest.fixture
def dependency(fake_package, monkeypatch):
    """mmpretrain's module, beside a transformers of the given text."""

    def make(text):
        workaround._is_defect.cache_clear()
        fake_package('transformers', modeling_utils=text)
        folder = fake_package('mmpretrain')
        (folder / 'utils').mkdir()
        (folder / 'utils' / '__init__.py').write_text('')
        file = folder / 'utils' / 'dependency.py'
        file.write_text('WITH_MULTIMODAL = True\n')
        importlib.invalidate_caches()
        workaround.apply()
        return importlib.import_module('mmpretrain.utils.dependency')

    yield make
    workaround._is_defect.cache_clear()


def test_multimodal_models_are_left_out(dependency):
    assert dependency('class PreTrainedModel: ...').WITH_MULTIMODAL is False
    status = workaround.status()
    assert status.state == 'active'
    assert 'transformers' in status.message
    assert 'transformers<5' in status.message


def test_an_older_one_is_used(dependency):
    text = 'from x import apply_chunking_to_forward'
    assert dependency(text).WITH_MULTIMODAL is True
    assert workaround.status().state == 'not needed'
