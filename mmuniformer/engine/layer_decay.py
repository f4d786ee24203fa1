"""Learning rates that fall from the head to the first layer."""

import inspect
from collections.abc import Callable, Iterator

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from mmuniformer.errors import UserError
from mmuniformer.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, with a learning rate for each layer.

    A backbone's ``get_layer_depth``, which those of mmpretrain have too, says
    which layer a parameter belongs to. What is behind the backbone has the
    learning rate of the optimizer, and every layer before it that of the next
    one times ``layer_decay_rate``. In any host library: theirs know their own
    backbones alone.

    All other options of ``paramwise_cfg`` are mmengine's; a ``lr_mult`` and
    the rate of the layer are multiplied.

    Args:
        optim_wrapper_cfg (dict): With ``optimizer``, which has ``lr``.
        paramwise_cfg (dict): ``layer_decay_rate`` in (0, 1], and options of
            :class:`mmengine.optim.DefaultOptimWrapperConstructor`.

    Raises:
        UserError: If there is no ``layer_decay_rate`` in (0, 1], an option of
            the constructor of a host library, or no ``lr``; when it is
            called, if the model has no backbone that knows its layers.

    Examples:
        >>> optim_wrapper = dict(
        ...     optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
        ...     constructor='mmuniformer.LayerDecayOptimWrapperConstructor',
        ...     paramwise_cfg=dict(layer_decay_rate=0.8, norm_decay_mult=0.0),
        ... )
    """

    def _validate_cfg(self) -> None:
        super()._validate_cfg()
        others = {'decay_rate', 'decay_type', 'num_layers'}
        others &= set(self.paramwise_cfg)
        if others:
            raise UserError(
                f'paramwise_cfg has {", ".join(sorted(others))}, which '
                'LayerDecayOptimWrapperConstructor does not read: the '
                'backbone knows its layers; give layer_decay_rate alone'
            )
        rate = self.paramwise_cfg.get('layer_decay_rate')
        if not isinstance(rate, int | float) or not 0 < rate <= 1:
            raise UserError(
                'paramwise_cfg.layer_decay_rate must be a number in (0, 1], '
                f'but it is {rate!r}'
            )
        if self.base_lr is None:
            raise UserError(
                'optim_wrapper.optimizer has no lr, the learning rate that '
                'falls layer by layer'
            )

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        """Adds a group for each parameter of a module, and of those in it.

        Args:
            params (list[dict]): Groups, added to in place.
            module (nn.Module): The model; in calls of this method, its parts.
            prefix (str): Name of the module in the model, '' for the model.
            is_dcn_module (int or float, optional): As mmengine has it.
        """
        super().add_params(params, module, prefix, is_dcn_module)
        if prefix:
            return
        depth_of = dict(depth_functions(module))
        if not depth_of:
            raise UserError(
                f'{type(module).__name__} has no backbone with a '
                'get_layer_depth, so no learning rate can fall layer by layer'
            )
        names = {parameter: n for n, parameter in module.named_parameters()}
        for group in params:
            name = names[group['params'][0]]
            scale = self._scale(name, depth_of)
            group['lr'] = group.get('lr', self.base_lr) * scale
            group['lr_scale'] = scale
            group['param_name'] = name

    def _scale(self, name: str, depth_of: dict[str, Callable]) -> float:
        # The innermost: a backbone may stand within an adapter, or another.
        for prefix in sorted(depth_of, key=len, reverse=True):
            if name.startswith(prefix):
                layer, layers = depth_of[prefix](name, prefix)
                rate = self.paramwise_cfg['layer_decay_rate']
                return rate ** (layers - layer - 1)
        return 1.0


def depth_functions(model: nn.Module) -> Iterator[tuple[str, Callable]]:
    """Where a model has backbones that know their layers.

    Args:
        model (nn.Module): A whole model, or several in one.

    Yields:
        tuple[str, Callable]: The name with which those of its parameters
        begin, and its ``get_layer_depth``.
    """
    for name, module in model.named_modules():
        # Of the class: an adapter hands on what the module in it has, and
        # knows nothing of the names there.
        get_layer_depth = getattr(type(module), 'get_layer_depth', None)
        # That of a whole classifier asks its backbone, and takes no prefix.
        if (
            name
            and get_layer_depth
            and 'prefix' in (inspect.signature(get_layer_depth).parameters)
        ):
            yield f'{name}.', module.get_layer_depth
