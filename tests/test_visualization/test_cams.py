"""Class activation maps are where a score is decided."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from mmuniformer.errors import UserError
from mmuniformer.visualization.cams import METHODS, activation_maps

pytest.importorskip('pytorch_grad_cam')


class Red(nn.Module):
    """Its score is how much red there is; two maps, one of half the size.

    The second layer gives out its map and something else, as the blocks of a
    light model do; of a clip it joins two frames.
    """

    def __init__(self, ndim):
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[ndim]
        self.first = conv(3, 4, 1, bias=False)
        self.second = Pair(conv(4, 2, 2, 2, bias=False))
        self.aside = conv(4, 2, 1)
        with torch.no_grad():
            self.first.weight.zero_()
            for channel in range(3):
                self.first.weight[channel, channel] = 1
            self.second.conv.weight.zero_()
            self.second.conv.weight[0, 0] = 1 / 2**ndim
            self.second.conv.weight[1, 2] = 1 / 2**ndim
        self.requires_grad_(False)

    def forward(self, x):
        x = self.first(x)
        self.aside(x)
        x, _ = self.second(x)
        # Red speaks for it, blue against it.
        return x[:, 0].flatten(1).sum(1) - x[:, 1].flatten(1).sum(1)


class Pair(nn.Module):
    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def forward(self, x):
        return self.conv(x), 'scores'


def image(shape=(16, 24)):
    """A red square at the right, a blue one at the left."""
    x = torch.zeros(1, 3, *shape)
    x[:, 0, 4:8, 16:20] = 1
    x[:, 2, 4:8, 2:6] = 1
    return x


@pytest.mark.parametrize('method', METHODS)
def test_a_map_is_where_the_score_is_decided(method):
    net = Red(2)
    layers = {'first': net.first, 'second': net.second}
    maps = activation_maps(net, image(), layers, method)
    assert maps['first'].shape == (1, 16, 24)
    assert maps['second'].shape == (1, 8, 12)
    if method == 'eigencam':
        # It knows of no class: both squares are what the map is about.
        return
    for name, (rows, columns) in {
        'first': (slice(4, 8), slice(16, 20)),
        'second': (slice(2, 4), slice(8, 10)),
    }.items():
        (one,) = maps[name]
        assert one.min() >= 0
        assert one.max() == pytest.approx(1, abs=1e-5)
        inside = np.zeros(one.shape, bool)
        inside[rows, columns] = True
        assert one[inside].min() > 0.99, name
        assert one[~inside].max() < (0.1 if method == 'scorecam' else 1e-5)
    # Nothing is left behind.
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize('method', ['gradcam', 'layercam', 'scorecam'])
def test_a_clip_has_it_in_its_frames(method):
    net = Red(3)
    clip = torch.zeros(1, 3, 6, 16, 24)
    # In the third and fourth frame, which the second layer joins.
    clip[:, :, 2:4] = image()[:, :, None]
    layers = {'first': net.first, 'second': net.second}
    maps = activation_maps(net, clip, layers, method)
    assert maps['first'].shape == (6, 16, 24)
    assert maps['second'].shape == (6, 8, 12)
    for name, place in {
        'first': np.s_[2:4, 4:8, 16:20],
        'second': np.s_[2:4, 2:4, 8:10],
    }.items():
        one = maps[name]
        inside = np.zeros(one.shape, bool)
        inside[place] = True
        assert one[inside].min() > 0.99, name
        assert one[~inside].max() < (0.1 if method == 'scorecam' else 1e-5)


def test_gradcam_is_its_equation():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.GELU(), nn.Conv2d(8, 5, 3, 2, 1)
    )
    score = nn.Sequential(net, nn.Flatten(), nn.Linear(5 * 16, 1))
    model = nn.Sequential(score, nn.Flatten(0))
    x = torch.randn(1, 3, 16, 16)
    found = activation_maps(model, x, {'gelu': net[1]})['gelu'][0]
    kept = []
    net[1].register_forward_hook(lambda *a: kept.append(a[2]))
    (grad,) = torch.autograd.grad(model(x).sum(), kept)
    weights = grad.mean((2, 3), keepdim=True)
    expected = (weights * kept[0]).sum(1)[0].relu().detach().numpy()
    expected -= expected.min()
    np.testing.assert_allclose(found, expected / expected.max(), atol=1e-5)


@pytest.mark.parametrize('method', ['eigencam', 'eigengradcam'])
def test_components_are_those_of_the_package(method):
    import pytorch_grad_cam

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.GELU())
    model = nn.Sequential(net, nn.Flatten(), nn.Linear(6 * 80, 1))
    model.append(nn.Flatten(0))
    x = torch.randn(1, 3, 16, 20)
    found = activation_maps(model, x, {'gelu': net[1]}, method)['gelu'][0]
    cam = getattr(pytorch_grad_cam, METHODS[method])(model, [net[1]])
    cam.get_target_width_height = lambda _: None
    (expected,) = cam(x, [torch.Tensor.sum])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_components_of_a_large_map_need_no_matrix_of_its_places():
    net = nn.Sequential(nn.Conv2d(3, 2, 1))
    model = nn.Sequential(net, nn.AdaptiveAvgPool2d(1), nn.Flatten(0))
    model.append(nn.Linear(2, 1))
    x = torch.rand(1, 3, 300, 400)
    # 120 000 places: 58 GB.
    maps = activation_maps(model, x, {'conv': net[0]}, 'eigencam')
    assert maps['conv'].shape == (1, 300, 400)
    assert np.ptp(maps['conv']) > 0.5


def test_a_map_that_the_next_layer_writes_over():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 1)
    model = nn.Sequential(conv, nn.ReLU(inplace=True), nn.Flatten())
    model.append(nn.Linear(4 * 36, 1)).append(nn.Flatten(0))
    x = torch.randn(1, 3, 6, 6)
    found = activation_maps(model, x, {'conv': conv}, 'hirescam')['conv'][0]
    before = conv(x)
    grad = model[3].weight[0].unflatten(0, (4, 6, 6)) * (before[0] > 0)
    expected = (grad * before[0]).sum(0).relu().detach().numpy()
    expected -= expected.min()
    np.testing.assert_allclose(found, expected / expected.max(), atol=1e-4)
    off = activation_maps(model, x, {'conv': conv}, 'eigencam')['conv'][0]
    flat = before[0].detach().flatten(1).T.numpy()
    flat = flat - flat.mean(0)
    first = flat @ np.linalg.svd(flat, full_matrices=False)[2][0]
    first = first.clip(0).reshape(6, 6)
    first -= first.min()
    np.testing.assert_allclose(off, first / first.max(), atol=1e-4)


def test_layers_of_no_use():
    net = Red(2)
    # No score depends on it: nothing there speaks for one.
    maps = activation_maps(
        net, image(), {'aside': net.aside, 'first': net.first}
    )
    assert (maps['aside'] == 0).all()
    assert maps['first'].max() > 0.9
    twice = nn.Sequential(net.first, nn.Conv2d(4, 3, 1))
    twice.append(net.first).append(nn.Flatten()).append(nn.LazyLinear(1))
    with pytest.raises(UserError, match='--layer conv runs 2 times'):
        activation_maps(twice, image(), {'conv': net.first})
    net.forward = lambda x: Red.forward(net, x).detach()
    with pytest.raises(UserError, match='without gradients: --method eigen'):
        activation_maps(net, image(), {'first': net.first})
    flat = nn.Sequential(nn.Flatten(), nn.Linear(16 * 24 * 3, 1))
    with pytest.raises(UserError, match='--layer fc gives out no map'):
        activation_maps(flat, image(), {'fc': flat[1]})


def test_linear_layers_have_channels_last():
    linear = nn.Linear(3, 1, bias=False)
    nn.init.constant_(linear.weight, 1)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = linear

        def forward(self, x):
            return self.linear(x.movedim(1, -1)).flatten(1).mean(1)

    x = image()
    maps = activation_maps(Model(), x, {'linear': linear})
    assert maps['linear'].shape == (1, 16, 24)
    np.testing.assert_allclose(maps['linear'], x.sum(1), atol=1e-5)


def test_mistakes(monkeypatch):
    net = Red(2)
    with pytest.raises(UserError, match=r'--method cam: .* gradcam, gradcam'):
        activation_maps(net, image(), {'first': net.first}, 'cam')
    monkeypatch.setitem(sys.modules, 'pytorch_grad_cam', None)
    with pytest.raises(UserError, match='pip install --no-deps grad-cam'):
        activation_maps(net, image(), {'first': net.first})


@pytest.mark.parametrize('method', ['gradcam', 'gradcam++', 'layercam'])
def test_a_clip_has_the_numbers_of_the_package(method):
    """Which takes maps of clips, too, but no clips for all methods."""
    import pytorch_grad_cam

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(3, 6, (1, 3, 3), (2, 2, 2)), nn.GELU())
    model = nn.Sequential(net, nn.Flatten(), nn.Linear(6 * 3 * 7 * 9, 1))
    model.append(nn.Flatten(0))
    # Of five frames the first, the third and the fifth.
    x = torch.randn(1, 3, 5, 16, 20)
    found = activation_maps(model, x, {'gelu': net[1]}, method)['gelu']
    cam = getattr(pytorch_grad_cam, METHODS[method])(model, [net[1]])
    cam.get_target_width_height = lambda _: None
    cam.aggregate_multi_layers = lambda maps: maps[0][0, 0]
    expected = cam(x, [torch.Tensor.sum])
    expected /= expected.max()
    assert expected.shape == (3, 7, 9)
    np.testing.assert_allclose(found, expected[[0, 0, 1, 1, 2]], atol=1e-4)
