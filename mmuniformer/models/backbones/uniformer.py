"""UniFormer for images (paper, section 3)."""

from torch import Tensor, nn

from mmuniformer.models.backbones.base import UniFormerBase
from mmuniformer.models.backbones.settings import (
    IMAGE_ARCHS,
    require,
    stage3_windows,
)
from mmuniformer.models.layers import ConvEmbed, PatchEmbed
from mmuniformer.registry import MODELS


@MODELS.register_module()
class UniFormer(UniFormerBase):
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
        kv_strides: Side of the cells over which a stage of type 'G' averages
            its keys and values, for each stage. By default 4 and 2 in stages
            1 and 2, so that they have as many keys as stage 3.
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
        deploy: Whether to build the deployment form, for a checkpoint that
            is in it (see :meth:`switch_to_deploy`).
        compile: Whether ``torch.compile`` compiles the backbone, when it
            first runs: a bool, or a dict of arguments of ``torch.compile``,
            such as ``dict(dynamic=True)``. Names in checkpoints stay.
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

    def __init__(
        self,
        arch: str | dict = 'small',
        stage3: str = 'global',
        window_size: int = 14,
        test_stage3: dict | None = None,
        **kwargs,
    ):
        super().__init__(arch, **kwargs)
        # The window of each block of stage 3, in training and in eval mode.
        train_style = dict(stage3=stage3, window_size=window_size)
        test_style = train_style if test_stage3 is None else test_stage3
        require(
            set(test_style) <= set(train_style),
            'test_stage3',
            test_stage3,
            f'a dict with keys of {sorted(train_style)}',
        )
        depth = self.arch.depths[2]
        self.train_windows = stage3_windows(depth, **train_style)
        self.test_windows = stage3_windows(depth, **test_style)
        self.build_stages()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Extracts a pyramid of features.

        Args:
            x: Images of shape (B, in_channels, H, W) of any size that
                leaves a pixel for each stage.

        Returns:
            A normalised map of shape (B, embed_dims[i], H / s, W / s) for
            each stage i of ``out_indices``, its stride s being 4, 8, 16, 32.
        """
        return super().forward(x)

    def _windows(self, stage: int) -> list[int | None]:
        if stage != 2:
            return super()._windows(stage)
        return self.train_windows if self.training else self.test_windows

    def _make_embed(self, stage: int, in_channels: int, dim: int) -> nn.Module:
        """Downsampling by 4 before the first stage, by 2 before others."""
        if self.arch.conv_stem:
            halvings = 2 if stage == 0 else 1
            return ConvEmbed(in_channels, dim, [(2, 2)] * halvings)
        side = 4 if stage == 0 else 2
        return PatchEmbed(in_channels, dim, (side, side))
