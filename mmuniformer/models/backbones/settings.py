"""Published architectures, and what backbones are told, checked."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

from mmuniformer.errors import InputError as InputError  # of version 0.1
from mmuniformer.errors import SettingError
from mmuniformer.models.layers import ATTENTION_FORMS

NUM_STAGES = 4
STAGE3_STYLES = ('global', 'window', 'hybrid')


@dataclass(frozen=True)
class Arch:
    """What makes a UniFormer: the settings that its weights depend on.

    Attributes:
        depths (tuple[int, ...]): Number of blocks of each stage.
        embed_dims (tuple[int, ...]): Number of channels of each stage.
        head_dim (int): Channels of an attention head. It shows in no name and
            no shape of a published file: a wrong one loads, and is wrong.
        mlp_ratio (float): Width of the FFN's hidden layer, in channels.
        conv_stem (bool): Overlapping convolutions with BatchNorm in front of
            the stages instead of patches with LayerNorm.
        layer_scale_init_value (float or None): Initial value of Layer Scale;
            None for none.
        layer_scale_stages (tuple[int, ...]): Stages that have it, where any
            has.
    """

    depths: tuple[int, ...]
    embed_dims: tuple[int, ...]
    head_dim: int = 64
    mlp_ratio: float = 4.0
    conv_stem: bool = False
    layer_scale_init_value: float | None = None
    layer_scale_stages: tuple[int, ...] = (2, 3)


_small = Arch((3, 4, 8, 3), (64, 128, 320, 512))
_small_plus = Arch((3, 5, 9, 3), (64, 128, 320, 512), conv_stem=True)
_base = Arch((5, 8, 20, 7), (64, 128, 320, 512))

# Paper, Table 1 and section 4.1. The models of 32 channels a head are those
# that were trained with token labeling, and the first small_plus.
IMAGE_ARCHS = {
    'small': _small,
    'small_dim32': replace(_small, head_dim=32),
    'small_plus': replace(_small_plus, head_dim=32),
    'small_plus_dim64': _small_plus,
    'base': _base,
    'base_dim32': replace(_base, head_dim=32),
    'base_ls': replace(_base, layer_scale_init_value=1e-6),
    'large': Arch(
        (5, 10, 24, 7),
        (128, 192, 448, 640),
        layer_scale_init_value=1e-6,
        layer_scale_stages=(0, 1, 2, 3),
    ),
}

# Paper, section 5.2. The published models' FFNs are three times as wide as
# their tokens, and only the first embedding is a convolutional stem.
_xs = Arch(
    (3, 5, 9, 3),
    (64, 128, 256, 512),
    head_dim=32,
    mlp_ratio=3.0,
    layer_scale_stages=(0, 1, 2, 3),
)
LIGHT_ARCHS = {
    'xs': _xs,
    'xxs': replace(
        _xs,
        depths=(2, 5, 8, 2),
        embed_dims=(56, 112, 224, 448),
        head_dim=28,
    ),
}

VIDEO_ARCHS = {'small': _small, 'base': _base}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every backbone is told, checked; :class:`UniFormer` explains it.

    Attributes:
        kv_strides (Sequence[int] or None): None where keys are not averaged
            over cells.

    Raises:
        SettingError: If one of them has a value that is not allowed.
    """

    arch: Arch
    stage_types: str = 'LLGG'
    kv_strides: Sequence[int] | None = None
    in_channels: int
    out_indices: Sequence[int]
    drop_path_rate: float
    drop_rate: float
    attn_drop_rate: float
    layer_scale_init_value: float | None
    with_cp: bool | Sequence[int]
    frozen_stages: int
    norm_eval: bool
    local_size: int
    use_dpe: bool
    local_ffn: bool
    attention: str
    deploy: bool
    compile: bool | dict
    init_cfg: dict | list[dict] | None

    def __post_init__(self):
        check_stages(
            self.arch, self.stage_types, self.out_indices, self.frozen_stages
        )
        check_rates(
            drop_path_rate=self.drop_path_rate,
            drop_rate=self.drop_rate,
            attn_drop_rate=self.attn_drop_rate,
        )
        require(
            isinstance(self.local_size, int) and self.local_size % 2 == 1,
            'local_size',
            self.local_size,
            'an odd integer',
        )
        require(
            self.kv_strides is None
            or (
                is_ints(self.kv_strides, low=1)
                and len(self.kv_strides) == NUM_STAGES
            ),
            'kv_strides',
            self.kv_strides,
            f'{NUM_STAGES} positive integers',
        )
        recomputed_blocks(self.with_cp, self.arch.depths)
        check_attention(self.attention)
        require(
            isinstance(self.compile, bool | dict),
            'compile',
            self.compile,
            'a bool, or a dict of arguments of torch.compile',
        )
        require(
            is_init_cfg(self.init_cfg),
            'init_cfg',
            self.init_cfg,
            "dict(type='Pretrained', checkpoint=...), or a list of such dicts",
        )

    @property
    def num_stages(self) -> int:
        """Number of stages that are built: none after the last output."""
        return max(self.out_indices) + 1

    @property
    def widths(self) -> list[tuple[int, int]]:
        """Channels before and after the embedding of each stage."""
        dims = pairwise((self.in_channels, *self.arch.embed_dims))
        return list(dims)[: self.num_stages]

    def layer_scale(self, stage: int) -> float | None:
        """Initial value of the Layer Scale of a stage; None for none."""
        if stage not in self.arch.layer_scale_stages:
            return None
        value = self.layer_scale_init_value
        return self.arch.layer_scale_init_value if value is None else value


def require(condition: bool, argument: str, value: object, allowed: str):
    """Raises an error that names an argument and what it may be.

    Args:
        condition (bool): Whether the value is allowed.
        argument (str): Name of the argument.
        value (object): What was given.
        allowed (str): What may be given, in words.

    Raises:
        SettingError: If the condition does not hold.
    """
    if not condition:
        raise SettingError(
            f'{argument} must be {allowed}, but it is {value!r}'
        )


def resolve_arch(arch: str | dict, archs: dict[str, Arch]) -> Arch:
    """Looks a name up, or checks the settings of a dict.

    Args:
        arch (str or dict): A key of ``archs``, or a dict of the attributes of
            :class:`Arch`.
        archs (dict[str, Arch]): Published architectures by name.

    Raises:
        SettingError: If the name is unknown or a setting is missing, unknown
            or out of range.
    """
    if isinstance(arch, str):
        require(arch in archs, 'arch', arch, f'one of {sorted(archs)}')
        return archs[arch]
    require(isinstance(arch, dict), 'arch', arch, 'a name or a dict')
    known = [field.name for field in fields(Arch)]
    unknown = sorted(set(arch) - set(known))
    require(not unknown, 'arch', unknown, f'a dict with keys of {known}')
    for key in ('depths', 'embed_dims'):
        require(key in arch, f'arch[{key!r}]', None, 'given')
        value = arch[key]
        require(
            is_ints(value, low=1) and len(value) == NUM_STAGES,
            f'arch[{key!r}]',
            value,
            f'{NUM_STAGES} positive integers',
        )
    arch = Arch(
        **{k: tuple(v) if is_sequence(v) else v for k, v in arch.items()}
    )
    require(
        is_ints([arch.head_dim], low=1),
        "arch['head_dim']",
        arch.head_dim,
        'a positive integer',
    )
    require(
        isinstance(arch.mlp_ratio, int | float) and arch.mlp_ratio > 0,
        "arch['mlp_ratio']",
        arch.mlp_ratio,
        'a positive number',
    )
    require(
        set(arch.layer_scale_stages) <= set(range(NUM_STAGES)),
        "arch['layer_scale_stages']",
        arch.layer_scale_stages,
        f'stages from 0 to {NUM_STAGES - 1}',
    )
    return arch


def check_stages(
    arch: Arch,
    stage_types: str,
    out_indices: Sequence[int],
    frozen_stages: int,
) -> None:
    """Checks the arguments that choose stages; see :class:`UniFormer`.

    Args:
        arch (Arch): What the stages are made of.
        stage_types (str): 'L' or 'G' for each stage.
        out_indices (Sequence[int]): Stages to return.
        frozen_stages (int): Stages that are not trained.

    Raises:
        SettingError: If one of them has a value that is not allowed.
    """
    require(
        isinstance(stage_types, str)
        and len(stage_types) == NUM_STAGES
        and set(stage_types) <= set('LG'),
        'stage_types',
        stage_types,
        f"{NUM_STAGES} letters of 'L' (local) and 'G' (global)",
    )
    for stage, kind in enumerate(stage_types):
        dim = arch.embed_dims[stage]
        require(
            kind == 'L' or dim % arch.head_dim == 0,
            f'head_dim of stage {stage + 1} with {dim} channels',
            arch.head_dim,
            'a divisor of them',
        )
    require(
        is_ints(out_indices, low=0, high=NUM_STAGES - 1)
        and len(out_indices) > 0
        and len(set(out_indices)) == len(out_indices),
        'out_indices',
        out_indices,
        f'different integers from 0 to {NUM_STAGES - 1}',
    )
    require(
        is_ints([frozen_stages], low=-1, high=max(out_indices) + 1),
        'frozen_stages',
        frozen_stages,
        f'an integer from -1 to {max(out_indices) + 1}, the number of stages',
    )


def check_attention(attention: str) -> None:
    """Checks how attention is to be computed.

    Args:
        attention (str): 'fused' or 'explicit'.

    Raises:
        SettingError: If it is neither.
    """
    require(
        attention in ATTENTION_FORMS,
        'attention',
        attention,
        f'one of {sorted(ATTENTION_FORMS)}',
    )


def is_init_cfg(init_cfg: object) -> bool:
    """Whether each of what initialises has a type; None is nothing."""
    if not isinstance(init_cfg, list | tuple):
        init_cfg = [init_cfg or dict(type='none')]
    return all(isinstance(c, dict) and 'type' in c for c in init_cfg)


def check_rates(**rates: float) -> None:
    """Checks dropout rates.

    Args:
        rates (float): Rates by the name of their argument.

    Raises:
        SettingError: If a rate is not in [0, 1).
    """
    for name, rate in rates.items():
        valid = isinstance(rate, int | float) and 0 <= rate < 1
        require(valid, name, rate, 'a number in [0, 1)')


def stage3_windows(
    depth: int, stage3: str = 'global', window_size: int = 14
) -> list[int | None]:
    """Window size of each block of stage 3; None for global attention.

    In the 'hybrid' style every fourth block is global (paper, section 4.3).

    Args:
        depth (int): Number of blocks.
        stage3 (str): 'global', 'window' or 'hybrid'.
        window_size (int): Side of a window, in pixels of the map.

    Raises:
        SettingError: If the style is unknown or the size is not positive.
    """
    require(
        stage3 in STAGE3_STYLES, 'stage3', stage3, f'one of {STAGE3_STYLES}'
    )
    require(
        is_ints([window_size], low=1),
        'window_size',
        window_size,
        'a positive integer',
    )
    is_global = {
        'global': lambda block: True,
        'window': lambda block: False,
        'hybrid': lambda block: block % 4 == 3,
    }[stage3]
    return [None if is_global(i) else window_size for i in range(depth)]


def recomputed_blocks(
    with_cp: bool | Sequence[int], depths: Sequence[int]
) -> list[int]:
    """Number of blocks of each stage whose activations are recomputed.

    Args:
        with_cp (bool or Sequence[int]): All blocks, none, or a number a
            stage.
        depths (Sequence[int]): Number of blocks of each stage.

    Raises:
        SettingError: If ``with_cp`` is neither a bool nor a number a stage.
    """
    if isinstance(with_cp, bool):
        return list(depths) if with_cp else [0] * len(depths)
    require(
        is_ints(with_cp, low=0) and len(with_cp) == NUM_STAGES,
        'with_cp',
        with_cp,
        f'a bool, or {NUM_STAGES} numbers of blocks from 0',
    )
    return list(with_cp)


def is_sequence(value: object) -> bool:
    """Whether a value is a sequence, and no text."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def is_ints(value: object, low: int, high: int | None = None) -> bool:
    """Whether a value is a sequence of integers within bounds.

    Args:
        value (object): Anything.
        low (int): The least that is allowed.
        high (int, optional): The greatest that is allowed, None for any.
    """
    return is_sequence(value) and all(
        isinstance(item, int)
        and not isinstance(item, bool)
        and low <= item
        and (high is None or item <= high)
        for item in value
    )
