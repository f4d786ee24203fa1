"""What image classifiers see, their rates, which weights are tested."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from experiments import (
    CLASSIFICATION,
    RECIPES,
    ROOT,
    SCOPES,
    alike,
    built,
    config,
    near,
    pipeline,
    preprocessor,
)
from mmengine.model import BaseModel
from mmengine.registry import MODELS, PARAM_SCHEDULERS, DefaultScope
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms

SCOPE = SCOPES['image_classification']
LABELED = [e for e in CLASSIFICATION if 'token_labeling' in e]
MIXED = [e for e in CLASSIFICATION if e not in LABELED]
# The highest rate of a run, by its official name, and the epoch it is in.
PEAKS = {
    'exp/uniformer_small': (6, 9.9932e-4),
    'exp/uniformer_base': (6, 7.9946e-4),
    'exp_light/xxs_160': (31, 3.1804e-3),
    'exp_light/xs_192': (31, 3.9754e-3),
    'token_labeling/exp/uniformer_small_tl_224': (5, 1.59891e-3),
    'token_labeling/exp/uniformer_large_ls_tl_224': (5, 1.19918e-3),
    'token_labeling/exp/uniformer_base_tl_384': (0, 5e-6),
}


def rates(experiment: str) -> list[float]:
    """The rate of each epoch, by mmengine's schedules."""
    cfg = config(experiment)
    lr = cfg.optim_wrapper.optimizer.lr
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    with DefaultScope.overwrite_default_scope(SCOPE):
        schedules = [
            PARAM_SCHEDULERS.build(dict(node, optimizer=optimizer))
            for node in cfg.param_scheduler
        ]
    optimizer.step()
    found = []
    for _ in range(cfg.train_cfg.max_epochs):
        found.append(optimizer.param_groups[0]['lr'])
        for schedule in schedules:
            schedule.step()
    return found


def official_rate(values: dict, rate: float, epoch: int) -> float:
    """timm's cosine, by the step that an epoch runs at."""
    step = max(0, epoch - values['lag'])
    warmup, low = values['warmup_epochs'], values['end_lr']
    if step < warmup:
        start = values['warmup_start_lr']
        return start + step * (rate - start) / warmup
    if step >= values['cosine_epochs']:
        return low
    share = 1 + math.cos(math.pi * step / values['cosine_epochs'])
    return low + (rate - low) * share / 2


@pytest.mark.parametrize(
    ('_', 'same'),
    alike(
        CLASSIFICATION,
        lambda e: [
            config(e).param_scheduler,
            config(e).optim_wrapper.optimizer.lr,
            config(e).train_cfg,
        ],
    ),
)
def test_rate_of_every_epoch(_, same):
    values = RECIPES[same[0]]['schedule']
    rate = RECIPES[same[0]]['optimizer']['lr']
    found = rates(same[0])
    assert len(found) == values['epochs']
    expected = [official_rate(values, rate, e) for e in range(len(found))]
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize('name', PEAKS)
def test_highest_rates(name):
    """Figures worked out from the official code."""
    epoch, rate = PEAKS[name]
    found = rates(f'image_classification/{name}')
    assert found[epoch] == pytest.approx(rate, rel=1e-4)
    assert max(found) == found[epoch]
    if '_384' in name:
        assert set(found) == {5e-6}
    elif 'token_labeling' in name:
        assert found[300:] == [1e-5] * 10
    else:
        assert found[:2] == [1e-6] * 2


@pytest.fixture(scope='module')
def photo(tmp_path_factory):
    """A file that EXIF says to turn, with sides of odd lengths."""
    rows, columns = np.mgrid[0:301, 0:417]
    picture = np.stack(
        [rows * 255 / 301, columns * 255 / 417, (rows * columns) % 256], -1
    )
    path = tmp_path_factory.mktemp('photo') / 'photo.jpg'
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture.astype(np.uint8)).save(path, exif=exif)
    return path


@pytest.mark.parametrize(
    ('nodes', 'same'), alike(CLASSIFICATION, lambda e: pipeline(e, 'test'))
)
def test_what_a_test_sees_is_what_torchvision_does(nodes, same, photo):
    """Byte for byte, and normalised."""
    values = RECIPES[same[0]]['eval']
    expected = transforms.Compose(
        [
            transforms.Resize(
                values['resize'], transforms.InterpolationMode.BICUBIC
            ),
            transforms.CenterCrop(values['crop']),
        ]
    )(Image.open(photo).convert('RGB'))
    packed = built(same[0], nodes)(dict(img_path=str(photo), gt_label=3))
    found = packed['inputs'].flip(0).permute(1, 2, 0).numpy()
    assert (found == np.asarray(expected)).all()
    data = dict(
        inputs=packed['inputs'][None], data_samples=[packed['data_samples']]
    )
    normal = preprocessor(same[0])(data)['inputs'][0]
    tensor = transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )(expected)
    torch.testing.assert_close(normal, tensor, atol=2e-6, rtol=1e-5)


def ramp() -> dict:
    """An image (100, 140) that grows brighter to the right, and a map."""
    row = np.linspace(0, 250, 140).astype(np.uint8)
    labels = np.tile(np.arange(7, dtype=np.float32), (2, 1, 5, 1))
    return dict(
        img=np.repeat(np.repeat(row[None, :, None], 100, 0), 3, 2),
        img_shape=(100, 140),
        gt_label=0,
        token_label=labels,
    )


def geometry(experiment: str) -> list[dict]:
    """Flip and crop alone, in order."""
    kinds = ('Flip', 'RandomResizedCrop', 'Crop')
    return [
        node
        for node in pipeline(experiment, 'train')
        if node['type'].endswith(kinds)
    ]


@pytest.mark.parametrize(('nodes', 'same'), alike(CLASSIFICATION, geometry))
def test_crops_and_flips(nodes, same):
    np.random.seed(0)
    torch.manual_seed(0)
    values, total = RECIPES[same[0]]['pipeline'], 300
    nodes = deepcopy(nodes)
    (crop,) = (node for node in nodes if 'scale' in node)
    assert crop['scale'] == values['size']
    # The size has no part in it: smaller is faster.
    crop['scale'] = 32
    transform = built(same[0], nodes)
    flipped, shares = 0, []
    for _ in range(total):
        results = transform(ramp())
        assert results['img'].shape == (32, 32, 3)
        first, last = results['img'][0, [0, -1], 0].astype(float)
        flipped += first > last
        shares.append(abs(last - first) / 250)
        if same[0] in LABELED:
            mirrored = results['token_label'][0, 0, 0, 0] == 6
            assert mirrored == (first > last)
            # The place in the image, which is flipped before it is cut.
            _, _, height, width = results['token_crop']
            assert shares[-1] == pytest.approx(width, abs=0.05)
            assert 0.06 < height * width <= 1
    assert near(flipped, values['hflip'], total)
    # Widths of 8 % of the image in any ratio, up to all of it.
    assert min(shares) < 0.3
    assert max(shares) > 0.85


@pytest.mark.parametrize(
    ('node', 'same'),
    alike(
        CLASSIFICATION,
        lambda e: config(e).model.data_preprocessor.batch_augments,
    ),
)
def test_noise_and_mixing_are_behind_the_normalisation(node, same):
    """By the model's own first step, on a batch of bytes."""
    from mmpretrain.structures import DataSample

    np.random.seed(1)
    torch.manual_seed(1)
    first, labels = preprocessor(same[0]), [0, 1, 2, 3]
    mixed = erased = total = 0
    for _ in range(80):
        data = dict(
            inputs=torch.stack(
                [
                    torch.full((3, 32, 32), 60 * i, dtype=torch.uint8)
                    for i in labels
                ]
            ),
            data_samples=[DataSample().set_gt_label(i) for i in labels],
        )
        out = first(data, training=True)
        total += len(labels)
        if same[0] in LABELED:
            # A box of noise, unclipped, in some of the images.
            flat = out['inputs'].flatten(2)
            erased += (flat.std(2) > 0).any(1).sum().item()
            continue
        scores = torch.stack([s.gt_score for s in out['data_samples']])
        torch.testing.assert_close(scores.sum(1), torch.ones(4))
        # Its own class and that of the other end of the batch: 0.1 is of all.
        share = (scores - 0.1 / 1000) / 0.9
        others = {0: 3, 1: 2}
        for one, other in others.items():
            pair = share[one, [one, other]]
            assert pair.sum().item() == pytest.approx(1, abs=1e-4)
        own = share[0, 0].item()
        assert share[1, 1].item() == pytest.approx(own, abs=1e-4)
        mixed += 0.001 < own < 0.999
    if same[0] in LABELED:
        assert near(erased, 0.25, total)
    else:
        assert mixed > 60


class Weight(BaseModel):
    """A weight that grows by 1 a step; notes it when it is tested."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def forward(self, mode: str, **_):
        if mode == 'loss':
            return dict(loss=-self.weight)
        self.seen.append(self.weight.item())
        return [BaseDataElement()]


@pytest.mark.parametrize(
    ('hooks', 'same'),
    alike(CLASSIFICATION, lambda e: config(e).get('custom_hooks')),
)
def test_which_weights_a_test_reads(hooks, same, tmp_path):
    """Trained ones; with token labeling at 224 their average."""
    loader = DataLoader([{}] * 3, collate_fn=lambda _: {})
    ema = RECIPES[same[0]]['ema']

    def runner(**more) -> Runner:
        return Runner(
            model=Weight(),
            work_dir=str(tmp_path),
            val_dataloader=loader,
            val_cfg=dict(),
            val_evaluator=[],
            test_dataloader=loader,
            test_cfg=dict(),
            test_evaluator=[],
            custom_hooks=deepcopy(hooks),
            default_scope=SCOPE,
            experiment_name=f'weight{len(more)}',
            log_level='ERROR',
            **more,
        )

    train = runner(
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=2, val_interval=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1.0)),
    )
    train.train()
    average = [1.0]
    for step in range(2, 7):
        decay = ema['decay'] if ema else 0
        average.append(decay * average[-1] + (1 - decay) * step)
    test = runner(load_from=str(tmp_path / 'epoch_2.pth'))
    test.test()
    expected = average[-1] if ema and ema['chooses'] else 6.0
    assert test.model.seen == pytest.approx([expected] * 3, rel=1e-6)
    at_val = average[2] if ema and ema['chooses'] else 3.0
    assert train.model.seen[:3] == pytest.approx([at_val] * 3, rel=1e-6)


@pytest.mark.parametrize(
    ('node', 'same'), alike(CLASSIFICATION, lambda e: config(e).model.head)
)
def test_classifiers_start_as_linear_layers(node, same):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(SCOPE):
        head = MODELS.build(node)
    head.init_weights()
    layers = [m for m in head.modules() if isinstance(m, torch.nn.Linear)]
    assert len(layers) == (1 if '/exp/' in same[0] else 2) or (
        same[0] in LABELED
    )
    for layer in layers:
        assert (layer.bias == 0).all()
        error = 4 * 0.02 / (2 * layer.weight.numel()) ** 0.5
        assert abs(layer.weight.std().item() - 0.02) < error


@pytest.mark.parametrize(
    'experiment', [e for e in CLASSIFICATION if RECIPES[e]['start']]
)
def test_fine_tuning_starts_from_trained_weights(experiment):
    """Of the same model at 224; its average is not asked for."""
    name = RECIPES[experiment]['start']
    cfg = config(experiment)
    assert cfg.load_from == f'checkpoints/{name}.pth'
    before = config(experiment.rpartition('/')[0] + '/' + name)
    for part in ('head', 'neck'):
        assert cfg.model[part] == before.model[part]
    assert cfg.model.backbone.arch == before.model.backbone.arch
    page = (ROOT / 'configs/classification/uniformer_tl/README.md').read_text()
    assert '--weights trained' in page
