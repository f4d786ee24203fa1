"""Wrappers, several backbones, other input channels, wrong values."""

import pytest
import torch
from torch import nn

from mmuniformer import UniFormer, UniFormer3D, load_pretrained
from mmuniformer.checkpoint.input_channels import adapt_input_channels
from mmuniformer.checkpoint.state_dict import select_backbone, strip_wrappers
from mmuniformer.errors import CheckpointError

ARCH = dict(depths=(1,) * 4, embed_dims=(8, 16, 32, 64), head_dim=8)


@pytest.fixture(scope='module')
def state():
    return UniFormer(ARCH).state_dict()


def save(path, content) -> str:
    torch.save(content, path)
    return str(path)


def one_is_infinite(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.index_fill(0, torch.tensor(0), float('inf'))


class TestWrappers:
    @pytest.mark.parametrize(
        'wrap',
        [
            '{}',
            'module.{}',
            'model.{}',
            '_orig_mod.{}',
            'module._orig_mod.{}',
            '_orig_mod.module.{}',
            'model.module.{}',
            'module.model.{}',
        ],
    )
    def test_they_are_taken_off(self, state, wrap):
        tensors = {wrap.format(f'backbone.{k}'): v for k, v in state.items()}
        found = strip_wrappers(tensors, [f'backbone.{k}' for k in state])
        assert list(found) == [f'backbone.{k}' for k in state]

    def test_a_compiled_part(self, state):
        tensors = {f'backbone._orig_mod.{k}': v for k, v in state.items()}
        found = strip_wrappers(tensors, [])
        assert list(found) == [f'backbone.{k}' for k in state]

    def test_what_the_model_has_is_left_alone(self):
        tensors = {'model.a': 1, 'model.b': 2}
        assert strip_wrappers(tensors, ['model.a']) == tensors
        tensors = {'module.a': 1, 'other': 2}
        assert strip_wrappers(tensors, ['a']) == tensors


class TestSeveral:
    @pytest.mark.parametrize(
        ('parts', 'taken'),
        [
            (('student.backbone.', 'teacher.backbone.'), 1),
            (('teacher.backbone.', 'student.backbone.'), 0),
            (('encoder_k.', 'encoder_q.'), 1),
            (('backbone.', 'ema_model.backbone.'), 1),
            (('backbone.', 'head.aux.backbone.'), 0),
            (('b.', 'a.'), 0),
        ],
    )
    def test_the_choice_is_by_name_and_is_told(
        self, state, parts, taken, messages
    ):
        tensors = {
            part + key: torch.full_like(value, index)
            for index, part in enumerate(parts)
            for key, value in state.items()
        }
        found = select_backbone(tensors, 'semi.pth')
        assert set(found) == set(state)
        assert found['patch_embed1.proj.bias'][0] == taken
        said = messages[-1]
        assert f"that of '{parts[taken]}' is taken, not" in said
        assert f"'{parts[1 - taken]}'" in said

    def test_a_prefix_says_which(self, state, tmp_path):
        tensors = {f'student.{k}': v + 1 for k, v in state.items()}
        tensors |= {f'teacher.{k}': v for k, v in state.items()}
        path = save(tmp_path / 'semi.pth', tensors)
        model = UniFormer(ARCH)
        load_pretrained(model, path, prefix='student')
        bias = model.patch_embed1.proj.bias
        assert bias.equal(state['patch_embed1.proj.bias'] + 1)


class TestInputChannels:
    @pytest.mark.parametrize('stem', [False, True])
    @pytest.mark.parametrize(
        ('channels', 'how'),
        [(1, 'sum'), (12, 'sum'), *((n, 'mean') for n in (1, 2, 4, 12))],
    )
    def test_grey_looks_as_it_did(self, tmp_path, channels, how, stem):
        """An image of equal channels gives what it gave with three."""
        arch = dict(ARCH, conv_stem=stem)
        rgb = UniFormer(arch).double().eval()
        path = save(tmp_path / 'rgb.pth', dict(model=rgb.state_dict()))
        other = UniFormer(arch, in_channels=channels).double().eval()
        load_pretrained(other, path, input_channels=how)
        image = torch.rand(1, 1, 64, 64, dtype=torch.float64)
        wanted = rgb(image.expand(-1, 3, -1, -1))
        found = other(image.expand(-1, channels, -1, -1))
        for a, b in zip(wanted, found, strict=True):
            torch.testing.assert_close(a, b)

    def test_as_timm_does_it(self):
        kernel = torch.rand(5, 3, 4, 4)
        name = 'patch_embed1.proj.weight'
        for channels in (1, 4, 6):
            wanted = {name: torch.empty(5, channels, 4, 4)}
            found, words = adapt_input_channels(
                {name: kernel}, wanted, 'sum', 'x'
            )
            found = found[name]
            if channels == 1:
                expected = kernel.sum(1, keepdim=True)
            else:
                expected = kernel[:, [0, 1, 2, 0, 1, 2][:channels]]
                expected = expected * 3 / channels
            torch.testing.assert_close(found, expected)
            assert f'3 to {channels} input channels (sum)' in words

    def test_optical_flow_from_images(self, tmp_path):
        path = save(tmp_path / 'rgb.pth', UniFormer(ARCH).state_dict())
        model = UniFormer3D(ARCH, in_channels=2)
        load_pretrained(model, path)
        assert model(torch.rand(1, 2, 4, 32, 32)).isfinite().all()

    def test_refused_on_request(self, state, tmp_path):
        path = save(tmp_path / 'rgb.pth', state)
        model = UniFormer(ARCH, in_channels=4)
        with pytest.raises(CheckpointError, match='in_channels=4: init_cfg'):
            load_pretrained(model, path, input_channels='none')
        with pytest.raises(ValueError, match='input_channels must be one of'):
            load_pretrained(model, path, input_channels='median')


class TestValues:
    @pytest.mark.parametrize(
        ('change', 'words'),
        [
            (lambda t: t.to(torch.int8), 'are of type int8'),
            (lambda t: t.to(torch.complex64), 'are of type complex64'),
            (lambda t: t.to('meta'), r'have no values \(device meta\)'),
            (lambda t: t * float('nan'), 'hold numbers that are not finite'),
            (one_is_infinite, 'hold numbers that are not finite'),
        ],
    )
    def test_no_weights(self, state, tmp_path, change, words):
        name = 'blocks3.0.attn.qkv.weight'
        path = save(tmp_path / 'x.pth', {**state, name: change(state[name])})
        model = UniFormer(ARCH)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        with pytest.raises(
            CheckpointError, match=rf'x\.pth: 1 tensors {words}.*: {name}'
        ):
            load_pretrained(model, path)
        assert all(v.equal(before[k]) for k, v in model.state_dict().items())

    def test_half_precision_and_large_sums_are_weights(self, state, tmp_path):
        large = {k: v.half() for k, v in state.items()}
        large['blocks3.0.attn.qkv.weight'].fill_(60000)
        path = save(tmp_path / 'x.pth', large)
        load_pretrained(UniFormer(ARCH), path)


def test_a_model_that_is_no_backbone_is_left_alone():
    """Names of other models pass through as they are."""
    tensors = nn.Linear(2, 2).state_dict()
    assert strip_wrappers(tensors, tensors) == tensors
