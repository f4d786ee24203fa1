"""Outputs and gradients against those of the official code."""

import copy
from functools import lru_cache

import numpy as np
import pytest
import torch
from golden_data import (
    CASES,
    KeptSets,
    fill,
    make_input,
    make_loss,
    recorded,
    relative_l2,
    samples,
    scale_qkv,
)
from torch import nn

from mmuniformer.models import (
    UniFormer,
    UniFormer3D,
    UniFormerLight,
    UniFormerLight3D,
)

EXACT = 1e-10
NOISE = 10

DENSE = {
    'det_small_global_224': dict(arch='small'),
    'det_small_w14_288x352': dict(arch='small', stage3='window'),
    'det_base_h14_256x320': dict(arch='base', stage3='hybrid'),
    'det_base_global_256x192': dict(arch='base'),
    'det_small_h14_train_b2_128x160': dict(arch='small', stage3='hybrid'),
}
IMAGE = {
    'img_small_224': dict(arch='small'),
    'img_small_plus_dim64_224': dict(arch='small_plus_dim64'),
    'img_base_ls_224': dict(arch='base_ls'),
    'img_small_plus_dim64_train_b2_96': dict(arch='small_plus_dim64'),
}
VIDEO = {
    'vid_small_8x112': dict(arch='small'),
    'vid_small_odd_5x100x120': dict(arch='small'),
    'vid_small_split_8x112': dict(arch='small', attention='divided'),
}


LIGHT = {
    'det_xs_224': dict(arch='xs'),
    'det_xs_192x256_qkvx2': dict(arch='xs'),
    'det_xxs_192x256': dict(arch='xxs'),
    'det_xxs_odd_200x264': dict(arch='xxs'),
    'det_xxs_tiny_32x32': dict(arch='xxs'),
    'det_xxs_train_normeval_224': dict(arch='xxs', norm_eval=True),
}
LIGHT_IMAGE = [
    'img_xxs_128',
    'img_xxs_b3_128',
    'img_xxs_train_b2_160',
    'img_xxs_train_b2_160_qkvx2',
]
LIGHT_VIDEO = {
    'vid_light_xxs_4x128': dict(),
    'vid_light_xxs_train_b2_4x96': dict(),
    'vid_light_ls_fp32_xxs_4x128': dict(layer_scale_init_value=0.1),
    'vid_light_ls_fp32_xxs_4x128_qkvx2': dict(layer_scale_init_value=0.1),
}
ALL = [*DENSE, *IMAGE, *VIDEO, *LIGHT, *LIGHT_IMAGE, *LIGHT_VIDEO]


class Classifier(nn.Module):
    """The official classifier around a backbone.

    BatchNorm, average over positions and a linear layer, on the map of the
    last stage before the norm of the dense tasks.
    """

    def __init__(self, **settings):
        super().__init__()
        backbone = UniFormer(out_indices=(3,), **settings)
        backbone.norm4 = nn.Identity()
        self._take_over(backbone)
        self.norm = nn.BatchNorm2d(512)
        self.head = nn.Linear(512, 1000)

    def _take_over(self, backbone):
        for name, module in backbone.named_children():
            self.add_module(name, module)
        # Not registered: the names of the official classifier have no prefix.
        self.__dict__['backbone'] = backbone

    def forward(self, x):
        (x,) = self.backbone.train(self.training)(x)
        return (self.head(self.norm(x).flatten(2).mean(2)),)


class VideoClassifier(Classifier):
    """The same for video, whose backbone has the BatchNorm."""

    def __init__(self, **settings):
        nn.Module.__init__(self)
        self._take_over(UniFormer3D(**settings))
        self.head = nn.Linear(512, 400)

    def forward(self, x):
        x = self.backbone.train(self.training)(x)
        return (self.head(x.flatten(2).mean(2)),)


class LightClassifier(Classifier):
    """The official light classifier: in training, a head for the token."""

    def __init__(self, backbone, num_classes):
        nn.Module.__init__(self)
        self.cls_token = backbone.cls_token
        self._take_over(backbone)
        self.head = nn.Linear(448, num_classes)
        self.head_cls = nn.Linear(448, num_classes)

    def forward(self, x):
        x, token = self.backbone.train(self.training)(x)
        logits = self.head(x.flatten(2).mean(2))
        if not self.training:
            return (logits,)
        return logits, self.head_cls(token.flatten(1))


def build(case_id):
    """A model of its own: BatchNorm in training mode changes statistics."""
    return copy.deepcopy(filled(case_id))


@lru_cache(maxsize=1)
def filled(case_id):
    model = make(case_id)
    scale_qkv(fill(model), CASES[case_id].get('qkv_gain', 1))
    return model.train(CASES[case_id]['mode'] == 'train')


def make(case_id):
    if case_id in DENSE:
        model = UniFormer(**DENSE[case_id])
    elif case_id in IMAGE:
        model = Classifier(**IMAGE[case_id])
    elif case_id in VIDEO:
        model = VideoClassifier(**VIDEO[case_id])
    elif case_id in LIGHT:
        model = UniFormerLight(**LIGHT[case_id])
    elif case_id in LIGHT_IMAGE:
        settings = dict(classifier=True, with_token=True, out_indices=(3,))
        model = LightClassifier(UniFormerLight('xxs', **settings), 1000)
    else:
        settings = dict(with_token=True, **LIGHT_VIDEO[case_id])
        model = LightClassifier(UniFormerLight3D('xxs', **settings), 400)
    return model


@pytest.mark.parametrize('case_id', ALL)
def test_outputs(case_id, monkeypatch):
    case, expected = CASES[case_id], recorded(case_id)
    kept_sets = KeptSets(monkeypatch)
    x = make_input(case)
    for double in (False, True):
        model = build(case_id)
        with torch.no_grad():
            if double:
                model.double()
            outs = model(x.double() if double else x)
        assert len(outs) == len(case['outputs'])
        for out, (name, info) in zip(
            outs, case['outputs'].items(), strict=True
        ):
            assert list(out.shape) == info['shape']
            limit = EXACT
            if not double:
                limit = NOISE * case['noise_floor_rel_l2'][name]
            error = relative_l2(samples(out), expected[f'{name}__f64'])
            assert error <= limit, (name, double, error)
        check_kept_sets(case, expected, kept_sets.take())


def check_kept_sets(case, expected, sets):
    """Each hourglass block keeps what that of the official code keeps."""
    wanted = [v for k, v in expected.items() if k.startswith('kept_set')]
    # The only token of a stage is not shrunk: it would be its own mean.
    wanted = [v for v in wanted if v.shape[1] > 0]
    assert len(sets) == len(wanted)
    for kept, known in zip(sets, wanted, strict=True):
        assert kept.sort(1).values.tolist() == known.tolist()
    if case.get('qkv_gain') == 2:
        assert len({v.tobytes() for v in wanted[:7]}) > 1


@pytest.mark.parametrize('case_id', [k for k in ALL if 'grad' in CASES[k]])
def test_gradients(case_id):
    case, expected = CASES[case_id]['grad'], recorded(case_id)
    for double in (False, True):
        model = build(case_id)
        x = make_input(CASES[case_id])
        if double:
            model, x = model.double(), x.double()
        x.requires_grad_()
        loss = make_loss(model(x))
        loss.backward()

        floor = case['input_rel_l2_f32_vs_f64']
        limit = EXACT if double else NOISE * floor
        error = relative_l2(samples(x.grad), expected['grad_input__f64'])
        assert error <= limit

        worst = case['params_rel_l2_f32_vs_f64']['max']
        limit = EXACT if double else NOISE * worst
        zero = 1e-12 if double else 1e-4
        grads = {k: p.grad for k, p in model.named_parameters()}
        assert grads.keys() == case['params_l2_f64'].keys()
        for name, grad in grads.items():
            l2 = case['params_l2_f64'][name]
            actual = grad.double().norm().item()
            if name in case['params_near_zero']:
                assert actual <= zero
                continue
            assert actual == pytest.approx(l2, rel=limit), name
            # Norms are blind to signs; sums are not. A sum may cancel, so
            # its error is measured against what it sums.
            total = grad.double().sum().item()
            scale = l2 * np.sqrt(grad.numel())
            assert abs(total - case['params_sum_f64'][name]) <= limit * scale


@pytest.mark.parametrize(
    'case_id',
    ['det_small_h14_train_b2_128x160', 'vid_light_xxs_train_b2_4x96'],
)
def test_running_statistics(case_id):
    model = build(case_id).double()
    model(make_input(CASES[case_id]).double())
    buffers = dict(model.named_buffers())
    expected = CASES[case_id]['buffers_after_f64']
    assert buffers.keys() == expected.keys()
    for name, l2 in expected.items():
        actual = buffers[name].double().norm().item()
        assert actual == pytest.approx(l2, rel=EXACT), name


def test_wrong_head_dim_is_seen():
    """The tolerance of the cases tells models apart that files do not."""
    case_id = 'det_small_global_224'
    model = fill(UniFormer('small_dim32')).eval()
    with torch.no_grad():
        out = model(make_input(CASES[case_id]))[3]
    error = relative_l2(samples(out), recorded(case_id)['stage4__f64'])
    assert error > 1e-2
