"""The network that every UniFormer is: embeddings, blocks and norms."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from torch import Tensor, nn

from mmuniformer.errors import InputError
from mmuniformer.models.backbones.lifecycle import Backbone
from mmuniformer.models.backbones.settings import NUM_STAGES, Arch, Settings
from mmuniformer.models.layers import (
    BATCH_NORMS,
    CHANNELS_LAST,
    ChannelLayerNorm,
    GlobalBlock,
    LocalBlock,
    MobileNetBlock,
    for_any_size,
    hand_out,
    in_older_exporter,
)


class UniFormerBase(Backbone):
    """Four stages of blocks, each after an embedding (paper, figure 3).

    A subclass says how many dimensions its maps have (``ndim``) and which
    published models there are (``archs``).

    Args:
        settings (Settings): What :class:`UniFormer` explains.
        embeds (Mapping[str, nn.Module]): What leads into the stages that are
            built, by name: ``patch_embed1`` and so on.
        global_block (Callable): Makes the block of a stage of type 'G'.
        per_frame (bool): Whether the convolutions of blocks see one frame
            only.
        classifier (bool): Whether the map of the last stage is for a
            classifier: normalised by the BatchNorm that published classifiers
            have.

    Attributes:
        arch (Arch): The settings that weights depend on.
        stage_types (str): 'L' or 'G' for each stage.
        num_stages (int): Number of stages that are built.
        out_indices (tuple[int, ...]): Stages whose maps are returned.
    """

    ndim: int
    archs: dict[str, Arch]

    def __init__(
        self,
        settings: Settings,
        embeds: Mapping[str, nn.Module | nn.Parameter],
        global_block: Callable[..., nn.Module] = GlobalBlock,
        per_frame: bool = False,
        classifier: bool = False,
    ):
        super().__init__(settings)
        self.arch = settings.arch
        self.stage_types = settings.stage_types
        self.num_stages = settings.num_stages
        self.out_indices = tuple(settings.out_indices)
        self.classifier = classifier

        # In the order of the published files.
        for name, embed in embeds.items():
            setattr(self, name, embed)
        self.pos_drop = nn.Dropout(settings.drop_rate)
        depths = self.arch.depths
        rates = np.linspace(0, settings.drop_path_rate, sum(depths)).tolist()
        for i in range(self.num_stages):
            make = block_maker(settings, i, self.ndim, global_block, per_frame)
            blocks = [
                make(drop_path_rate=rates.pop(0)) for _ in range(depths[i])
            ]
            self.add_module(f'blocks{i + 1}', nn.ModuleList(blocks))
            if i in self.out_indices:
                self.add_module(self._norm_name(i), self._make_norm(i))
        self._set_up(settings)

    @for_any_size
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Extracts a normalised map from each stage of ``out_indices``."""
        return self._run_stages(self._embed(0, self._enter(x)))

    def _run_stages(self, x: Tensor) -> tuple[Tensor, ...]:
        """The outputs, from the map after the first embedding."""
        outs = []
        for i in range(self.num_stages):
            if i > 0:
                x = self._embed(i, x)
            x = self._run_blocks(i, x)
            if i in self.out_indices:
                outs.append(self._out(i, x))
        return hand_out(outs)

    def _enter(self, x: Tensor) -> Tensor:
        self._check_input(x)
        if in_older_exporter():
            # Which knows no memory formats, and refuses that of clips.
            return x
        # Every layer keeps this memory format: see layers/channels.py.
        return x.contiguous(memory_format=CHANNELS_LAST[self.ndim])

    def _embed(self, stage: int, x: Tensor) -> Tensor:
        x = getattr(self, f'patch_embed{stage + 1}')(x)
        return self.pos_drop(x) if stage == 0 else x

    def _run_blocks(self, stage: int, x: Tensor) -> Tensor:
        for block in self._blocks(stage):
            x = block(x)
        return x

    def _out(self, stage: int, x: Tensor) -> Tensor:
        return getattr(self, self._norm_name(stage))(x)

    def stage_names(self, stage: int) -> list[str]:
        return [f'patch_embed{stage + 1}', f'blocks{stage + 1}']

    def level_names(self) -> list[str]:
        names = []
        for stage in range(NUM_STAGES):
            names += [*self.stage_names(stage), self._norm_name(stage)]
        return names

    def _norm_name(self, stage: int) -> str:
        if self.classifier and stage == NUM_STAGES - 1:
            return 'norm'
        return f'norm{stage + 1}'

    def _make_norm(self, stage: int) -> nn.Module:
        dim = self.arch.embed_dims[stage]
        if self._norm_name(stage) == 'norm':
            return BATCH_NORMS[self.ndim](dim)
        return ChannelLayerNorm(dim, eps=1e-6)

    def _smallest_input(self) -> int:
        """Height and width that leave a pixel for each stage."""
        return 1 if self.arch.conv_stem else 2 ** (self.num_stages + 1)

    def _check_input(self, x: Tensor) -> None:
        if x.dim() != self.ndim + 2:
            wanted = {2: 'B x C x H x W', 3: 'B x C x T x H x W'}[self.ndim]
            shape = ' x '.join(str(int(size)) for size in x.shape)
            raise InputError(
                f'{type(self).__name__} takes an input of {wanted}, and this '
                f'one is {shape}'
            )
        if self.ndim == 3 and x.shape[2] == 0:
            raise InputError('the clips have no frames')
        smallest = self._smallest_input()
        # One by one: the lesser of two sizes would fix which one it is.
        if x.shape[-2] < smallest or x.shape[-1] < smallest:
            raise InputError(
                f'an image of {x.shape[-2]} x {x.shape[-1]} pixels is too '
                f'small for {self.num_stages} stages: height and width must '
                f'be {smallest} or more'
            )


def block_maker(
    settings: Settings,
    stage: int,
    ndim: int,
    global_block: Callable[..., nn.Module],
    per_frame: bool,
) -> Callable[..., nn.Module]:
    """What makes the blocks of a stage, their ``drop_path_rate`` being open.

    Args:
        settings (Settings): What the backbone is told.
        stage (int): From 0.
        ndim (int): 2 for images, 3 for video.
        global_block (Callable): Makes the block of a stage of type 'G'.
        per_frame (bool): Whether convolutions see one frame only.
    """
    arch = settings.arch
    dim = arch.embed_dims[stage]
    is_local = settings.stage_types[stage] == 'L'
    shared = dict(
        ndim=ndim, dim=dim, use_dpe=settings.use_dpe, per_frame=per_frame
    )
    if is_local and not settings.local_ffn:
        local_size = settings.local_size
        return partial(MobileNetBlock, local_size=local_size, **shared)
    shared |= dict(
        mlp_ratio=arch.mlp_ratio,
        drop=settings.drop_rate,
        layer_scale_init_value=settings.layer_scale(stage),
    )
    if is_local:
        return partial(LocalBlock, local_size=settings.local_size, **shared)
    if settings.kv_strides is not None:
        shared['kv_stride'] = settings.kv_strides[stage]
    return partial(
        global_block,
        num_heads=dim // arch.head_dim,
        attn_drop=settings.attn_drop_rate,
        **shared,
    )
