"""UniFormer for video (paper, section 4.2)."""

from collections.abc import Sequence
from dataclasses import asdict

from torch import Tensor, nn

from mmuniformer.models.backbones.base import UniFormerBase
from mmuniformer.models.backbones.settings import (
    ATTENTIONS,
    VIDEO_ARCHS,
    require,
    resolve_arch,
)
from mmuniformer.models.layers import ConvEmbed, PatchEmbed
from mmuniformer.registry import MODELS


@MODELS.register_module()
class UniFormer3D(UniFormerBase):
    """UniFormer backbone for video.

    The image model with three-dimensional maps: the first embedding halves
    the frames and quarters height and width, the others halve height and
    width. The names of the parameters are those of the published files, up to
    and including ``norm``, the BatchNorm in front of the classifier.

    Args:
        arch: 'small', 'base', or a dict as :class:`UniFormer` takes it.
        attention: What attends in stages of type 'G': 'joint' space-time, or
            'divided', over time and then within frames (Table 16).
        inflate: Whether the depthwise convolutions of the blocks span 3 and 5
            frames, or one, as if the kernels of an image model were applied
            to each frame (Table 17). The first embedding always spans 3.
        temporal_embed: Whether embeddings 2 to 4 span 3 frames instead of
            one (the official STD option). They never skip any.
        out_indices: Stages to return. The last one, for recognition, unless
            a neck or a head of mmaction2 reads more.
        depth, embed_dim, head_dim: Instead of those settings of ``arch``.
            With these names of mmaction2's UniFormer, one of its configs
            needs another ``type`` and nothing else.
        kwargs: ``stage_types``, ``kv_strides`` (in space), ``in_channels``,
            ``drop_path_rate``, ``drop_rate``, ``attn_drop_rate``,
            ``layer_scale_init_value``, ``with_cp``, ``frozen_stages``,
            ``norm_eval``, ``local_size``, ``use_dpe``, ``local_ffn``,
            ``deploy``, ``compile`` and ``init_cfg`` as :class:`UniFormer`
            takes them. ``init_cfg`` has an ``inflation`` besides, for the
            file of an image model (see :func:`load_pretrained`).

    Raises:
        ValueError: If an argument has a value that is not allowed; the
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
    classifier = True

    def __init__(
        self,
        arch: str | dict = 'small',
        attention: str = 'joint',
        inflate: bool = True,
        temporal_embed: bool = False,
        out_indices: Sequence[int] = (3,),
        depth: Sequence[int] | None = None,
        embed_dim: Sequence[int] | None = None,
        head_dim: int | None = None,
        **kwargs,
    ):
        given = dict(depths=depth, embed_dims=embed_dim, head_dim=head_dim)
        given = {k: v for k, v in given.items() if v is not None}
        if given:
            arch = asdict(resolve_arch(arch, self.archs)) | given
        super().__init__(arch, out_indices=out_indices, **kwargs)
        require(
            attention in ATTENTIONS,
            'attention',
            attention,
            f'one of {sorted(ATTENTIONS)}',
        )
        self.global_aggregator = ATTENTIONS[attention]
        self.per_frame = not inflate
        self.temporal_embed = temporal_embed
        self.build_stages()

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Extracts features of clips.

        Args:
            x: Clips of shape (B, in_channels, T, H, W), of any number of
                frames and any size that leaves a pixel for each stage.

        Returns:
            A normalised map of shape (B, embed_dims[i], T / 2, H / s, W / s)
            for each stage i of ``out_indices``, its stride s being 4, 8, 16,
            32, and an odd T rounded up; a tensor for one stage, a tuple for
            several, as mmaction2's heads and necks take them.
        """
        outs = super().forward(x)
        return outs[0] if len(outs) == 1 else outs

    def _make_embed(self, stage: int, in_channels: int, dim: int) -> nn.Module:
        """Downsampling by 2 x 4 x 4 at first, by 1 x 2 x 2 then."""
        if self.arch.conv_stem:
            first, then = [(1, 2, 2), (2, 2, 2)], [(1, 2, 2)]
            return ConvEmbed(in_channels, dim, then if stage else first)
        if stage == 0:
            kernel, stride = (3, 4, 4), (2, 4, 4)
        else:
            kernel = (3 if self.temporal_embed else 1, 2, 2)
            stride = (1, 2, 2)
        padding = (kernel[0] // 2, 0, 0)
        return PatchEmbed(in_channels, dim, kernel, stride, padding)
