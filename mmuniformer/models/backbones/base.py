"""What every UniFormer backbone does: stages, freezing, loading."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuniformer.checkpoint import load_pretrained
from mmuniformer.checkpoint.form import DEPLOYED, check_form
from mmuniformer.errors import InputError
from mmuniformer.models.backbones.settings import (
    NUM_STAGES,
    Arch,
    check_rates,
    check_stages,
    checkpointed_blocks,
    is_ints,
    require,
    resolve_arch,
)
from mmuniformer.models.layers import (
    BATCH_NORMS,
    CHANNELS_LAST,
    ChannelLayerNorm,
    MobileNetBlock,
    TokenScores,
    UniFormerBlock,
    run_block,
)

NO_LAYOUT_PASS = dict(layout_optimization=False)


class UniFormerBase(BaseModule):
    """Four stages of blocks, each after an embedding (paper, figure 3).

    A subclass says how many dimensions its maps have (``ndim``), which
    published models there are (``archs``), and how an embedding is made. Its
    constructor ends with :meth:`build_stages`. The arguments are described
    in :class:`UniFormer`.

    Attributes:
        arch (Arch): The settings that weights depend on.
        num_stages (int): Number of stages that are built.
        out_indices (tuple[int, ...]): Stages whose maps are returned.
    """

    ndim: int
    archs: dict[str, Arch]
    # What a stage of type 'G' is made of, and whether the convolutions of
    # blocks see one frame only: a video model may choose others.
    global_aggregator = 'global'
    global_block = UniFormerBlock
    per_frame = False
    # Whether the map of the last stage is for a classifier: normalised by the
    # BatchNorm that published classifiers have.
    classifier = False
    # What a file has of later stages besides embeddings, blocks and norms.
    later_names: tuple[str, ...] = ()
    # What the published models start from, before any pretrained weights.
    default_init = (
        dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    )

    def __init__(
        self,
        arch: str | dict = 'small',
        stage_types: str = 'LLGG',
        kv_strides: Sequence[int] = (4, 2, 1, 1),
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
        deploy: bool = False,
        compile: bool | dict = False,
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
        if layer_scale_init_value is None:
            layer_scale_init_value = self.arch.layer_scale_init_value
        require(
            is_ints(kv_strides, low=1) and len(kv_strides) == NUM_STAGES,
            'kv_strides',
            kv_strides,
            f'{NUM_STAGES} positive integers',
        )
        self.stage_types = stage_types
        self.kv_strides = tuple(kv_strides)
        self.in_channels = in_channels
        self.out_indices = tuple(out_indices)
        self.num_stages = max(out_indices) + 1
        self.drop_path_rate = drop_path_rate
        self.drop_rate = drop_rate
        self.attn_drop_rate = attn_drop_rate
        self.layer_scale_init_value = layer_scale_init_value
        self.with_cp = checkpointed_blocks(with_cp, self.arch.depths)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.local_size = local_size
        self.use_dpe = use_dpe
        self.local_ffn = local_ffn
        self.deploy = False
        self._build_deployed = deploy
        require(
            isinstance(compile, bool | dict),
            'compile',
            compile,
            'a bool, or a dict of arguments of torch.compile',
        )
        if compile is not False:
            self._compile({} if compile is True else compile)

    def _compile(self, arguments: dict) -> None:
        chosen = {'backend', 'mode', 'options'} & set(arguments)
        if not chosen:
            # All maps are in channels-last already. The pass that would put
            # them there fails on a size that it does not know (torch 2.14).
            arguments = dict(arguments, options=NO_LAYOUT_PASS)
        self.compile(**arguments)

    def build_stages(self) -> None:
        """Makes the modules, in the order of the published files."""
        self._build_embeds()
        depths = self.arch.depths
        rates = np.linspace(0, self.drop_path_rate, sum(depths)).tolist()
        for i in range(self.num_stages):
            first = sum(depths[:i])
            blocks = [
                self._make_block(i, drop_path_rate=rate)
                for rate in rates[first : first + depths[i]]
            ]
            self.add_module(f'blocks{i + 1}', nn.ModuleList(blocks))
            if i in self.out_indices:
                self.add_module(self._norm_name(i), self._make_norm(i))
        self._freeze_stages()
        self._register_load_state_dict_pre_hook(self._check_form)
        self._register_load_state_dict_pre_hook(self._leave_out_levels)
        if self._build_deployed:
            self.switch_to_deploy()

    def _build_embeds(self) -> None:
        dims = (self.in_channels, *self.arch.embed_dims)
        for i in range(self.num_stages):
            embed = self._make_embed(i, dims[i], dims[i + 1])
            self.add_module(f'patch_embed{i + 1}', embed)
        self.pos_drop = nn.Dropout(self.drop_rate)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Extracts a normalised map from each stage of ``out_indices``."""
        return self._extract(x)[0]

    def _extract(
        self, x: Tensor
    ) -> tuple[tuple[Tensor, ...], TokenScores | None]:
        """The maps, and the scores of the last block of a light model."""
        self._check_input(x)
        # Every layer keeps this memory format: see layers/channels.py.
        x = x.contiguous(memory_format=CHANNELS_LAST[self.ndim])
        outs, scores = [], None
        for i in range(self.num_stages):
            x = getattr(self, f'patch_embed{i + 1}')(x)
            if i == 0:
                x = self.pos_drop(x)
            x, scores = self._run_blocks(i, x, scores)
            if i in self.out_indices:
                out = getattr(self, self._norm_name(i))(x)
                # mmcv's compiled ops (RoIAlign and others) do not look at
                # strides: they would misread a map in channels-last memory.
                outs.append(out.contiguous())
        return tuple(outs), scores

    def _run_blocks(
        self, stage: int, x: Tensor, scores: TokenScores | None
    ) -> tuple[Tensor, TokenScores | None]:
        windows = self._windows(stage)
        for i, (block, recompute) in enumerate(self._blocks(stage)):
            x = run_block(block, x, windows[i], recompute=recompute)
        return x, scores

    def _blocks(self, stage: int) -> list[tuple[nn.Module, bool]]:
        """The blocks of a stage, and whether to checkpoint each."""
        recomputed = 0
        if self.training and torch.is_grad_enabled():
            recomputed = self.with_cp[stage]
        blocks = getattr(self, f'blocks{stage + 1}')
        return [(block, i < recomputed) for i, block in enumerate(blocks)]

    def _windows(self, stage: int) -> list[int | None]:
        """Side of the attention windows of each block; None for none."""
        return [None] * self.arch.depths[stage]

    def _make_embed(self, stage: int, in_channels: int, dim: int) -> nn.Module:
        """The downsampling in front of a stage."""
        raise NotImplementedError

    def _make_block(self, stage: int, drop_path_rate: float) -> nn.Module:
        dim = self.arch.embed_dims[stage]
        is_local = self.stage_types[stage] == 'L'
        common = dict(
            ndim=self.ndim,
            dim=dim,
            local_size=self.local_size,
            use_dpe=self.use_dpe,
            per_frame=self.per_frame,
            drop_path_rate=drop_path_rate,
        )
        if is_local and not self.local_ffn:
            return MobileNetBlock(**common)
        scaled = stage in self.arch.layer_scale_stages
        make_block = UniFormerBlock if is_local else self.global_block
        return make_block(
            aggregator='local' if is_local else self.global_aggregator,
            num_heads=dim // self.arch.head_dim,
            mlp_ratio=self.arch.mlp_ratio,
            kv_stride=self.kv_strides[stage],
            drop=self.drop_rate,
            attn_drop=self.attn_drop_rate,
            layer_scale_init_value=(
                self.layer_scale_init_value if scaled else None
            ),
            **common,
        )

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
        smallest = self._smallest_input()
        if min(x.shape[-2:]) < smallest:
            raise InputError(
                f'an image of {x.shape[-2]} x {x.shape[-1]} pixels is too '
                f'small for {self.num_stages} stages: height and width must '
                f'be {smallest} or more'
            )

    def init_weights(self) -> None:
        """Initialises the weights, from a published file if one is named."""
        fresh = not self.is_init
        super().init_weights()
        for block in self.modules():
            if fresh and isinstance(block, UniFormerBlock):
                block.reset_temporal()
        for cfg in self.pretrained:
            cfg = {k: v for k, v in cfg.items() if k != 'type'}
            load_pretrained(self, **cfg)

    def train(self, mode: bool = True) -> 'UniFormerBase':
        """Sets the mode of all modules but those that stay in eval mode."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def switch_to_deploy(self) -> None:
        """Turns the backbone into its deployment form, for inference only.

        BatchNorm and Layer Scale become part of the convolutions and linear
        layers beside them, and the residual of the position embedding part
        of its kernel: the same function in eval mode, with fewer passes over
        memory. There is no way back. What is saved afterwards loads into a
        backbone that is built with ``deploy=True``.
        """
        if self.deploy:
            return
        for module in list(self.modules()):
            if module is not self and hasattr(module, 'switch_to_deploy'):
                module.switch_to_deploy()
        self.deploy = True
        self.register_buffer(DEPLOYED, torch.tensor(True))

    def _check_form(
        self, state_dict: dict[str, Tensor], prefix: str, *_: object
    ) -> None:
        check_form(self, state_dict, prefix)

    def _leave_out_levels(
        self, state_dict: dict[str, Tensor], prefix: str, *_: object
    ) -> None:
        """Drops the levels of a file that `out_indices` does not ask for.

        Published files have the norms of all four, whatever the task reads.
        """
        names = [*self.later_names]
        for i in range(NUM_STAGES):
            names += [f'patch_embed{i + 1}', f'blocks{i + 1}']
            names.append(self._norm_name(i))
        unread = {
            f'{prefix}{name}' for name in names if not hasattr(self, name)
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
