"""mmpretrain and mmaction2 beside releases of transformers, made up."""

import importlib

import pytest

from mmuniformer.compat import multimodal_transformers as workaround

OLD = 'from x import apply_chunking_to_forward'
NEW = 'class PreTrainedModel: ...'


@pytest.fixture
def dependency(fake_package):
    """A library's module, beside a transformers of the given text."""

    def make(library, text):
        workaround._is_too_new.cache_clear()
        fake_package('transformers', modeling_utils=text)
        utils = fake_package(library) / 'utils'
        utils.mkdir()
        (utils / '__init__.py').write_text('')
        (utils / 'dependency.py').write_text('WITH_MULTIMODAL = True\n')
        importlib.invalidate_caches()
        workaround.apply()
        return importlib.import_module(f'{library}.utils.dependency')

    yield make
    workaround._is_too_new.cache_clear()


@pytest.mark.parametrize('library', ['mmpretrain', 'mmaction'])
def test_models_are_left_out(dependency, fake_package, library):
    fake_package('timm')
    assert dependency(library, NEW).WITH_MULTIMODAL is False
    status = workaround.status()
    assert status.state == 'active'
    assert 'transformers<5' in status.message


@pytest.mark.parametrize('library', ['mmpretrain', 'mmaction'])
def test_an_older_one_is_used(dependency, fake_package, library):
    fake_package('timm')
    assert dependency(library, OLD).WITH_MULTIMODAL is True


def test_mmaction2_without_timm(dependency):
    if importlib.util.find_spec('timm'):
        pytest.skip('timm is installed')
    assert dependency('mmaction', OLD).WITH_MULTIMODAL is False
    assert 'timm' in workaround.status().message
