"""Arguments of other backbones: what stands for them here."""

import inspect
from collections.abc import Callable
from functools import wraps

from mmuniformer.errors import SettingError

_ARCH = "arch='small' or another name, or a dict of depths and embed_dims"
_STRIDES = 'strides are 4, 8, 16 and 32: nothing'
_NORMS = "norms are those of the published weights; sync_bn='torch' at the "
_NORMS += 'top of a config has several processes share statistics'
_ANY_SIZE = 'images may have any size: nothing'
_STEM = "arch='small_plus', the model with a convolutional stem"
_LAYERS = 'layers are those of the published weights: nothing'
_OUTPUTS = 'out_indices, after whose last no stage is built'
_FILES = 'published files load as they are: nothing'
_LEVELS = 'every output is a normalised map: nothing'
_WEIGHTS = "init_cfg=dict(type='Pretrained', checkpoint=...)"

# Of the backbones that configs of the host libraries have.
MEANINGS = {
    'act_cfg': _LAYERS,
    'attn_drop': 'attn_drop_rate',
    'avg_down': _LAYERS,
    'base_channels': _ARCH,
    'base_width': _ARCH,
    'contract_dilation': _STRIDES,
    'conv_cfg': _LAYERS,
    'convert_weights': _FILES,
    'dcn': _LAYERS,
    'deep_stem': _STEM,
    'deepen_factor': _ARCH,
    'depth': _ARCH,
    'depths': _ARCH,
    'dilations': _STRIDES,
    'drop_path': 'drop_path_rate',
    'embed_dims': _ARCH,
    'extra': _ARCH,
    'final_norm': _LEVELS,
    'groups': _ARCH,
    'img_size': _ANY_SIZE,
    'mlp_ratio': 'arch=dict(mlp_ratio=...)',
    'mlp_ratios': 'arch=dict(mlp_ratio=...)',
    'multi_grid': _STRIDES,
    'norm_cfg': _NORMS,
    'num_heads': 'arch=dict(head_dim=...)',
    'num_layers': _ARCH,
    'num_stages': _OUTPUTS,
    'out_features': _OUTPUTS,
    'out_type': _LEVELS,
    'patch_norm': _LAYERS,
    'patch_size': _STRIDES,
    'plugins': _LAYERS,
    'pretrain_img_size': _ANY_SIZE,
    'pretrained': _WEIGHTS,
    'pretrained2d': f'{_WEIGHTS}, which inflates the file of an image model',
    'qk_scale': _LAYERS,
    'qkv_bias': _LAYERS,
    'stage_with_dcn': _LAYERS,
    'stem_channels': _ARCH,
    'strides': _STRIDES,
    'style': _LAYERS,
    'torchvision_pretrain': _WEIGHTS,
    'use_abs_pos_embed': _LAYERS,
    'use_checkpoint': 'with_cp',
    'widen_factor': _ARCH,
    'window_size': 'stages of this model have no windows: nothing',
    'with_cls_token': _LEVELS,
    'zero_init_residual': _LAYERS,
}

_FORGOTTEN = (
    'Where the config inherits another backbone, '
    'backbone=dict(_delete_=True, ...) takes its arguments away'
)


def explains_other_words(init: Callable) -> Callable:
    """Has a constructor say what stands for arguments of other backbones.

    A config that inherits one and forgets ``_delete_`` keeps its arguments.

    Args:
        init (Callable): ``__init__`` of a backbone.

    Returns:
        Callable: The constructor, of the same signature.
    """
    own = set(inspect.signature(init).parameters)

    @wraps(init)
    def checked(self, *args, **given):
        others = [w for w in given if w in MEANINGS and w not in own]
        # mmaction2's UniFormer has this word as well, for four numbers.
        if 'depth' in own and isinstance(given.get('depth'), int):
            others.insert(0, 'depth')
        name = type(self).__name__
        if others:
            raise SettingError(_explain(name, others))
        for word in given:
            if word not in own:
                # As Python says it, and what it cannot know.
                raise TypeError(
                    f'{name}.__init__() got an unexpected keyword argument '
                    f"'{word}'. {_FORGOTTEN}"
                )
        init(self, *args, **given)

    return checked


def _explain(name: str, words: list[str]) -> str:
    meant: dict[str, list[str]] = {}
    for word in words:
        meant.setdefault(MEANINGS[word], []).append(word)
    instead = '; '.join(
        f'for {" and ".join(words)}, {meaning}'
        for meaning, words in meant.items()
    )
    return (
        f'{name} takes no {", ".join(words)}: arguments of other backbones. '
        f'{_FORGOTTEN}. Here stands {instead}'
    )
