"""What is timed: models, sizes, and who runs them side by side."""

from dataclasses import dataclass
from itertools import product

from mmuniformer.checks.finding import suggest
from mmuniformer.errors import UserError

# Arguments of the backbones by the names of the paper's tables.
IMAGE_MODELS = {
    'S': dict(arch='small'),
    'S-w14': dict(arch='small', stage3='window', window_size=14),
    'S-h14': dict(arch='small', stage3='hybrid', window_size=14),
    'S-h32': dict(arch='small', stage3='hybrid', window_size=32),
    'B': dict(arch='base'),
    'B-h14': dict(arch='base', stage3='hybrid', window_size=14),
    'B-h32': dict(arch='base', stage3='hybrid', window_size=32),
}
VIDEO_MODELS = {
    'video S': dict(arch='small'),
    'video B': dict(arch='base'),
}
LIGHT_MODELS = {
    'XXS': dict(arch='xxs'),
    'XS': dict(arch='xs'),
}
LIGHT_VIDEO_MODELS = {
    'video XXS': dict(arch='xxs'),
    'video XS': dict(arch='xs'),
}
MODELS = {
    **IMAGE_MODELS,
    **VIDEO_MODELS,
    **LIGHT_MODELS,
    **LIGHT_VIDEO_MODELS,
}
# Those that run on one set of weights, and what they are in a table.
SAME_WEIGHTS = {
    'reference': 'plain reference',
    'ours': 'ours',
    'checkpointed': 'ours, with_cp',
    'deploy': 'ours, deployed',
    'mmaction2': "mmaction2's UniFormer",
}
# The light models without their shrinking: another function.
KEEP_ALL = 'keep-all'
LABELS = {**SAME_WEIGHTS, KEEP_ALL: 'ours, keep_ratio=1'}
IMAGE_PEERS = ('Swin-T', 'Swin-S', 'ResNet-50')
# They run fastest with channels last, as ours do of themselves.
CONVOLUTIONAL = ('ResNet-50',)
VIDEO_PEERS = ('Swin3D-T', 'MViT-S')
CONTENDERS = (*LABELS, *IMAGE_PEERS, *VIDEO_PEERS)
DTYPES = ('fp32', 'bf16', 'fp16')
MODES = ('inference', 'training')


@dataclass(frozen=True)
class Work:
    """A model and its input.

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
        return self.model in {**LIGHT_MODELS, **LIGHT_VIDEO_MODELS}


@dataclass(frozen=True)
class Entry:
    """Who does the work, and how.

    Attributes:
        contender (str): One of ``CONTENDERS``.
        dtype (str): One of ``DTYPES``.
        compiled (bool): Whether ``torch.compile`` compiles it.
    """

    contender: str
    dtype: str = 'fp32'
    compiled: bool = False

    def __str__(self) -> str:
        name = LABELS.get(self.contender, self.contender)
        how = self.dtype
        if how != 'fp32':
            how += ' autocast' if self.autocast else ' weights'
        return f'{name}, {how}' + ', compiled' * self.compiled

    @property
    def autocast(self) -> bool:
        """Whether half precision is autocast: converted weights are for good,
        and so for a deployed model."""
        return self.contender != 'deploy' and self.dtype != 'fp32'


@dataclass(frozen=True)
class Race:
    """Entries that are timed in turn on one work.

    Attributes:
        work (Work): What is done.
        entries (tuple[Entry, ...]): The first is what the others are
            compared with.
        memory (bool): Whether memory is measured too.
    """

    work: Work
    entries: tuple[Entry, ...]
    memory: bool = False


@dataclass(frozen=True)
class Goal:
    """A ratio that is to be reached.

    Attributes:
        work (Work): On which work.
        entry (Entry): By whom.
        than (Entry): Compared with whom.
        limit (float): Least quotient of speeds, or largest of memory.
        memory (bool): Whether memory is compared.
        only_with (str): What the device must have for it to apply.
    """

    work: Work
    entry: Entry
    than: Entry
    limit: float
    memory: bool = False
    only_with: str = ''


BASELINE = Entry('reference')
DEPLOY = Entry('deploy')
COMPILED = Entry('deploy', compiled=True)
HALF = Entry('deploy', 'bf16')
HALF_COMPILED = Entry('deploy', 'bf16', compiled=True)
DETECTION = Work('S-h14', (800, 1280))
DETECTION_GLOBAL = Work('S', (800, 1280))
SQUARE = Work('S', (512, 512))
CLIP = Work('video S', (16, 112, 112))

CPU_GOALS = (
    Goal(DETECTION, DEPLOY, BASELINE, 1.6),
    Goal(DETECTION, COMPILED, BASELINE, 2.2),
    Goal(DETECTION_GLOBAL, DEPLOY, BASELINE, 2.2),
    Goal(SQUARE, DEPLOY, BASELINE, 1.5),
    Goal(CLIP, DEPLOY, BASELINE, 1.3),
    Goal(DETECTION, HALF, BASELINE, 3.5, only_with='amx'),
    Goal(DETECTION, HALF_COMPILED, BASELINE, 7.0, only_with='amx'),
    Goal(DETECTION_GLOBAL, DEPLOY, BASELINE, 0.4, memory=True),
)

GPU_BASELINE = Entry('reference', 'bf16')
GPU_OURS = Entry('ours', 'bf16')
GPU_COMPILED = Entry('ours', 'bf16', compiled=True)
GPU_STEP = Work('S-h14', (800, 1280), 2, 'training')
GPU_CLIP_STEP = Work('video S', (16, 224, 224), 8, 'training')
GPU_IMAGE = Work('S-h14', (800, 1280), 1)
GPU_IMAGES = Work('S-h14', (800, 1280), 8)
GPU_CLIPS = Work('video S', (16, 224, 224), 8)

GPU_GOALS = (
    Goal(GPU_STEP, GPU_COMPILED, GPU_BASELINE, 2.0),
    Goal(GPU_STEP, GPU_COMPILED, GPU_BASELINE, 0.6, memory=True),
    Goal(GPU_CLIP_STEP, GPU_COMPILED, GPU_BASELINE, 2.0),
    Goal(GPU_CLIP_STEP, GPU_COMPILED, GPU_BASELINE, 0.6, memory=True),
    Goal(GPU_IMAGES, HALF_COMPILED, GPU_BASELINE, 2.5),
    Goal(GPU_IMAGES, HALF_COMPILED, Entry('Swin-T', 'bf16', True), 1.0),
    Goal(GPU_CLIPS, HALF_COMPILED, GPU_BASELINE, 2.5),
)
GOALS = {'cpu': CPU_GOALS, 'cuda': GPU_GOALS}


def quick() -> list[Race]:
    """The works of the goals on a CPU."""
    ours = Entry('ours')
    return [
        Race(CLIP, (BASELINE, ours, DEPLOY, Entry('mmaction2'))),
        Race(SQUARE, (BASELINE, ours, DEPLOY)),
        Race(DETECTION_GLOBAL, (BASELINE, DEPLOY), memory=True),
        Race(
            DETECTION,
            (
                BASELINE,
                ours,
                DEPLOY,
                COMPILED,
                HALF,
                HALF_COMPILED,
                Entry('Swin-T'),
            ),
        ),
    ]


def gpu() -> list[Race]:
    """The works of the goals on a GPU, then the other sizes."""
    peers = tuple(
        Entry(name, 'bf16', compiled)
        for name in ('Swin-T', 'ResNet-50')
        for compiled in (False, True)
    )
    inference = (GPU_BASELINE, GPU_OURS, GPU_COMPILED, HALF, HALF_COMPILED)
    training = (GPU_BASELINE, GPU_OURS, GPU_COMPILED)
    clips = tuple(Entry(n, 'bf16') for n in ('mmaction2', *VIDEO_PEERS))
    return [
        Race(GPU_IMAGES, (*inference, *peers), memory=True),
        Race(GPU_STEP, (*training, Entry('Swin-T', 'bf16')), memory=True),
        Race(GPU_CLIPS, (*inference, *clips), memory=True),
        Race(GPU_CLIP_STEP, training, memory=True),
        Race(GPU_IMAGE, inference),
        Race(Work('S', (224, 224), 64), inference),
        Race(Work('S', (384, 384), 32), inference),
        Race(Work('S-h32', (512, 2048), 4), inference),
        Race(Work('S-h14', (800, 1280), 4), (BASELINE, DEPLOY)),
        *light(64),
    ]


def memory() -> list[Race]:
    """Memory of a training step with and without checkpointing."""
    dtypes = ('fp32', 'bf16')
    entries = tuple(
        Entry(contender, dtype)
        for dtype in dtypes
        for contender in ('reference', 'ours', 'checkpointed')
    )
    works = [
        Work('S-h14', (800, 1280), mode='training'),
        Work('S-h32', (512, 512), mode='training'),
        Work('video S', (16, 112, 112), mode='training'),
    ]
    return [Race(work, entries, memory=True) for work in works]


def light(batch: int = 8) -> list[Race]:
    """What the light models gain by keeping half of the tokens."""
    works = [
        Work('XXS', (160, 160), batch),
        Work('XXS', (224, 224), batch),
        Work('video XXS', (16, 160, 160), max(batch // 8, 1)),
    ]
    return [Race(work, (Entry(KEEP_ALL), Entry('ours'))) for work in works]


def sweep() -> list[Race]:
    """Time and memory over resolution and over frames."""
    works = [
        Work(model, (side, side))
        for model in ('S', 'S-h14')
        for side in (224, 384, 512, 768, 1024)
    ]
    works += [Work('video S', (t, 112, 112)) for t in (8, 16, 32, 64)]
    return [Race(work, (BASELINE, DEPLOY), memory=True) for work in works]


PRESETS = {
    'quick': quick,
    'gpu': gpu,
    'memory': memory,
    'light': light,
    'sweep': sweep,
}


def grid(
    models: list[str],
    sizes: list[str],
    batch_sizes: list[int],
    modes: list[str],
    dtypes: list[str],
    contenders: list[str],
    compiled: list[bool],
) -> list[Race]:
    """Every combination that makes sense.

    A video model takes sizes of three numbers, the others of one or two; a
    deployed model does not train; peers run on inputs of their kind.

    Raises:
        UserError: For an unknown name or a size that is none, or if no
            combination is left.
    """
    for name in models:
        _check(name, MODELS, '--models')
    for name in contenders:
        _check(name, CONTENDERS, '--contenders')
    if min(batch_sizes) < 1:
        raise UserError('--batch-sizes takes positive numbers')
    parsed = [parse_size(size) for size in sizes]
    races = []
    for model, size, batch, mode in product(
        models, parsed, batch_sizes, modes
    ):
        work = Work(model, size, batch, mode)
        if work.is_video != model.startswith('video'):
            continue
        entries = tuple(
            Entry(contender, dtype, is_compiled)
            for dtype, contender, is_compiled in product(
                dtypes, contenders, compiled
            )
            if _makes_sense(contender, work)
        )
        if entries:
            races.append(Race(work, entries, memory=True))
    if not races:
        raise UserError(
            f'no size of {", ".join(sizes)} and no contender of '
            f'{", ".join(contenders)} goes with {", ".join(models)} in '
            f'{", ".join(modes)}: a video model takes T x H x W, and a '
            'deployed model does not train'
        )
    return races


def parse_size(text: str) -> tuple[int, ...]:
    """'224', '800x1280' or '16x224x224' as (H, W) or (T, H, W)."""
    numbers = text.lower().split('x')
    if not all(n.isdigit() and int(n) for n in numbers) or len(numbers) > 3:
        raise UserError(
            f'--sizes {text}: a size is 224, 800x1280 or 16x224x224'
        )
    size = tuple(map(int, numbers))
    return size * 2 if len(size) == 1 else size


def _check(name: str, known: object, option: str) -> None:
    if name not in known:
        hint = suggest(name, known) or f'; there are {", ".join(known)}'
        raise UserError(f"{option}: there is no '{name}'{hint}")


def _makes_sense(contender: str, work: Work) -> bool:
    if contender in IMAGE_PEERS:
        return not work.is_video
    if contender in VIDEO_PEERS:
        return work.is_video
    if contender == KEEP_ALL:
        return work.is_light
    if contender in ('reference', 'mmaction2') and work.is_light:
        return False
    if contender == 'mmaction2':
        return work.is_video
    return contender != 'deploy' or work.mode == 'inference'
