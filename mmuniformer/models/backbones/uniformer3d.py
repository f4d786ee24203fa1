"""UniFormer for video (paper, section 4.2)."""

from collections.abc import Sequence
from dataclasses import asdict

from torch import Tensor, nn

from mmuniformer.models.backbones.base import UniFormerBase
from mmuniformer.models.backbones.other_words import explains_other_words
from mmuniformer.models.backbones.settings import (
    VIDEO_ARCHS,
    Settings,
    require,
    resolve_arch,
)
from mmuniformer.models.layers import (
    ATTENTION_FORMS,
    ConvEmbed,
    DividedBlock,
    GlobalBlock,
    PatchEmbed,
)
from mmuniformer.registry import MODELS

# What attends in stages of type 'G', by the name of the argument.
SPACE_TIME = {'joint': GlobalBlock, 'divided': DividedBlock}


@MODELS.register_module()
class UniFormer3D(UniFormerBase):
    """UniFormer backbone for video.

    The image model with three-dimensional maps: the first embedding halves
    the frames and quarters height and width, the others halve height and
    width. The names of the parameters are those of the published files, up to
    and including ``norm``, the BatchNorm in front of the classifier.

    Args:
        arch (str or dict): 'small', 'base', or a dict as :class:`UniFormer`
            takes it.
        attention (str): See :class:`UniFormer`. 'joint' and 'divided' stand
            here as well: for the ``space_time`` of that name.
        inflate (bool): Whether the depthwise convolutions of the blocks span
            3 and 5 frames, or one, as if the kernels of an image model were
            applied to each frame (Table 17). The first embedding always spans
            3.
        temporal_embed (bool): Whether embeddings 2 to 4 span 3 frames instead
            of one (the official STD option). They never skip any.
        out_indices (Sequence[int]): Stages to return. The last one, for
            recognition, unless a neck or a head of mmaction2 reads more.
        depth (Sequence[int], optional): Instead of the ``depths`` of
            ``arch``. With this name and the next two, those of mmaction2's
            UniFormer, one of its configs needs another ``type`` and nothing
            else.
        embed_dim (Sequence[int], optional): Instead of the ``embed_dims`` of
            ``arch``.
        head_dim (int, optional): Instead of that of ``arch``.
        stage_types (str): See :class:`UniFormer`.
        kv_strides (Sequence[int]): Sides of cells in space; see
            :class:`UniFormer`.
        in_channels (int): See :class:`UniFormer`.
        drop_path_rate (float): See :class:`UniFormer`.
        drop_rate (float): See :class:`UniFormer`.
        attn_drop_rate (float): See :class:`UniFormer`.
        layer_scale_init_value (float, optional): See :class:`UniFormer`.
        with_cp (bool or Sequence[int]): See :class:`UniFormer`.
        frozen_stages (int): See :class:`UniFormer`.
        norm_eval (bool): See :class:`UniFormer`.
        local_size (int): See :class:`UniFormer`.
        use_dpe (bool): See :class:`UniFormer`.
        local_ffn (bool): See :class:`UniFormer`.
        space_time (str): What attends in stages of type 'G': 'joint'
            space-time, or 'divided', over time and then within frames
            (Table 16).
        deploy (bool): See :class:`UniFormer`.
        compile (bool or dict): See :class:`UniFormer`.
        init_cfg (dict or list[dict], optional): See :class:`UniFormer`. A
            'Pretrained' one has an ``inflation`` besides, for the file of an
            image model (see :func:`load_pretrained`).

    Raises:
        SettingError: If an argument has a value that is not allowed; the
            message names the argument and what is.

    Examples:
        >>> import torch
        >>> from mmuniformer import UniFormer3D
        >>> model = UniFormer3D('small').eval()
        >>> tuple(model(torch.rand(1, 3, 8, 96, 64)).shape)
        (1, 512, 4, 3, 2)
    """

    ndim = 3
    archs = VIDEO_ARCHS

    @explains_other_words
    def __init__(
        self,
        arch: str | dict = 'small',
        attention: str = 'fused',
        inflate: bool = True,
        temporal_embed: bool = False,
        out_indices: Sequence[int] = (3,),
        depth: Sequence[int] | None = None,
        embed_dim: Sequence[int] | None = None,
        head_dim: int | None = None,
        stage_types: str = 'LLGG',
        kv_strides: Sequence[int] = (4, 2, 1, 1),
        in_channels: int = 3,
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
        space_time: str = 'joint',
        deploy: bool = False,
        compile: bool | dict = False,
        init_cfg: dict | list[dict] | None = None,
    ):
        given = dict(depths=depth, embed_dims=embed_dim, head_dim=head_dim)
        given = {k: v for k, v in given.items() if v is not None}
        if given:
            arch = asdict(resolve_arch(arch, self.archs)) | given
        require(
            attention in (*ATTENTION_FORMS, *SPACE_TIME),
            'attention',
            attention,
            f'one of {sorted([*ATTENTION_FORMS, *SPACE_TIME])}',
        )
        # mmaction2's backbones have numbers for each block by this name.
        require(isinstance(inflate, bool), 'inflate', inflate, 'a bool')
        if attention in SPACE_TIME:
            space_time, attention = attention, 'fused'
        require(
            space_time in SPACE_TIME,
            'space_time',
            space_time,
            f'one of {sorted(SPACE_TIME)}',
        )
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
        super().__init__(
            settings,
            video_embeds(settings, temporal_embed),
            global_block=SPACE_TIME[space_time],
            per_frame=not inflate,
            classifier=True,
        )

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Extracts features of clips.

        Args:
            x (Tensor): Clips of shape (B, in_channels, T, H, W), of any
                number of frames and any size that leaves a pixel for each
                stage.

        Returns:
            Tensor or tuple[Tensor, ...]: A normalised map of shape
            (B, embed_dims[i], T / 2, H / s, W / s) for each stage i of
            ``out_indices``, its stride s being 4, 8, 16, 32, and an odd T
            rounded up; a tensor for one stage, a tuple for several, as
            mmaction2's heads and necks take them.

        Raises:
            InputError: If ``x`` has another number of dimensions, or is too
                small.
        """
        outs = super().forward(x)
        return outs[0] if len(outs) == 1 else outs


def video_embeds(settings: Settings, temporal: bool) -> dict[str, nn.Module]:
    """Downsampling by 2 x 4 x 4 at first, by 1 x 2 x 2 then.

    Args:
        settings (Settings): What the backbone is told.
        temporal (bool): Whether patches but the first span 3 frames.
    """
    embeds = {}
    for i, (in_channels, dim) in enumerate(settings.widths):
        if settings.arch.conv_stem:
            strides = [(1, 2, 2)] if i else [(1, 2, 2), (2, 2, 2)]
            embed = ConvEmbed(in_channels, dim, strides)
        else:
            frames = 3 if i == 0 or temporal else 1
            kernel, stride = (frames, 2, 2), (1, 2, 2)
            if i == 0:
                kernel, stride = (frames, 4, 4), (2, 4, 4)
            padding = (frames // 2, 0, 0)
            embed = PatchEmbed(in_channels, dim, kernel, stride, padding)
        embeds[f'patch_embed{i + 1}'] = embed
    return embeds
