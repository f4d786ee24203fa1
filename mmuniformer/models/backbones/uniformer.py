"""UniFormer for images (paper, section 3)."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmuniformer.models.backbones.base import UniFormerBase
from mmuniformer.models.backbones.other_words import explains_other_words
from mmuniformer.models.backbones.settings import (
    IMAGE_ARCHS,
    NUM_STAGES,
    Settings,
    require,
    resolve_arch,
    stage3_windows,
)
from mmuniformer.models.layers import ConvEmbed, PatchEmbed
from mmuniformer.models.token_mixing import draw_box, mix_box
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
        arch (str or dict): Name of a published model ('small', 'small_plus',
            'small_plus_dim64', 'base', 'base_ls', 'large', 'small_dim32',
            'base_dim32'), or a dict with ``depths`` and ``embed_dims`` (four
            numbers each) and, optionally, ``head_dim``, ``mlp_ratio``,
            ``conv_stem``, ``layer_scale_init_value`` and
            ``layer_scale_stages``.
        stage3 (str): 'global' attention in stage 3, attention in 'window's, or
            'hybrid': three blocks with windows, then a global one, and so on
            (paper, section 4.3).
        window_size (int): Side of the windows of stage 3, in pixels of its map
            (1/16 of the image). Of no effect for 'global'.
        test_stage3 (dict, optional): Style of stage 3 in eval mode, where it
            differs from training: ``dict(stage3='hybrid', window_size=32)``
            for the paper's segmentation. The weights are the same.
        stage_types (str): 'L' (local) or 'G' (global) for each stage (Table
            15).
        kv_strides (Sequence[int]): Side of the cells over which a stage of
            type 'G' averages its keys and values, for each stage. By default 4
            and 2 in stages 1 and 2, so that they have as many keys as stage 3.
        classifier (bool): Whether the map of the last stage is for a
            classifier: normalised by the published classifiers' BatchNorm
            ``norm``. A dense task trains a LayerNorm of its own for each
            stage.
        mix_token (bool): Whether training exchanges a box of tokens within
            the batch (MixToken of token labeling), for the head that undoes
            it (:class:`TokenLabelHead`).
        in_channels (int): Channels of the input.
        out_indices (Sequence[int]): Stages to return, 0 to 3. Later stages are
            not built.
        drop_path_rate (float): Stochastic depth of the last block; it grows
            linearly from 0 at the first.
        drop_rate (float): Dropout rate after the first embedding, of the FFNs
            and of the attention's output.
        attn_drop_rate (float): Dropout rate of the attention weights.
        layer_scale_init_value (float, optional): Initial value of Layer Scale,
            instead of that of ``arch``.
        with_cp (bool or Sequence[int]): Whether to recompute activations in
            the backward pass instead of keeping them: a bool, or the number of
            blocks from the start of each stage, such as ``[0, 0, 8, 0]``.
        frozen_stages (int): Stages whose weights and statistics stay as
            loaded: -1 none, 0 the first embedding, n the first n stages. The
            norms of the outputs are always trained: no published classifier
            has them.
        norm_eval (bool): Whether BatchNorm uses its running statistics in
            training.
        local_size (int): Side of the depthwise convolution that aggregates in
            local blocks (Table 15): an odd number.
        use_dpe (bool): Whether blocks have dynamic position embedding (Table
            15).
        local_ffn (bool): Whether local blocks are UniFormer blocks, or
            MobileNet blocks without FFN (Table 15).
        attention (str): 'fused', or 'explicit' for exporters without fused
            attention and for looking inside (see :meth:`set_attention`): the
            same numbers. Weights are the same.
        deploy (bool): Whether to build the deployment form, for a checkpoint
            that is in it (see :meth:`switch_to_deploy`).
        compile (bool or dict): Whether ``torch.compile`` compiles the
            backbone, when it first runs: a bool, or a dict of arguments of
            ``torch.compile``, such as ``dict(dynamic=True)``. Names in
            checkpoints stay.
        init_cfg (dict or list[dict], optional): ``dict(type='Pretrained',
            checkpoint=...)`` takes a path or URL of a published file (see
            :func:`load_pretrained`).

    Raises:
        SettingError: If an argument has a value that is not allowed; the
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

    @explains_other_words
    def __init__(
        self,
        arch: str | dict = 'small',
        stage3: str = 'global',
        window_size: int = 14,
        test_stage3: dict | None = None,
        stage_types: str = 'LLGG',
        kv_strides: Sequence[int] = (4, 2, 1, 1),
        classifier: bool = False,
        mix_token: bool = False,
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
        attention: str = 'fused',
        deploy: bool = False,
        compile: bool | dict = False,
        init_cfg: dict | list[dict] | None = None,
    ):
        settings = Settings(
            arch=resolve_arch(arch, self.archs),
            stage_types=stage_types,
            kv_strides=kv_strides,
            in_channels=in_channels,
            out_indices=out_indices,
            drop_path_rate=drop_path_rate,
            drop_rate=drop_rate,
            attn_drop_rate=attn_drop_rate,
            layer_scale_init_value=layer_scale_init_value,
            with_cp=with_cp,
            frozen_stages=frozen_stages,
            norm_eval=norm_eval,
            local_size=local_size,
            use_dpe=use_dpe,
            local_ffn=local_ffn,
            attention=attention,
            deploy=deploy,
            compile=compile,
            init_cfg=init_cfg,
        )
        train_style = dict(stage3=stage3, window_size=window_size)
        test_style = train_style if test_stage3 is None else test_stage3
        require(
            set(test_style) <= set(train_style),
            'test_stage3',
            test_stage3,
            f'a dict with keys of {sorted(train_style)}',
        )
        require(
            not mix_token or tuple(out_indices) == (NUM_STAGES - 1,),
            'mix_token',
            mix_token,
            'False without out_indices=(3,)',
        )
        depth = settings.arch.depths[2]
        train_windows = stage3_windows(depth, **train_style)
        test_windows = stage3_windows(depth, **test_style)
        super().__init__(
            settings, image_embeds(settings), classifier=classifier
        )
        self.mix_token = mix_token
        # The window of each block of stage 3, in training and in eval mode.
        self.train_windows = train_windows
        self.test_windows = test_windows

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Extracts a pyramid of features.

        Args:
            x (Tensor): Images of shape (B, in_channels, H, W) of any size
                that leaves a pixel for each stage.

        Returns:
            tuple[Tensor, ...]: A normalised map of shape (B, embed_dims[i],
            H / s, W / s) for each stage i of ``out_indices``, its stride s
            being 4, 8, 16, 32; then, with ``mix_token`` in training, the
            mixed box: an integer tensor (4,) of its first row and column, and
            of those after the last, in tokens of stage 1.

        Raises:
            InputError: If ``x`` has another number of dimensions, or is too
                small.
        """
        if not (self.mix_token and self.training):
            return super().forward(x)
        x = self._embed(0, self._enter(x))
        box = draw_box(*x.shape[-2:]).to(x.device)
        return (*self._run_stages(mix_box(x, box)), box)

    def _run_blocks(self, stage: int, x: Tensor) -> Tensor:
        if stage != 2 or self.stage_types[stage] == 'L':
            return super()._run_blocks(stage, x)
        windows = self.train_windows if self.training else self.test_windows
        for block, window in zip(self._blocks(stage), windows, strict=True):
            x = block(x, window)
        return x


def image_embeds(settings: Settings) -> dict[str, nn.Module]:
    """Downsampling by 4 before the first stage, by 2 before the others."""
    embeds = {}
    for i, (in_channels, dim) in enumerate(settings.widths):
        if settings.arch.conv_stem:
            halvings = 2 if i == 0 else 1
            embed = ConvEmbed(in_channels, dim, [(2, 2)] * halvings)
        else:
            side = 4 if i == 0 else 2
            embed = PatchEmbed(in_channels, dim, (side, side))
        embeds[f'patch_embed{i + 1}'] = embed
    return embeds
