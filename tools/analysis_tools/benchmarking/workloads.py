"""What is compared: workloads, variants, and the presets made of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product

from mmuniformer.errors import UserError
from mmuniformer.reproduction.speeds import published_accuracy


def _model(dimensions: str, arch: str, **settings) -> dict:
    kind = f'mmuniformer.UniFormer{dimensions}'
    return dict(type=kind, arch=arch, **settings)


# Backbones by the names of the paper's tables.
MODELS = {
    'S': _model('', 'small'),
    'S-w14': _model('', 'small', stage3='window', window_size=14),
    'S-h14': _model('', 'small', stage3='hybrid', window_size=14),
    'S-h32': _model('', 'small', stage3='hybrid', window_size=32),
    'B': _model('', 'base'),
    'B-h14': _model('', 'base', stage3='hybrid', window_size=14),
    'B-h32': _model('', 'base', stage3='hybrid', window_size=32),
    'video S': _model('3D', 'small'),
    'video B': _model('3D', 'base'),
    'XXS': _model('Light', 'xxs'),
    'XS': _model('Light', 'xs'),
    'video XXS': _model('Light3D', 'xxs'),
    'video XS': _model('Light3D', 'xs'),
}
# Variants of one function, on one set of weights, and their names in a table.
SAME_FUNCTION = {
    'reference': 'plain reference',
    'ours': 'ours',
    'checkpointed': 'ours, with_cp',
    'deploy': 'ours, deployed',
    'mmaction2': "mmaction2's UniFormer",
    'onnxruntime': 'ours, deployed, in onnxruntime',
    'openvino': 'ours, deployed, in OpenVINO',
}
# Number formats of exported files in the runtimes that they are for.
RUNTIMES = {
    'onnxruntime': ('fp32',),
    'openvino': ('fp32', 'bf16', 'int8', 'int8+bf16'),
}
# The light models as Table 23 changes them: each is another function.
KEEP_ALL = 'keep-all'
DESIGNS = {
    KEEP_ALL: dict(keep_ratio=1.0),
    'keep-0.8': dict(keep_ratio=0.8),
    'keep-0.6': dict(keep_ratio=0.6),
    'keep-0.4': dict(keep_ratio=0.4),
    'keep-0.25': dict(keep_ratio=0.25),
    'no-running-mean': dict(running_mean=False),
    'no-score-token': dict(score_token=False),
}
LABELS = SAME_FUNCTION | {
    name: 'ours, ' + ', '.join(f'{k}={v:g}' for k, v in settings.items())
    for name, settings in DESIGNS.items()
}
# Other models as their libraries' own configs have them, but without the
# stochastic depth of training, which is not what is compared.
OTHERS = {
    'Swin-T': dict(
        type='mmdet.SwinTransformer', depths=(2, 2, 6, 2), drop_path_rate=0.0
    ),
    'Swin-S': dict(
        type='mmdet.SwinTransformer', depths=(2, 2, 18, 2), drop_path_rate=0.0
    ),
    'ResNet-50': dict(type='mmdet.ResNet', depth=50, norm_eval=False),
    'Swin3D-T': dict(
        type='mmaction.SwinTransformer3D',
        arch='tiny',
        pretrained2d=False,
        drop_path_rate=0.0,
    ),
    'MViT-S': dict(type='mmaction.MViT', arch='small'),
}


def _timm(name: str) -> dict:
    return dict(type='timm', name=name)


def _x3d() -> dict:
    return dict(type='mmaction.X3D', gamma_w=1, gamma_b=2.25, gamma_d=2.2)


# Competitors of the paper's Tables 2, 11 and 12, each at the size that it was
# published with, and others of today. Those of images are timm's, which are
# faster than the same models in mmpretrain and mmdet; without timm they are
# not measured. No library here has MoViNet or MobileFormer.
COMPETITORS = {
    'MobileViT-XXS@256': _timm('mobilevit_xxs'),
    'MobileViT-XS@256': _timm('mobilevit_xs'),
    'MobileViT-S@256': _timm('mobilevit_s'),
    'MobileNetV3-L@224': _timm('mobilenetv3_large_100'),
    'EfficientNet-B0@224': _timm('efficientnet_b0'),
    'EfficientNet-B1@240': _timm('efficientnet_b1'),
    'EfficientNet-B2@260': _timm('efficientnet_b2'),
    'EfficientNet-B3@300': _timm('efficientnet_b3'),
    'PVTv2-B0@224': _timm('pvt_v2_b0'),
    'PVTv2-B1@224': _timm('pvt_v2_b1'),
    'PVTv2-B2@224': _timm('pvt_v2_b2'),
    'PVTv2-B4@224': _timm('pvt_v2_b4'),
    'Swin-T@224': _timm('swin_tiny_patch4_window7_224'),
    'Swin-S@224': _timm('swin_small_patch4_window7_224'),
    'ConvNeXt-T@224': _timm('convnext_tiny'),
    'ConvNeXt-S@224': _timm('convnext_small'),
    'CoAtNet-0@224': _timm('coatnet_0_224'),
    'CoAtNet-1@224': _timm('coatnet_1_224'),
    'CAFormer-S18@224': _timm('caformer_s18'),
    'CAFormer-S36@224': _timm('caformer_s36'),
    'X3D-XS@4x182x182': _x3d(),
    'X3D-S@13x182x182': _x3d(),
}
OTHERS.update(COMPETITORS)
NAMES = (*LABELS, *OTHERS)
# 8 bits are for convolutions and matrix products; the rest is in the other
# format.
DTYPES = ('fp32', 'bf16', 'fp16', 'int8', 'int8+bf16')
MODES = ('inference', 'training')


@dataclass(frozen=True)
class Workload:
    """A model of the paper, its input, and what is done.

    Attributes:
        model (str): A key of ``MODELS``.
        size (tuple[int, ...]): (H, W), or (T, H, W) for video.
        batch (int): Images or clips of a step.
        mode (str): 'inference', or 'training' for a step of forward and
            backward pass.
    """

    model: str
    size: tuple[int, ...]
    batch: int = 1
    mode: str = 'inference'

    def __str__(self) -> str:
        size = 'x'.join(map(str, self.size))
        return f'{self.model}, {size}, batch {self.batch}, {self.mode}'

    @property
    def is_video(self) -> bool:
        """Whether the input has frames."""
        return len(self.size) == 3

    @property
    def is_light(self) -> bool:
        """Whether the model is one that shrinks tokens."""
        return 'Light' in MODELS[self.model]['type']


@dataclass(frozen=True)
class Variant:
    """What runs a workload.

    Attributes:
        name (str): One of ``NAMES``.
        dtype (str): One of ``DTYPES``.
        compiled (bool): Whether ``torch.compile`` compiles it.
    """

    name: str
    dtype: str = 'fp32'
    compiled: bool = False

    def __str__(self) -> str:
        how = self.dtype
        if how != 'fp32' and self.name not in RUNTIMES:
            how += ' autocast' if self.autocast else ' weights'
        name = LABELS.get(self.name, self.name)
        return f'{name}, {how}' + ', compiled' * self.compiled

    @property
    def autocast(self) -> bool:
        """Whether half precision is autocast: converted weights are for good,
        and so for a deployed model."""
        converted = self.name == 'deploy' or self.name in RUNTIMES
        return not converted and self.dtype != 'fp32'


def accuracy(variant: Variant, workload: Workload) -> float | None:
    """Published top-1 accuracy, where it is of that model and size."""
    if variant.name in COMPETITORS:
        name = variant.name.partition('@')[0]
    elif variant.name in OTHERS or variant.name in DESIGNS:
        return None
    else:
        name = f'UniFormer-{workload.model.removeprefix("video ")}'
    return published_accuracy(name, input_size(variant, workload))


def input_size(variant: Variant, workload: Workload) -> tuple[int, ...]:
    """A competitor's own size, else that of the workload."""
    if variant.name in COMPETITORS:
        return parse_size(variant.name.partition('@')[2])
    return workload.size


@dataclass(frozen=True)
class Comparison:
    """Variants that are timed in turn on one workload.

    Attributes:
        workload (Workload): What is run.
        variants (tuple[Variant, ...]): The first is the baseline.
        memory (bool): Whether memory is measured too.
    """

    workload: Workload
    variants: tuple[Variant, ...]
    memory: bool = False

    def __str__(self) -> str:
        variants = '; '.join(
            str(v).replace(', fp32', '') for v in self.variants
        )
        return f'{self.workload}: {variants}'


def parse_size(text: str) -> tuple[int, ...]:
    """'224', '800x1280' or '16x224x224' as (H, W) or (T, H, W)."""
    numbers = text.lower().split('x')
    if not all(n.isdigit() and int(n) for n in numbers) or len(numbers) > 3:
        raise UserError(
            f'--sizes {text}: a size is 224, 800x1280 or 16x224x224'
        )
    size = tuple(map(int, numbers))
    return size * 2 if len(size) == 1 else size


def _compare(
    model: str,
    size: str,
    variants: str,
    batch: int = 1,
    mode: str = 'inference',
    memory: bool = False,
) -> Comparison:
    """A comparison of what ``variants`` lists as name/dtype/compiled."""
    chosen = []
    for name, *how in (text.split('/') for text in variants.split()):
        dtype = how[0] if how else 'fp32'
        chosen.append(Variant(name, dtype, 'compiled' in how))
    workload = Workload(model, parse_size(size), batch, mode)
    return Comparison(workload, tuple(chosen), memory)


FP32 = 'reference ours deploy'
BF16 = 'deploy/bf16 deploy/bf16/compiled'
TRAINING = 'reference/bf16 ours/bf16 ours/bf16/compiled'
INFERENCE = f'{TRAINING} {BF16}'
CHECKPOINTED = (
    'reference ours checkpointed reference/bf16 ours/bf16 checkpointed/bf16'
)
IMAGE_MODELS = (
    'Swin-T/bf16 Swin-T/bf16/compiled ResNet-50/bf16 ResNet-50/bf16/compiled'
)
VIDEO_MODELS = 'mmaction2/bf16 Swin3D-T/bf16 MViT-S/bf16'
IMAGE, CLIP, LARGE_CLIP = '800x1280', '16x112x112', '16x224x224'
EXPORTED = (
    'deploy deploy/fp32/compiled onnxruntime openvino openvino/bf16 '
    'openvino/int8 openvino/int8+bf16'
)


def _light(batch: int) -> list[Comparison]:
    both = f'{KEEP_ALL} ours'
    return [
        _compare('XXS', '160', both, batch),
        _compare('XXS', '224', both, batch),
        _compare('video XXS', '16x160x160', both, max(batch // 8, 1)),
    ]


# Ours beside others, each at its own size: what Tables 11, 12 and 23 compare,
# ours at the other sizes there, and models of today.
AGAINST = (
    (
        'XXS',
        '128',
        'MobileViT-XXS@256 PVTv2-B0@224 MobileNetV3-L@224 EfficientNet-B0@224',
    ),
    (
        'XXS',
        '160',
        'MobileViT-XS@256 MobileViT-S@256 PVTv2-B1@224 EfficientNet-B1@240',
    ),
    ('XS', '192', 'EfficientNet-B2@260 EfficientNet-B3@300'),
    ('XXS', '192', ''),
    ('XXS', '224', ''),
    ('XS', '224', ''),
    ('video XXS', '4x128x128', 'X3D-XS@4x182x182'),
    ('video XXS', '16x128x128', 'X3D-S@13x182x182'),
    (
        'S',
        '224',
        'Swin-T@224 ConvNeXt-T@224 PVTv2-B2@224 CoAtNet-0@224 '
        'CAFormer-S18@224',
    ),
    (
        'B',
        '224',
        'Swin-S@224 ConvNeXt-S@224 PVTv2-B4@224 CoAtNet-1@224 '
        'CAFormer-S36@224',
    ),
)


def _eager(model: str, size: str, others: str) -> Comparison:
    batch = 1 if model.startswith('video') else 8
    return _compare(model, size, f'ours deploy {others}', batch, memory=True)


def _compiled(model: str, size: str, others: str) -> Comparison:
    names = ' '.join(f'{name}/fp32/compiled' for name in others.split())
    batch = 1 if model.startswith('video') else 8
    return _compare(model, size, f'deploy/fp32/compiled {names}', batch)


PRESETS = {
    # What docs/benchmarks.md wants on a CPU, in less than five minutes.
    'quick': [
        _compare('video S', CLIP, f'{FP32} mmaction2'),
        _compare('S', '512', FP32),
        _compare('S', IMAGE, 'reference deploy', memory=True),
        _compare('S-h14', IMAGE, f'{FP32} deploy/fp32/compiled {BF16} Swin-T'),
    ],
    # What it wants on a GPU, then other sizes.
    'gpu': [
        _compare(
            'S-h14', IMAGE, f'{INFERENCE} {IMAGE_MODELS}', 8, memory=True
        ),
        _compare(
            'S-h14', IMAGE, f'{TRAINING} Swin-T/bf16', 2, 'training', True
        ),
        _compare(
            'video S',
            LARGE_CLIP,
            f'{INFERENCE} {VIDEO_MODELS}',
            8,
            memory=True,
        ),
        _compare('video S', LARGE_CLIP, TRAINING, 8, 'training', True),
        _compare('S-h14', IMAGE, INFERENCE),
        _compare('S', '224', INFERENCE, 64),
        _compare('S', '384', INFERENCE, 32),
        _compare('S-h32', '512x2048', INFERENCE, 4),
        _compare('S-h14', IMAGE, 'reference deploy', 4),
        *_light(64),
    ],
    # A step of training with checkpointing and without.
    'memory': [
        _compare(model, size, CHECKPOINTED, 1, 'training', True)
        for model, size in (
            ('S-h14', IMAGE),
            ('S-h32', '512'),
            ('video S', CLIP),
        )
    ],
    # Exported files on a CPU, in their own runtimes.
    'runtimes': [
        _compare(model, size, EXPORTED)
        for model, size in (
            ('XXS', '160'),
            ('XS', '192'),
            ('S', '512'),
            ('video S', LARGE_CLIP),
            ('S-h14', IMAGE),
        )
    ],
    # What the light models gain by keeping half of the tokens.
    'light': _light(8),
    # What the paper's abstract compares. Compilers take long, so they come
    # last.
    'tables': [
        _compare('XXS', '160', f'ours {" ".join(DESIGNS)}', 8, memory=True),
        *(_eager(*against) for against in AGAINST),
        *(_compiled(*against) for against in AGAINST),
    ],
    # Over resolution and over frames. The plain reference would need many
    # gigabytes for the largest.
    'sweep': [
        *(
            _compare(model, size, 'reference deploy', memory=True)
            for model, sizes in (
                ('S', '224 384 512 768 1024'),
                ('S-h14', '224 384 512 768 1024'),
                ('video S', '8x112x112 16x112x112 32x112x112 64x112x112'),
            )
            for size in sizes.split()
        ),
        *(
            _compare('S-w14', size, 'deploy', memory=True)
            for size in ('224', '384', '512', '768', '1024')
        ),
        *(
            _compare(model, size, 'deploy', memory=True)
            for size in ('1536', '2048')
            for model in ('S-w14', 'S-h14', 'S')
        ),
    ],
}


def grid(
    models: Sequence[str] = ('S',),
    sizes: Sequence[str] = ('224',),
    batch_sizes: Sequence[int] = (1,),
    modes: Sequence[str] = ('inference',),
    variants: Sequence[str] = ('reference', 'ours', 'deploy'),
    dtypes: Sequence[str] = ('fp32',),
    compile: Sequence[str] = ('no',),
) -> list[Comparison]:
    """Every combination that makes sense.

    A video model takes sizes of three numbers, the others of one or two; a
    deployed model does not train; other models run on inputs of their kind.

    Raises:
        UserError: For an unknown name or a size that is none, or if no
            combination is left.
    """
    for name in models:
        _check(name, MODELS, '--models')
    for name in variants:
        _check(name, NAMES, '--variants')
    if min(batch_sizes) < 1:
        raise UserError('--batch-sizes takes positive numbers')
    parsed = [parse_size(size) for size in sizes]
    compiled = [word == 'yes' for word in compile]
    comparisons = []
    for model, *how in product(models, parsed, batch_sizes, modes):
        workload = Workload(model, *how)
        fitting = tuple(
            Variant(name, dtype, is_compiled)
            for dtype, name, is_compiled in product(dtypes, variants, compiled)
            if makes_sense(name, workload)
            and has_format(name, dtype, is_compiled)
        )
        if fitting and workload.is_video == model.startswith('video'):
            comparisons.append(Comparison(workload, fitting, memory=True))
    if not comparisons:
        raise UserError(
            f'no size of {", ".join(sizes)} and no variant of '
            f'{", ".join(variants)} goes with {", ".join(models)} in '
            f'{", ".join(modes)}: a video model takes T x H x W, and a '
            'deployed model does not train'
        )
    return comparisons


def _check(name: str, known: Collection[str], option: str) -> None:
    if name not in known:
        from mmuniformer.checks.finding import suggest

        hint = suggest(name, known) or f'; there are {", ".join(known)}'
        raise UserError(f"{option}: there is no '{name}'{hint}")


def has_format(name: str, dtype: str, compiled: bool) -> bool:
    """Whether a variant of this name can be of a number format."""
    if name in RUNTIMES:
        return dtype in RUNTIMES[name] and not compiled
    return not dtype.startswith('int8')


def makes_sense(name: str, workload: Workload) -> bool:
    """Whether a variant of this name can run a workload."""
    if name in OTHERS:
        return OTHERS[name]['type'].startswith('mmaction') == workload.is_video
    if name == 'deploy' or name in RUNTIMES:
        return workload.mode == 'inference'
    if name == 'mmaction2' and not workload.is_video:
        return False
    # Who has no light models, and who has only those.
    others = {'reference': False, 'mmaction2': False}
    others |= dict.fromkeys(DESIGNS, True)
    return others.get(name, workload.is_light) == workload.is_light
