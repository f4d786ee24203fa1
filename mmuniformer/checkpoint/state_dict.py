"""What a state dict holds: pure functions over names and shapes."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from mmengine.logging import print_log
from torch import Tensor

from mmuniformer.errors import CheckpointError

# Where training code puts the state dict: OpenMMLab, DeiT, SlowFast.
WRAPPERS = ('state_dict', 'model', 'model_state')
ANCHOR = 'patch_embed1.'
# What wraps all names of a model, and those of a compiled module anywhere.
MODEL_WRAPPERS = ('module.', 'model.')
COMPILED = '_orig_mod.'
# Of several backbones in a file: the average of a training, which is the one
# that is tested, then the one that was trained.
PREFERRED = ('ema', 'ema_model', 'teacher', 'encoder_q', 'student')


def unwrap(content: Mapping, source: str) -> dict[str, Tensor]:
    """Finds the state dict in what a checkpoint file holds.

    Args:
        content (Mapping): What the file holds.
        source (str): Its path or URL, for messages.

    Returns:
        dict[str, Tensor]: Its tensors.

    Raises:
        CheckpointError: If there is none.
    """
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            return unwrap(content[wrapper], source)
    tensors = {
        k: v
        for k, v in content.items()
        if isinstance(k, str) and isinstance(v, Tensor)
    }
    if not tensors:
        raise CheckpointError(
            f'{source} holds no tensors; '
            + (f'its keys are {_few(content)}' if content else 'it is empty')
            + ': take a file that a training has written'
        )
    return tensors


def select_backbone(
    state_dict: Mapping[str, Tensor], source: str, prefix: str | None = None
) -> dict[str, Tensor]:
    """Takes UniFormer's tensors out of those of a whole model.

    Args:
        state_dict (Mapping[str, Tensor]): Tensors of a backbone, classifier,
            detector, ...
        source (str): Path or URL of the file, for messages.
        prefix (str, optional): What the names of the backbone start with,
            such as 'backbone.'; found by itself when None.

    Returns:
        dict[str, Tensor]: The backbone's, without the prefix.

    Raises:
        CheckpointError: If there is no UniFormer under the prefix.
    """
    if prefix is None:
        prefix = choose_prefix(state_dict, source)
    elif prefix and not prefix.endswith('.'):
        prefix += '.'
    backbone = {
        k[len(prefix) :]: v
        for k, v in state_dict.items()
        if k.startswith(prefix)
    }
    if not any(k.startswith(ANCHOR) for k in backbone):
        raise CheckpointError(
            f'{source} holds no UniFormer: no name starts with '
            f'{prefix + ANCHOR!r}; the names are {_few(state_dict)}'
        )
    return backbone


def choose_prefix(state_dict: Mapping[str, Tensor], source: str) -> str:
    """Where the backbone is; the log says so where there are several.

    Args:
        state_dict (Mapping[str, Tensor]): Tensors of any file.
        source (str): Path or URL of the file, for the log.

    Returns:
        str: What its names start with; empty without a backbone, too.
    """
    # In the order of the file, each once.
    prefixes = list(
        dict.fromkeys(k.split(ANCHOR)[0] for k in state_dict if ANCHOR in k)
    )
    if len(prefixes) < 2:
        return ''.join(prefixes)

    def rank(prefix: str) -> tuple[int, int]:
        words = prefix.split('.')
        better = [i for i, word in enumerate(PREFERRED) if word in words]
        return min(better, default=len(PREFERRED)), len(prefix)

    # Stable: of equals the first in the file.
    best = min(prefixes, key=rank)
    others = ', '.join(repr(p) for p in prefixes if p != best)
    print_log(
        f'{source} holds {len(prefixes)} backbones: that of {best!r} is '
        f'taken, not {others}; init_cfg.prefix names another one.',
        logger='current',
    )
    return best


def strip_wrappers(
    state_dict: Mapping[str, Tensor], wanted: Collection[str]
) -> dict[str, Tensor]:
    """Takes off what wrappers of a whole model put in front of its names.

    Args:
        state_dict (Mapping[str, Tensor]): Tensors of a file.
        wanted (Collection[str]): Names of the tensors of the model. A prefix
            that one of them has is left alone.

    Returns:
        dict[str, Tensor]: The tensors, without ``module.`` (parallel
        training), ``_orig_mod.`` (``torch.compile``) and ``model.``
        (Lightning and others).
    """
    tensors = {k.replace(COMPILED, ''): v for k, v in state_dict.items()}
    for wrapper in MODEL_WRAPPERS * 2:
        inside = all(key.startswith(wrapper) for key in tensors)
        if inside and not any(key.startswith(wrapper) for key in wanted):
            tensors = {k[len(wrapper) :]: v for k, v in tensors.items()}
    return tensors


@dataclass(frozen=True)
class Layout:
    """The settings that show in names and shapes.

    Attributes:
        ndim (int): 2 for images, 3 for video.
        light (bool): Whether it is a light model: with a score token, or with
            a convolutional stem in front of stage 1 only.
        score_token (bool): Whether a light model has a score token.
        depths (tuple[int, ...]): Number of blocks of each stage.
        embed_dims (tuple[int, ...]): Number of channels of each stage.
        conv_stem (bool): Whether the last embedding is a convolution with
            BatchNorm.
        layer_scale_stages (tuple[int, ...]): Stages with Layer Scale.
        stage_types (str): 'L' or 'G' for each stage.
        attention (str): 'joint' or, of a video, 'divided'.
        inflate (bool): Whether the convolutions of blocks span frames.
        temporal_embed (bool): Whether the last embedding spans frames.
    """

    ndim: int
    light: bool
    score_token: bool
    depths: tuple[int, ...]
    embed_dims: tuple[int, ...]
    conv_stem: bool
    layer_scale_stages: tuple[int, ...]
    stage_types: str
    attention: str
    inflate: bool
    temporal_embed: bool

    def as_video(self, video: 'Layout') -> 'Layout':
        """The layout of an image model that became ``video`` by inflation.

        Layer Scale may be new in video, as in three published light models.

        Args:
            video (Layout): That of a video model.
        """
        return replace(
            self,
            ndim=video.ndim,
            layer_scale_stages=(
                self.layer_scale_stages or video.layer_scale_stages
            ),
            attention=video.attention,
            inflate=video.inflate,
            temporal_embed=video.temporal_embed,
        )


def read_layout(
    state_dict: Mapping[str, Tensor], first_stages: int = 4
) -> Layout:
    """Reads the settings of a UniFormer off its tensors.

    Args:
        state_dict (Mapping[str, Tensor]): Tensors of a backbone.
        first_stages (int): How many stages to look at.
    """
    blocks = re.compile(rf'blocks([1-{first_stages}])\.(\d+)\.(.+)')
    found = [m for m in map(blocks.fullmatch, state_dict) if m]
    num_stages = max((int(m.group(1)) for m in found), default=0)
    depths = [0] * num_stages
    types = ['L'] * num_stages
    scaled = set()
    for match in found:
        stage, block = int(match.group(1)) - 1, int(match.group(2))
        depths[stage] = max(depths[stage], block + 1)
        if match.group(3) == 'attn.qkv.weight':
            types[stage] = 'G'
        if match.group(3) == 'gamma_1':
            scaled.add(stage)
    projections = [
        [v for k, v in state_dict.items() if k.startswith(f'patch_embed{i}.')]
        for i in range(1, num_stages + 1)
    ]
    convs = [[v for v in p if v.dim() > 2] for p in projections]
    ndim = convs[0][0].dim() - 2
    score_token = num_stages > 2 and 'cls_token' in state_dict
    conv_stems = [
        f'patch_embed{i}.proj.0.weight' in state_dict
        for i in range(1, num_stages + 1)
    ]
    divided = any('.t_attn.' in k for k in state_dict)
    # Depthwise: position embeddings and local aggregation.
    spans = {
        v.shape[2]
        for k, v in state_dict.items()
        if v.dim() == 5 and k.endswith(('.pos_embed.weight', '.attn.weight'))
    }
    return Layout(
        ndim=ndim,
        light=score_token or (conv_stems[0] and not conv_stems[-1]),
        score_token=score_token,
        depths=tuple(depths),
        embed_dims=tuple(c[-1].shape[0] for c in convs),
        conv_stem=conv_stems[-1],
        layer_scale_stages=tuple(sorted(scaled)),
        stage_types=''.join(types),
        attention='divided' if divided else 'joint',
        inflate=spans != {1},
        temporal_embed=ndim == 3 and convs[-1][-1].shape[2] > 1,
    )


def _few(names: Mapping) -> str:
    names = [str(name) for name in names]
    more = f', ... ({len(names)} in all)' if len(names) > 4 else ''
    return ', '.join(names[:4]) + more
