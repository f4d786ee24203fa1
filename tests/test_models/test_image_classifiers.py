"""Official image classifiers as image classifiers of mmpretrain."""

import numpy as np
import pytest
import torch
from golden_data import (
    CASES,
    FOLDER,
    fill_values,
    make_input,
    make_loss,
    recorded,
    relative_l2,
    samples,
)
from image_models import build, light, plain, with_token_labels
from mmengine.runner.checkpoint import load_state_dict

from mmuniformer.checkpoint.classifier import name_officially
from mmuniformer.models.token_labels import make_targets, soft_cross_entropy
from mmuniformer.models.token_mixing import draw_box, mix_box

pytest.importorskip('mmpretrain')

EXACT = 1e-10
ARCHS = {
    'img_small_224': 'small',
    'img_small_plus_dim64_224': 'small_plus_dim64',
    'img_base_ls_224': 'base_ls',
    'img_small_plus_dim64_train_b2_96': 'small_plus_dim64',
    'img_xxs_128': 'xxs',
    'img_xxs_b3_128': 'xxs',
    'img_xxs_train_b2_160': 'xxs',
    'img_xxs_train_b2_160_qkvx2': 'xxs',
    'tl_small_224': 'small_dim32',
}
CLASSES = 7
TINY = dict(depths=(1, 1, 1, 1), embed_dims=(16, 32, 64, 64), head_dim=16)


def golden(case_id: str) -> torch.nn.Module:
    """The model of a case in float64, filled through mmengine's own door."""
    make = plain
    if case_id.startswith('tl_'):
        make = with_token_labels
    elif 'xxs' in case_id:
        make = light
    model = build(make(ARCHS[case_id])).double()
    official = {}
    for name, value in name_officially(model.state_dict()).items():
        filled = fill_values(name, tuple(value.shape))
        if name.endswith('attn.qkv.weight'):
            filled = filled * CASES[case_id].get('qkv_gain', 1)
        official[name] = torch.from_numpy(np.asarray(filled))
    missing = load_state_dict(model, official, strict=True)
    assert not missing
    return model.train(CASES[case_id]['mode'] == 'train')


def outputs(model, x) -> list[torch.Tensor]:
    """As the official classifiers give them."""
    feats = model.extract_feat(x)
    if model.head.__class__.__name__ == 'TokenLabelHead':
        return [model.head(feats), *model.head.classify(feats)]
    logits = model(x) if not model.training else model.head(feats)
    if not model.training or len(feats) == 1:
        return [logits]
    return [logits, model.head.token_head((feats[1],))]


@pytest.mark.parametrize('case_id', ARCHS)
def test_golden(case_id):
    case, expected = CASES[case_id], recorded(case_id)
    model = golden(case_id)
    x = make_input(case).double().requires_grad_('grad' in case)
    with torch.set_grad_enabled('grad' in case):
        outs = outputs(model, x)
    for out, (name, info) in zip(outs, case['outputs'].items(), strict=True):
        assert list(out.shape) == info['shape']
        assert relative_l2(samples(out), expected[f'{name}__f64']) <= EXACT
    if 'grad' not in case:
        return
    make_loss(outs).backward()
    error = relative_l2(samples(x.grad), expected['grad_input__f64'])
    assert error <= EXACT
    grads = {k: p.grad for k, p in model.named_parameters()}
    known = case['grad']
    assert name_officially(grads).keys() == known['params_l2_f64'].keys()
    for name, grad in name_officially(grads).items():
        l2, total = grad.norm().item(), grad.sum().item()
        if name in known['params_near_zero']:
            assert l2 <= 1e-12
            continue
        wanted = known['params_l2_f64'][name]
        assert l2 == pytest.approx(wanted, rel=EXACT), name
        error = abs(total - known['params_sum_f64'][name])
        assert error <= EXACT * wanted * np.sqrt(grad.numel()), name


@pytest.mark.parametrize('case', [0, 1, 2])
def test_targets_and_loss_of_the_official_code(case):
    """The dense targets of three batches, and the loss of a mixed one."""
    with np.load(FOLDER / 'token_labels.npz') as file:
        prefix = f'{case}_'
        known = {
            k.removeprefix(prefix): torch.from_numpy(file[k])
            for k in file
            if k.startswith(prefix)
        }
    size, classes = int(known['size']), int(known['num_classes'])
    maps = torch.stack([known['scores'], known['ids'].float()], 1)
    arguments = (maps, known['coords_top_left_h_w'], classes, (size, size))
    smoothing = float(known['smoothing'])
    of_class, dense = make_targets(*arguments, smoothing, swap_axes=True)
    target = known['target']
    # They were recorded in float32: its last digit.
    torch.testing.assert_close(of_class, target[..., 1], rtol=3e-7, atol=0)
    torch.testing.assert_close(
        dense, target[..., 2:].transpose(1, 2), rtol=3e-7, atol=0
    )
    right, _ = make_targets(*arguments, smoothing, swap_axes=False)
    assert (right - of_class).abs().max() > 1e-2

    head = build(with_token_labels(TINY, 64, classes)).head
    grid = known['aux'].unflatten(1, (size, size)).permute(0, 3, 1, 2)
    x1, y1, x2, y2 = known['box'].tolist()
    box = torch.tensor([y1, x1, y2, x2])
    # What the model gives is mixed; the recorded logits are put back.
    mixed = mix_box(grid, box)
    head.aux_fc, head.fc = torch.nn.Identity(), torch.nn.Identity()
    head.pre_logits = lambda _: known['out']
    samples_ = [
        dict(token_label=label_map, token_crop=crop)
        for label_map, crop in zip(*arguments[:2], strict=True)
    ]
    losses = head.loss((mixed, box * 8 + 7), samples_)
    total = sum(losses.values()).item()
    assert total == pytest.approx(float(known['loss']), rel=1e-7)


def test_box_is_drawn_as_in_the_official_code():
    """Beta(1, 1) for the side, then the centre, cut off at the borders."""
    np.random.seed(3)
    state = np.random.get_state()
    box = draw_box(56, 56).tolist()
    np.random.set_state(state)
    side = int(56 * np.sqrt(1 - np.random.beta(1, 1)))
    centres = np.random.randint(56), np.random.randint(56)
    first = [max(c - side // 2, 0) for c in centres]
    last = [min(c + side // 2, 56) for c in centres]
    assert box == first + last
    np.random.seed(0)
    shares = []
    for _ in range(2000):
        top, left, bottom, right = draw_box(1000, 1000).tolist()
        shares.append((bottom - top) * (right - left) / 1e6)
    # Uniform but for what is cut off: 1/2 would be left without borders.
    assert 0.2 < np.mean(shares) < 0.35


def test_box_of_tokens_by_hand():
    x = torch.arange(3 * 4 * 5).view(3, 1, 4, 5).float()
    mixed = mix_box(x, torch.tensor([1, 0, 3, 2]))
    expected = x.clone()
    expected[:, :, 1:3, 0:2] = x.flip(0)[:, :, 1:3, 0:2]
    assert mixed.equal(expected)
    assert mix_box(mixed, torch.tensor([1, 0, 3, 2])).equal(x)
    assert mix_box(x, torch.tensor([2, 2, 2, 4])).equal(x)


def batch(number=4, side=96):
    from mmpretrain.structures import DataSample

    torch.manual_seed(0)
    found = []
    for index in range(number):
        sample = DataSample().set_gt_label(index % CLASSES)
        scores = torch.randn(5, 6, 6).sort(0, descending=True).values
        classes = torch.stack([torch.randperm(CLASSES)[:5]] * 36, 1)
        sample.token_label = torch.stack([scores, classes.view(5, 6, 6)])
        sample.token_crop = torch.tensor([0.1, 0.2, 0.5, 0.7])
        found.append(sample)
    return torch.randn(number, 3, side, side), found


def test_token_labeling_step_by_hand(monkeypatch):
    """Mixing after the first embedding, and the loss of what came of it."""
    model = build(with_token_labels(TINY, 64, CLASSES)).double().train()
    x, data_samples = batch()
    x = x.double()
    box = torch.tensor([3, 8, 19, 24])
    module = 'mmuniformer.models.backbones.uniformer.draw_box'
    monkeypatch.setattr(module, lambda *_: box)
    losses = model(x, data_samples, mode='loss')

    backbone = model.backbone
    first = backbone.patch_embed1(x)
    assert first.shape[-2:] == (24, 24)
    first[:, :, 3:19, 8:24] = first.flip(0)[:, :, 3:19, 8:24]
    for stage in range(1, 5):
        if stage > 1:
            first = getattr(backbone, f'patch_embed{stage}')(first)
        for block in getattr(backbone, f'blocks{stage}'):
            first = block(first)
    tokens = backbone.norm(first).flatten(2).transpose(1, 2)
    aux = model.head.aux_fc(tokens).unflatten(1, (3, 3))
    # Rows 0 to 1 and columns 1 to 2 of tokens: bounds are floored.
    aux = aux.clone()
    aux[:, 0:2, 1:3] = aux.flip(0)[:, 0:2, 1:3]
    of_class, dense = make_targets(
        [s.token_label.double() for s in data_samples],
        torch.stack([s.token_crop.double() for s in data_samples]),
        CLASSES,
        (3, 3),
        0.1,
        True,
    )
    of_class = 5 / 9 * of_class + 4 / 9 * of_class.flip(0)
    logits = model.head.fc(tokens.mean(1))
    torch.testing.assert_close(
        losses['loss_cls'], soft_cross_entropy(logits, of_class)
    )
    torch.testing.assert_close(
        losses['loss_aux'], soft_cross_entropy(aux.flatten(1, 2), dense)
    )


def test_token_labeling_in_mixed_precision():
    """Targets and losses are float32; every parameter gets a gradient."""
    model = build(with_token_labels(TINY, 64, CLASSES)).train()
    model.init_weights()
    x, data_samples = batch()
    found = {}
    for mixed in (False, True):
        np.random.seed(0)
        with torch.autocast('cpu', torch.bfloat16, enabled=mixed):
            losses = model(x, data_samples, mode='loss')
        assert all(v.dtype == torch.float32 for v in losses.values())
        found[mixed] = sum(losses.values())
    assert found[True].item() == pytest.approx(found[False].item(), rel=1e-2)
    found[True].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert all(p.grad.any() for p in model.head.parameters())


def test_nothing_is_mixed_at_test_time():
    model = build(with_token_labels(TINY, 64, CLASSES)).eval()
    x, data_samples = batch(2)
    with torch.no_grad():
        assert len(model.extract_feat(x)) == 1
        logits = model(x)
        one = torch.cat([model(x[:1]), model(x[1:])])
        predicted = model(x, data_samples, mode='predict')
    torch.testing.assert_close(logits, one)
    assert predicted[1] is data_samples[1]
    scores = torch.stack([sample.pred_score for sample in predicted])
    torch.testing.assert_close(scores, logits.softmax(1))


def test_missing_label_maps_are_named():
    model = build(with_token_labels(TINY, 64, CLASSES)).train()
    x, data_samples = batch(2)
    del data_samples[1].token_crop
    with pytest.raises(ValueError, match=r'token_crop.*PackInputs'):
        model(x, data_samples, mode='loss')


@pytest.mark.parametrize('shape', [(8, 8), (8, 16)])
def test_axes_of_a_crop_by_hand(shape):
    """The left quarter of an image whose left quarter is of class 1."""
    rows, columns = shape
    scores = torch.zeros(rows, columns)
    scores[:, : columns // 4] = 4.0
    label_map = torch.stack([scores, torch.ones(rows, columns)])[:, None]
    crop = torch.tensor([[0.0, 0.0, 1.0, 0.25]])
    arguments = ([label_map], crop, 3, (1, 1), 0.0)
    right, _ = make_targets(*arguments, swap_axes=False)
    swapped, _ = make_targets(*arguments, swap_axes=True)
    whole = torch.tensor([[0.0, 4.0, 0.0]]).softmax(1)
    # Half a place beyond the quarter is sampled at its edge.
    assert right[0, 1] > 0.9 * whole[0, 1]
    if rows == columns:
        # The upper quarter: a quarter of it is of class 1.
        quarter = torch.tensor([[0.0, 1.0, 0.0]]).softmax(1)
        torch.testing.assert_close(swapped, quarter, rtol=0.2, atol=0)
    assert swapped[0, 1] < 0.7 * right[0, 1]


def test_label_maps_of_several_sizes():
    torch.manual_seed(0)
    maps = [
        torch.stack([torch.randn(1, h, w), torch.ones(1, h, w)])
        for h, w in ((6, 8), (10, 6), (6, 8))
    ]
    crops = torch.tensor([[0.1, 0.2, 0.5, 0.6]] * 3)
    together = make_targets(maps, crops, 3, (2, 2), 0.1, False)
    for index, label_map in enumerate(maps):
        alone = make_targets([label_map], crops[:1], 3, (2, 2), 0.1, False)
        for part, whole in zip(alone, together, strict=True):
            torch.testing.assert_close(whole[index], part[0])
