"""The light UniFormer for images and video (paper, section 5)."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from mmuniformer.models.backbones.base import UniFormerBase
from mmuniformer.models.backbones.settings import LIGHT_ARCHS, require
from mmuniformer.models.layers import (
    ConvEmbed,
    HourglassBlock,
    PatchEmbed,
    TokenScores,
    pool_importance,
    run_block,
)
from mmuniformer.registry import MODELS


@MODELS.register_module()
class UniFormerLight(UniFormerBase):
    """Light UniFormer backbone for images.

    In stages 3 and 4, each block relates only the tokens that a learned score
    token finds important; see :class:`HourglassBlock`. Nothing is kept
    between calls: scores pass from block to block as arguments.

    The names of the parameters are those of the published files.

    Args:
        arch: 'xxs', 'xs', or a dict as :class:`UniFormer` takes it.
        keep_ratio: Share of the tokens that is kept, in (0, 1]; published
            models keep 0.5.
        score_token: Whether a score token measures importance, or the mean
            similarity of all tokens does (Table 23).
        running_mean: Whether importance is the mean of the old and the new
            one, or the new one alone (Table 23).
        classifier: Whether the map of the last stage is for a classifier:
            normalised by the published classifiers' BatchNorm ``norm``. A
            dense task trains a LayerNorm of its own for each stage.
        with_token: Whether to return the score token after the last map, for
            the head that trains it (:class:`ScoreTokenHead`).
        kwargs: ``in_channels``, ``out_indices``, ``drop_path_rate``,
            ``drop_rate``, ``attn_drop_rate``, ``layer_scale_init_value``,
            ``with_cp``, ``frozen_stages``, ``norm_eval``, ``local_size``,
            ``use_dpe``, ``local_ffn``, ``deploy``, ``compile`` and
            ``init_cfg`` of :class:`UniFormer`.

    Raises:
        ValueError: If an argument has a value that is not allowed; the
            message names the argument and what is.

    Examples:
        >>> import torch
        >>> from mmuniformer import UniFormerLight
        >>> model = UniFormerLight('xxs').eval()
        >>> [tuple(out.shape) for out in model(torch.rand(1, 3, 96, 64))]
        [(1, 56, 24, 16), (1, 112, 12, 8), (1, 224, 6, 4), (1, 448, 3, 2)]
    """

    ndim = 2
    archs = LIGHT_ARCHS
    stem = ((2, 2), (2, 2))
    patch = (2, 2)
    later_names = ('cls_token', 'cls_upsample')

    def __init__(
        self,
        arch: str | dict = 'xxs',
        keep_ratio: float = 0.5,
        score_token: bool = True,
        running_mean: bool = True,
        classifier: bool = False,
        with_token: bool = False,
        **kwargs,
    ):
        super().__init__(arch, **kwargs)
        require(
            self.stage_types == 'LLGG',
            'stage_types',
            self.stage_types,
            "'LLGG' in a light model",
        )
        require(
            'kv_strides' not in kwargs,
            'kv_strides',
            self.kv_strides,
            'left out: a light model has fewer keys by its keep_ratio',
        )
        require(
            isinstance(keep_ratio, int | float) and 0 < keep_ratio <= 1,
            'keep_ratio',
            keep_ratio,
            'a number in (0, 1]',
        )
        self.classifier = classifier
        require(
            not with_token
            or (classifier and score_token and self.out_indices == (3,)),
            'with_token',
            with_token,
            'False without classifier, score_token and out_indices=(3,)',
        )
        self.score_token = score_token
        self.with_token = with_token
        self.global_block = partial(
            HourglassBlock, keep_ratio=keep_ratio, running_mean=running_mean
        )
        if score_token and self.num_stages > 2:
            token = torch.zeros(1, 1, self.arch.embed_dims[2])
            self.cls_token = nn.Parameter(token)
        self.build_stages()
        if with_token:
            self.norm_cls = nn.LayerNorm(self.arch.embed_dims[3])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Extracts a pyramid of features.

        Args:
            x: Images of shape (B, in_channels, H, W) of any size that
                leaves a pixel for each stage.

        Returns:
            A normalised map of shape (B, embed_dims[i], H / s, W / s) for
            each stage i of ``out_indices``, its stride s being 4, 8, 16, 32,
            H / 4 and W / 4 rounded up and the others down; then, with
            ``with_token``, the normalised score token as a map of one
            position (B, embed_dims[3], 1, 1).
        """
        outs, scores = self._extract(x)
        if self.with_token:
            token = self.norm_cls(scores.token)
            outs += (token.transpose(1, 2).unflatten(2, (1,) * self.ndim),)
        return outs

    def _run_blocks(
        self, stage: int, x: Tensor, scores: TokenScores | None
    ) -> tuple[Tensor, TokenScores | None]:
        if self.stage_types[stage] == 'L':
            return super()._run_blocks(stage, x, scores)
        scores = self._enter(scores, x.shape[0])
        for block, recompute in self._blocks(stage):
            x, scores = run_block(block, x, scores, recompute=recompute)
        return x, scores

    def _enter(self, scores: TokenScores | None, batch: int) -> TokenScores:
        """The scores in front of a stage, from those after the one before."""
        if scores is None:
            if not self.score_token:
                return TokenScores()
            return TokenScores(self.cls_token.expand(batch, -1, -1))
        token, importance = scores
        if token is not None:
            token = self.cls_upsample(token)
        if importance is not None:
            importance = pool_importance(importance)
        return TokenScores(token, importance)

    def _build_embeds(self) -> None:
        super()._build_embeds()
        if self.score_token and self.num_stages > 3:
            self.cls_upsample = nn.Linear(*self.arch.embed_dims[2:])

    def _make_embed(self, stage: int, in_channels: int, dim: int) -> nn.Module:
        if stage == 0:
            return ConvEmbed(in_channels, dim, self.stem)
        if self.arch.conv_stem:
            return ConvEmbed(in_channels, dim, [self.patch])
        return PatchEmbed(in_channels, dim, self.patch)

    def _smallest_input(self) -> int:
        # The stem rounds up: 29 pixels leave 8, which the others halve.
        smallest = super()._smallest_input()
        return max(smallest - 3, 1)

    def _frozen_modules(self) -> list[nn.Module]:
        modules = super()._frozen_modules()
        if self.score_token and self.frozen_stages > 3:
            modules.append(self.cls_upsample)
        return modules

    def _freeze_stages(self) -> None:
        super()._freeze_stages()
        if self.score_token and self.frozen_stages > 2:
            self.cls_token.requires_grad_(False)


@MODELS.register_module()
class UniFormerLight3D(UniFormerLight):
    """Light UniFormer backbone for video.

    The image model with three-dimensional maps: the stem halves the frames,
    and the tokens of all frames are shrunk together. The last map is
    normalised by the published classifiers' BatchNorm, as in
    :class:`UniFormer3D`.

    Args:
        arch: 'xxs', 'xs', or a dict. Three of the published models have
            ``layer_scale_init_value=0.1``.
        with_token: See :class:`UniFormerLight`.
        kwargs: The other arguments of :class:`UniFormerLight`, without
            ``classifier``, and ``out_indices``: the last stage, for
            recognition, unless a neck or a head of mmaction2 reads more.

    Raises:
        ValueError: If an argument has a value that is not allowed; the
            message names the argument and what is.

    Examples:
        >>> import torch
        >>> from mmuniformer import UniFormerLight3D
        >>> model = UniFormerLight3D('xxs').eval()
        >>> tuple(model(torch.rand(1, 3, 8, 96, 64)).shape)
        (1, 448, 4, 3, 2)
    """

    ndim = 3
    stem = ((1, 2, 2), (2, 2, 2))
    patch = (1, 2, 2)

    def __init__(
        self,
        arch: str | dict = 'xxs',
        out_indices: Sequence[int] = (3,),
        with_token: bool = False,
        **kwargs,
    ):
        super().__init__(
            arch,
            classifier=True,
            with_token=with_token,
            out_indices=out_indices,
            **kwargs,
        )

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Extracts features of clips.

        Args:
            x: Clips of shape (B, in_channels, T, H, W), of any number of
                frames and any size that leaves a pixel for each stage.

        Returns:
            Maps of shape (B, embed_dims[i], T / 2, H / s, W / s), an odd T
            rounded up: a tensor for one stage; a tuple for several, and for
            one with the score token (B, embed_dims[3], 1, 1, 1).
        """
        outs = super().forward(x)
        return outs[0] if len(outs) == 1 else outs
