"""What a backbone does besides its forward pass."""

from collections.abc import Callable
from functools import partial

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuniformer.checkpoint import load_pretrained
from mmuniformer.checkpoint.form import DEPLOYED, check_form
from mmuniformer.checkpoint.levels import leave_out_levels
from mmuniformer.models.backbones.settings import (
    Settings,
    check_attention,
    recomputed_blocks,
)
from mmuniformer.models.layers import Attention, recompute_in_backward

NO_LAYOUT_PASS = dict(layout_optimization=False)


class Backbone(BaseModule):
    """Weights, modes and forms of a backbone, whatever its stages compute.

    The constructor of a subclass makes the modules, among them ``blocks1`` to
    ``blocks4``, and ends with :meth:`_set_up`. :meth:`stage_names` and
    :meth:`level_names` say which modules those of a stage are.

    Args:
        settings (Settings): What the backbone is told.

    Attributes:
        deploy (bool): Whether the backbone is in deployment form.
        frozen_stages (int): Stages whose weights and statistics stay.
        norm_eval (bool): Whether BatchNorm uses its running statistics in
            training.
        with_cp (list[int]): Number of blocks of each stage whose activations
            are recomputed in the backward pass.
    """

    # What the published models start from, before any pretrained weights.
    default_init = (
        dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    )
    deploy = False

    def __init__(self, settings: Settings):
        given = settings.init_cfg or []
        given = [given] if isinstance(given, dict) else given
        self.pretrained = [c for c in given if c['type'] == 'Pretrained']
        others = [c for c in given if c['type'] != 'Pretrained']
        super().__init__(init_cfg=[*self.default_init, *others])
        self.with_cp = recomputed_blocks(
            settings.with_cp, settings.arch.depths
        )
        self.frozen_stages = settings.frozen_stages
        self.norm_eval = settings.norm_eval

    def stage_names(self, stage: int) -> list[str]:
        """Names of what belongs to a stage, built or not, but its norm.

        Args:
            stage (int): From 0.
        """
        raise NotImplementedError

    def level_names(self) -> list[str]:
        """Names of what all stages have, built or not, with their norms."""
        raise NotImplementedError

    def get_layer_depth(
        self, param_name: str, prefix: str = ''
    ) -> tuple[int, int]:
        """The layer of a parameter, for learning rates that fall by layer.

        The first embedding is layer 0 and each block a layer; an embedding
        between two stages is of the layer before it. The norms of the
        outputs, which no published file has for a dense task, are as new as
        a head, and of its layer.

        Args:
            param_name (str): Name of the parameter in the whole model.
            prefix (str): What names of this backbone begin with there.

        Returns:
            tuple[int, int]: The layer from 0, and the number of layers with
            that of the head, which is the last.
        """
        depths = self.arch.depths[: self.num_stages]
        head = sum(depths) + 1
        if not param_name.startswith(prefix):
            return head, head + 1
        stage_of = {
            name: stage
            for stage in range(self.num_stages)
            for name in self.stage_names(stage)
        }
        parts = param_name.removeprefix(prefix).split('.')
        # Adapters, such as LoRA's, put names of their own in front.
        while parts and parts[0] not in stage_of:
            del parts[0]
        if not parts:
            return head, head + 1
        name, *rest = parts
        block = int(rest[0]) + 1 if name.startswith('blocks') else 0
        return sum(depths[: stage_of[name]]) + block, head + 1

    def _set_up(self, settings: Settings) -> None:
        """Does with the modules, once all are there, what was asked for."""
        self._freeze_stages()
        self._register_load_state_dict_pre_hook(self._before_loading)
        self.set_attention(settings.attention)
        if settings.deploy:
            self.switch_to_deploy()
        if settings.compile is not False:
            self._compile({} if settings.compile is True else settings.compile)

    def init_weights(self) -> None:
        """Initialises the weights, from a published file if one is named."""
        fresh = not self.is_init
        super().init_weights()
        for block in self.modules():
            if fresh and hasattr(block, 'reset_temporal'):
                block.reset_temporal()
        for cfg in self.pretrained:
            cfg = {k: v for k, v in cfg.items() if k != 'type'}
            load_pretrained(self, **cfg)

    def train(self, mode: bool = True) -> 'Backbone':
        """Sets the mode of all modules but those that stay in eval mode.

        Args:
            mode (bool): Training, or eval mode.
        """
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

    def set_attention(self, form: str) -> None:
        """Chooses how attention is computed, in any mode and form.

        Args:
            form (str): 'fused', in which no N x N matrix is ever in memory;
                or 'explicit', for exporters without fused attention and for
                looking inside: the same numbers, and each attention has its
                matrix pass through a module of its own
                (:class:`AttentionWeights`), where a forward hook sees it.

        Raises:
            SettingError: If it is neither.
        """
        check_attention(form)
        for module in self.modules():
            if isinstance(module, Attention):
                module.form = form

    def _blocks(self, stage: int) -> list[Callable]:
        """The blocks of a stage; the first ``with_cp`` of them recompute."""
        blocks = list(getattr(self, f'blocks{stage + 1}'))
        if self.training and torch.is_grad_enabled():
            for i, block in enumerate(blocks[: self.with_cp[stage]]):
                blocks[i] = partial(recompute_in_backward, block)
        return blocks

    def _frozen_parts(self) -> list[nn.Module | nn.Parameter]:
        names = ['patch_embed1'] if self.frozen_stages == 0 else []
        for stage in range(self.frozen_stages):
            names += self.stage_names(stage)
        return [getattr(self, name) for name in names if hasattr(self, name)]

    def _frozen_modules(self) -> list[nn.Module]:
        return [p for p in self._frozen_parts() if isinstance(p, nn.Module)]

    def _freeze_stages(self) -> None:
        for part in self._frozen_parts():
            part.requires_grad_(False)
        for module in self._frozen_modules():
            module.eval()

    def _compile(self, arguments: dict) -> None:
        chosen = {'backend', 'mode', 'options'} & set(arguments)
        if not chosen:
            # All maps are in channels-last already. The pass that would put
            # them there fails on a size that it does not know (torch 2.14).
            arguments = dict(arguments, options=NO_LAYOUT_PASS)
        self.compile(**arguments)

    def _before_loading(
        self, state_dict: dict[str, Tensor], prefix: str, *_: object
    ) -> None:
        check_form(self, state_dict, prefix)
        leave_out_levels(self, state_dict, prefix)
