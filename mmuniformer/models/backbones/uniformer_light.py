"""The light UniFormer for images and video (paper, section 5)."""

import warnings
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from mmuniformer.models.backbones.base import UniFormerBase
from mmuniformer.models.backbones.other_words import explains_other_words
from mmuniformer.models.backbones.settings import (
    LIGHT_ARCHS,
    Settings,
    require,
    resolve_arch,
)
from mmuniformer.models.layers import (
    ConvEmbed,
    HourglassBlock,
    PatchEmbed,
    TokenScores,
    for_any_size,
    hand_out,
    in_older_exporter,
    pool_importance,
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
        arch (str or dict): 'xxs', 'xs', or a dict as :class:`UniFormer` takes
            it.
        keep_ratio (float): Share of the tokens that is kept, in (0, 1];
            published models keep 0.5.
        score_token (bool): Whether a score token measures importance, or the
            mean similarity of all tokens does (Table 23).
        running_mean (bool): Whether importance is the mean of the old and the
            new one, or the new one alone (Table 23).
        classifier (bool): Whether the map of the last stage is for a
            classifier: normalised by the published classifiers' BatchNorm
            ``norm``. A dense task trains a LayerNorm of its own for each
            stage.
        with_token (bool): Whether to return the score token after the last
            map, for the head that trains it (:class:`ScoreTokenHead`).
        in_channels (int): See :class:`UniFormer`.
        out_indices (Sequence[int]): See :class:`UniFormer`.
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
        attention (str): See :class:`UniFormer`.
        deploy (bool): See :class:`UniFormer`.
        compile (bool or dict): See :class:`UniFormer`.
        init_cfg (dict or list[dict], optional): See :class:`UniFormer`.
        stage_types (str): 'LLGG' alone.
        kv_strides (None): Left out: a light model has fewer keys by its
            ``keep_ratio``.

    Raises:
        SettingError: If an argument has a value that is not allowed; the
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

    @explains_other_words
    def __init__(
        self,
        arch: str | dict = 'xxs',
        keep_ratio: float = 0.5,
        score_token: bool = True,
        running_mean: bool = True,
        classifier: bool = False,
        with_token: bool = False,
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
        stage_types: str = 'LLGG',
        kv_strides: None = None,
    ):
        settings = Settings(
            arch=resolve_arch(arch, self.archs),
            stage_types=stage_types,
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
        require(
            stage_types == 'LLGG',
            'stage_types',
            stage_types,
            "'LLGG' in a light model",
        )
        require(
            kv_strides is None,
            'kv_strides',
            kv_strides,
            'left out: a light model has fewer keys by its keep_ratio',
        )
        require(
            isinstance(keep_ratio, int | float) and 0 < keep_ratio <= 1,
            'keep_ratio',
            keep_ratio,
            'a number in (0, 1]',
        )
        require(
            not with_token
            or (classifier and score_token and tuple(out_indices) == (3,)),
            'with_token',
            with_token,
            'False without classifier, score_token and out_indices=(3,)',
        )
        super().__init__(
            settings,
            light_embeds(settings, self.stem, self.patch, score_token),
            global_block=partial(
                HourglassBlock,
                keep_ratio=keep_ratio,
                running_mean=running_mean,
            ),
            classifier=classifier,
        )
        self.score_token = score_token
        self.with_token = with_token
        if with_token:
            self.norm_cls = nn.LayerNorm(self.arch.embed_dims[3])

    @for_any_size
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Extracts a pyramid of features.

        Args:
            x (Tensor): Images of shape (B, in_channels, H, W) of any size
                that leaves a pixel for each stage.

        Returns:
            tuple[Tensor, ...]: A normalised map of shape (B, embed_dims[i],
            H / s, W / s) for each stage i of ``out_indices``, its stride s
            being 4, 8, 16, 32, H / 4 and W / 4 rounded up and the others
            down; then, with ``with_token``, the normalised score token as a
            map of one position (B, embed_dims[3], 1, 1).

        Raises:
            InputError: If ``x`` has another number of dimensions, or is too
                small.
        """
        if in_older_exporter():
            warnings.warn(
                'what torch.onnx.export(dynamo=False) writes of a light model '
                'is right at the size and batch that it sees, and at no '
                'other; dynamo=True and mmuniformer export write it for all',
                stacklevel=2,
            )
        x = self._enter(x)
        outs, scores = [], None
        for i in range(self.num_stages):
            x = self._embed(i, x)
            if self.stage_types[i] == 'L':
                x = self._run_blocks(i, x)
            else:
                scores = self._next_scores(scores, x.shape[0])
                for block in self._blocks(i):
                    x, scores = block(x, scores)
            if i in self.out_indices:
                outs.append(self._out(i, x))
        if self.with_token:
            token = self.norm_cls(scores.token).transpose(1, 2)
            outs.append(token.unflatten(2, (1,) * self.ndim))
        return hand_out(outs)

    def _next_scores(
        self, scores: TokenScores | None, batch: int
    ) -> TokenScores:
        """The scores in front of a stage, from those after the one before."""
        if scores is None:
            if not self.score_token:
                return TokenScores()
            return TokenScores(self.cls_token.expand(batch, -1, -1))
        token, importance = scores
        if token is not None:
            token = self.cls_upsample(token)
        if importance is not None:
            importance = pool_importance(importance, self.arch.conv_stem)
        return TokenScores(token, importance)

    def stage_names(self, stage: int) -> list[str]:
        # The score token starts in stage 3 and widens in front of stage 4.
        token = {2: ['cls_token'], 3: ['cls_upsample']}.get(stage, [])
        return [*super().stage_names(stage), *token]

    def _smallest_input(self) -> int:
        # The stem rounds up: 29 pixels leave 8, which the others halve.
        smallest = super()._smallest_input()
        return max(smallest - 3, 1)


@MODELS.register_module()
class UniFormerLight3D(UniFormerLight):
    """Light UniFormer backbone for video.

    The image model with three-dimensional maps: the stem halves the frames,
    and the tokens of all frames are shrunk together. The last map is
    normalised by the published classifiers' BatchNorm, as in
    :class:`UniFormer3D`.

    Args:
        arch (str or dict): 'xxs', 'xs', or a dict. Three of the published
            models have ``layer_scale_init_value=0.1``.
        out_indices (Sequence[int]): Stages to return. The last one, for
            recognition, unless a neck or a head of mmaction2 reads more.
        with_token (bool): See :class:`UniFormerLight`.
        keep_ratio (float): See :class:`UniFormerLight`.
        score_token (bool): See :class:`UniFormerLight`.
        running_mean (bool): See :class:`UniFormerLight`.
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
        attention (str): See :class:`UniFormer`.
        deploy (bool): See :class:`UniFormer`.
        compile (bool or dict): See :class:`UniFormer`.
        init_cfg (dict or list[dict], optional): See :class:`UniFormer`.
        stage_types (str): 'LLGG' alone.
        kv_strides (None): Left out, as in :class:`UniFormerLight`.

    Raises:
        SettingError: If an argument has a value that is not allowed; the
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

    @explains_other_words
    def __init__(
        self,
        arch: str | dict = 'xxs',
        out_indices: Sequence[int] = (3,),
        with_token: bool = False,
        keep_ratio: float = 0.5,
        score_token: bool = True,
        running_mean: bool = True,
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
        attention: str = 'fused',
        deploy: bool = False,
        compile: bool | dict = False,
        init_cfg: dict | list[dict] | None = None,
        stage_types: str = 'LLGG',
        kv_strides: None = None,
    ):
        super().__init__(
            arch=arch,
            classifier=True,
            out_indices=out_indices,
            with_token=with_token,
            keep_ratio=keep_ratio,
            score_token=score_token,
            running_mean=running_mean,
            in_channels=in_channels,
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
            stage_types=stage_types,
            kv_strides=kv_strides,
        )

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Extracts features of clips.

        Args:
            x (Tensor): Clips of shape (B, in_channels, T, H, W), of any
                number of frames and any size that leaves a pixel for each
                stage.

        Returns:
            Tensor or tuple[Tensor, ...]: Maps of shape (B, embed_dims[i],
            T / 2, H / s, W / s), an odd T rounded up: a tensor for one stage;
            a tuple for several, and for one with the score token
            (B, embed_dims[3], 1, 1, 1).

        Raises:
            InputError: If ``x`` has another number of dimensions, or is too
                small.
        """
        outs = super().forward(x)
        return outs[0] if len(outs) == 1 else outs


def light_embeds(
    settings: Settings,
    stem: Sequence[Sequence[int]],
    patch: Sequence[int],
    score_token: bool,
) -> dict[str, nn.Module | nn.Parameter]:
    """A convolutional stem, then patches; and the way of the score token.

    Args:
        settings (Settings): What the backbone is told.
        stem (Sequence[Sequence[int]]): Steps of the stem's convolutions.
        patch (Sequence[int]): Size of a patch in each dimension.
        score_token (bool): Whether there is one.
    """
    embeds: dict[str, nn.Module | nn.Parameter] = {}
    arch = settings.arch
    if score_token and settings.num_stages > 2:
        token = torch.zeros(1, 1, arch.embed_dims[2])
        embeds['cls_token'] = nn.Parameter(token)
    for i, (in_channels, dim) in enumerate(settings.widths):
        if i == 0:
            embed = ConvEmbed(in_channels, dim, stem)
        elif arch.conv_stem:
            embed = ConvEmbed(in_channels, dim, [patch])
        else:
            embed = PatchEmbed(in_channels, dim, patch)
        embeds[f'patch_embed{i + 1}'] = embed
    if score_token and settings.num_stages > 3:
        embeds['cls_upsample'] = nn.Linear(*arch.embed_dims[2:])
    return embeds
