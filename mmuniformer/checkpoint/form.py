"""Whether weights are those of training or those of the deployment form."""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from mmuniformer.checkpoint.state_dict import ANCHOR
from mmuniformer.errors import CheckpointError

# A buffer of backbones in deployment form, so that their files tell.
DEPLOYED = 'deploy_form'


def check_forms(
    model: nn.Module, state_dict: Mapping[str, Tensor], source: str
) -> None:
    """Runs :func:`check_form` for each backbone of this package in a model.

    Args:
        model (nn.Module): A model of any library.
        state_dict (Mapping[str, Tensor]): Tensors by its names.
        source (str): Path or URL of the file, for the message.

    Raises:
        CheckpointError: If one is in deployment form and the other is not.
    """
    for prefix, backbone in backbones_of(model):
        check_form(backbone, state_dict, prefix, source)


def backbones_of(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The backbones of this package in a model of any library.

    Args:
        model (nn.Module): The model, or a backbone itself.

    Yields:
        tuple[str, nn.Module]: What the names of the backbone start with, and
        the backbone.
    """
    for name, module in model.named_modules():
        if hasattr(module, 'patch_embed1') and hasattr(module, 'deploy'):
            yield f'{name}.' if name else '', module


def check_form(
    backbone: nn.Module,
    state_dict: Mapping[str, Tensor],
    prefix: str = '',
    source: str = 'the checkpoint',
) -> None:
    """Compares the form of a backbone with that of weights for it.

    Some of the names and shapes are the same in both, and the values are not.

    Args:
        backbone (nn.Module): A backbone of this package.
        state_dict (Mapping[str, Tensor]): Tensors; without any of the
            backbone there is nothing to compare.
        prefix (str): What the names of the backbone start with.
        source (str): Path or URL of the file, for the message.

    Raises:
        CheckpointError: If one is in deployment form and the other is not.
    """
    if not any(key.startswith(prefix + ANCHOR) for key in state_dict):
        return
    is_deployed = prefix + DEPLOYED in state_dict
    if is_deployed == backbone.deploy:
        return
    if is_deployed:
        raise CheckpointError(
            f'{source} is in deployment form and the model is not: set '
            'deploy=True for the backbone (model.backbone.deploy=True), or '
            'take the file of the training that it was made from'
        )
    raise CheckpointError(
        f'the model is in deployment form and {source} is not: make one that '
        'is with tools/model_converters/reparameterize_model.py, or build '
        'the backbone without deploy=True, load, and call switch_to_deploy()'
    )
