"""UniFormer for images (paper, section 3)."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuniformer.checkpoint import load_pretrained
from mmuniformer.models.backbones.settings import (
    IMAGE_ARCHS,
    NUM_STAGES,
    check_rates,
    check_stages,
    checkpointed_blocks,
    require,
    resolve_arch,
    stage3_windows,
)
from mmuniformer.models.layers import (
    CHANNELS_LAST,
    ChannelLayerNorm,
    ConvEmbed,
    MobileNetBlock,
    PatchEmbed,
    UniFormerBlock,
    recompute_in_backward,
)
from mmuniformer.registry import MODELS


@MODELS.register_module()
class UniFormer(BaseModule):
    """UniFormer backbone for images.

    `UniFormer: Unifying Convolution and Self-attention for Visual
    Recognition <https://arxiv.org/abs/2201.09450>`_. Local relation
    aggregation (depthwise convolution) in the first two stages, global
    relation aggregation (self-attention) in the last two.

    The names of the parameters are those of the published files: a published
    checkpoint loads as it is, and one trained here loads in the official
    code.

    Args:
        arch: Name of a published model ('small', 'small_plus',
            'small_plus_dim64', 'base', 'base_ls', 'large', 'small_dim32',
            'base_dim32'), or a dict with ``depths`` and ``embed_dims`` (four
            numbers each) and, optionally, ``head_dim``, ``mlp_ratio``,
            ``conv_stem``, ``layer_scale_init_value`` and
            ``layer_scale_stages``.
        stage3: 'global' attention in stage 3, attention in 'window's, or
            'hybrid': three blocks with windows, then a global one, and so on
            (paper, section 4.3).
        window_size: Side of the windows of stage 3, in pixels of its map
            (1/16 of the image). Of no effect for 'global'.
        test_stage3: Style of stage 3 in eval mode, where it differs from
            training: ``dict(stage3='hybrid', window_size=32)`` for the
            paper's segmentation. The weights are the same.
        stage_types: 'L' (local) or 'G' (global) for each stage (Table 15).
            With attention in stages 1 and 2, keys and values are averaged
            over 4 x 4 and 2 x 2 cells.
        in_channels: Channels of the input.
        out_indices: Stages to return, 0 to 3. Later stages are not built.
        drop_path_rate: Stochastic depth of the last block; it grows linearly
            from 0 at the first.
        drop_rate: Dropout rate after the first embedding, of the FFNs and
            of the attention's output.
        attn_drop_rate: Dropout rate of the attention weights.
        layer_scale_init_value: Initial value of Layer Scale, instead of that
            of ``arch``.
        with_cp: Whether to recompute activations in the backward pass
            instead of keeping them: a bool, or the number of blocks from
            the start of each stage, such as ``[0, 0, 8, 0]``.
        frozen_stages: Stages whose weights and statistics stay as loaded: -1
            none, 0 the first embedding, n the first n stages. The norms of
            the outputs are always trained: no published classifier has them.
        norm_eval: Whether BatchNorm uses its running statistics in training.
        local_size: Side of the depthwise convolution that aggregates in
            local blocks (Table 15): an odd number.
        use_dpe: Whether blocks have dynamic position embedding (Table 15).
        local_ffn: Whether local blocks are UniFormer blocks, or MobileNet
            blocks without FFN (Table 15).
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` takes a path or
            URL of a published file (see :func:`load_pretrained`).

    Raises:
        ValueError: If an argument has a value that is not allowed; the
            message names the argument and what is.

    Examples:
        >>> import torch
        >>> from mmuniformer import UniFormer
        >>> model = UniFormer('small', stage3='hybrid').eval()
        >>> [tuple(out.shape) for out in model(torch.rand(1, 3, 96, 64))]
        [(1, 64, 24, 16), (1, 128, 12, 8), (1, 320, 6, 4), (1, 512, 3, 2)]
    """

    ndim = 2
    archs = IMAGE_ARCHS
    # What the published models start from, before any pretrained weights.
    default_init = (
        dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    )

    def __init__(
        self,
        arch: str | dict = 'small',
        stage3: str = 'global',
        window_size: int = 14,
        test_stage3: dict | None = None,
        stage_types: str = 'LLGG',
        in_channels: int = 3,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        drop_path_rate: float = 0.0,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
        with_cp: bool | Sequence[int] = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        local_size: int = 5,
        use_dpe: bool = True,
        local_ffn: bool = True,
        init_cfg: dict | list[dict] | None = None,
    ):
        given = [init_cfg] if isinstance(init_cfg, dict) else init_cfg or []
        self.pretrained = [c for c in given if c['type'] == 'Pretrained']
        others = [c for c in given if c['type'] != 'Pretrained']
        super().__init__(init_cfg=[*self.default_init, *others])

        self.arch = resolve_arch(arch, self.archs)
        check_stages(self.arch, stage_types, out_indices, frozen_stages)
        check_rates(
            drop_path_rate=drop_path_rate,
            drop_rate=drop_rate,
            attn_drop_rate=attn_drop_rate,
        )
        require(
            isinstance(local_size, int) and local_size % 2 == 1,
            'local_size',
            local_size,
            'an odd integer',
        )
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        depths, dims = self.arch.depths, self.arch.embed_dims
        self.num_stages = max(out_indices) + 1
        self.with_cp = checkpointed_blocks(with_cp, depths)

        # The window of each block of stage 3, in training and in eval mode.
        train_style = dict(stage3=stage3, window_size=window_size)
        test_style = train_style if test_stage3 is None else test_stage3
        require(
            set(test_style) <= set(train_style),
            'test_stage3',
            test_stage3,
            f'a dict with keys of {sorted(train_style)}',
        )
        self.train_windows = stage3_windows(depths[2], **train_style)
        self.test_windows = stage3_windows(depths[2], **test_style)

        for i in range(self.num_stages):
            embed = self._make_embed(i, dims[i - 1] if i else in_channels)
            self.add_module(f'patch_embed{i + 1}', embed)
        self.pos_drop = nn.Dropout(drop_rate)

        if layer_scale_init_value is None:
            layer_scale_init_value = self.arch.layer_scale_init_value
        rates = iter(np.linspace(0, drop_path_rate, sum(depths)).tolist())
        for i in range(self.num_stages):
            common = dict(ndim=self.ndim, dim=dims[i], use_dpe=use_dpe)
            if stage_types[i] == 'L' and not local_ffn:
                block = partial(
                    MobileNetBlock, local_size=local_size, **common
                )
            else:
                scaled = i in self.arch.layer_scale_stages
                block = partial(
                    UniFormerBlock,
                    aggregator='local' if stage_types[i] == 'L' else 'global',
                    num_heads=dims[i] // self.arch.head_dim,
                    mlp_ratio=self.arch.mlp_ratio,
                    local_size=local_size,
                    # In stages 1 and 2, as many keys as stage 3 has tokens.
                    kv_stride=(4, 2, 1, 1)[i],
                    drop=drop_rate,
                    attn_drop=attn_drop_rate,
                    layer_scale_init_value=(
                        layer_scale_init_value if scaled else None
                    ),
                    **common,
                )
            blocks = [
                block(drop_path_rate=next(rates)) for _ in range(depths[i])
            ]
            self.add_module(f'blocks{i + 1}', nn.ModuleList(blocks))
            if i in self.out_indices:
                norm = ChannelLayerNorm(dims[i], eps=1e-6)
                self.add_module(f'norm{i + 1}', norm)
        self._freeze_stages()
        self._register_load_state_dict_pre_hook(self._leave_out_levels)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Extracts a pyramid of features.

        Args:
            x: Images of shape (B, in_channels, H, W) of any size that
                leaves a pixel for each stage.

        Returns:
            A normalised map of shape (B, embed_dims[i], H / s, W / s) for
            each stage i of ``out_indices``, its stride s being 4, 8, 16, 32.
        """
        # Every layer keeps this memory format: see layers/channels.py.
        x = x.contiguous(memory_format=CHANNELS_LAST[self.ndim])
        self._check_size(x)
        outs = []
        for i in range(self.num_stages):
            x = getattr(self, f'patch_embed{i + 1}')(x)
            if i == 0:
                x = self.pos_drop(x)
            x = self._run_blocks(i, x)
            if i in self.out_indices:
                out = getattr(self, f'norm{i + 1}')(x)
                # mmcv's compiled ops (RoIAlign and others) do not look at
                # strides: they would misread a map in channels-last memory.
                outs.append(out.contiguous())
        return tuple(outs)

    def _run_blocks(self, stage: int, x: Tensor) -> Tensor:
        blocks = getattr(self, f'blocks{stage + 1}')
        windows = [None] * len(blocks)
        if stage == 2 and self.training:
            windows = self.train_windows
        elif stage == 2:
            windows = self.test_windows
        recomputed = 0
        if self.training and torch.is_grad_enabled():
            recomputed = self.with_cp[stage]
        for i, block in enumerate(blocks):
            if i < recomputed:
                x = recompute_in_backward(block, x, windows[i])
            else:
                x = block(x, windows[i])
        return x

    def _make_embed(self, stage: int, in_channels: int) -> nn.Module:
        """Downsampling by 4 before the first stage, by 2 before others."""
        dims = self.arch.embed_dims[stage]
        if self.arch.conv_stem:
            halvings = 2 if stage == 0 else 1
            return ConvEmbed(in_channels, dims, [(2, 2)] * halvings)
        side = 4 if stage == 0 else 2
        return PatchEmbed(in_channels, dims, (side, side))

    def _check_size(self, x: Tensor) -> None:
        smallest = 2 ** (self.num_stages + 1)
        if self.arch.conv_stem:
            smallest = 1
        if min(x.shape[-2:]) < smallest:
            raise ValueError(
                f'an image of {x.shape[-2]} x {x.shape[-1]} pixels is too '
                f'small for {self.num_stages} stages: height and width must '
                f'be {smallest} or more'
            )

    def init_weights(self) -> None:
        """Initialises the weights, from a published file if one is named."""
        super().init_weights()
        for cfg in self.pretrained:
            cfg = {k: v for k, v in cfg.items() if k != 'type'}
            load_pretrained(self, **cfg)

    def train(self, mode: bool = True) -> 'UniFormer':
        """Sets the mode of all modules but those that stay in eval mode."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _leave_out_levels(
        self, state_dict: dict[str, Tensor], prefix: str, *_: object
    ) -> None:
        """Drops the levels of a file that `out_indices` does not ask for.

        Published files have the norms of all four, whatever the task reads.
        """
        unread = {
            f'{prefix}{name}{i}'
            for i in range(1, NUM_STAGES + 1)
            for name in ('patch_embed', 'blocks', 'norm')
            if not hasattr(self, f'{name}{i}')
        }
        depth = prefix.count('.') + 1
        found = set()
        for key in list(state_dict):
            module = '.'.join(key.split('.')[:depth])
            if module in unread:
                found.add(module)
                del state_dict[key]
        if found:
            names = ', '.join(sorted(found))
            print_log(
                f'Levels of the checkpoint that are left out: {names}.',
                logger='current',
            )

    def _frozen_modules(self) -> list[nn.Module]:
        if self.frozen_stages < 0:
            return []
        stages = range(1, self.frozen_stages + 1)
        return [
            self.patch_embed1,
            *(getattr(self, f'patch_embed{i}') for i in stages if i > 1),
            *(getattr(self, f'blocks{i}') for i in stages),
        ]

    def _freeze_stages(self) -> None:
        for module in self._frozen_modules():
            module.eval()
            module.requires_grad_(False)
