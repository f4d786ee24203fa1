"""mmengine's own doors, through which the host libraries read checkpoints.

``load_from``, ``mmdet.apis.init_detector`` and its kin, the Inferencers and
the hook of EMA load by mmengine's ``load_state_dict``, which takes names as
they are and goes on with weights left as initialised. For a model with a
backbone of this package the tensors get the names of the model first, and a
backbone that they do not fill is an error. Links are downloaded as everywhere
here, and published weights have their names.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn

from mmuniformer.checkpoint.classifier import name_for_host
from mmuniformer.checkpoint.form import backbones_of, check_forms
from mmuniformer.checkpoint.matching import compare, some
from mmuniformer.checkpoint.reading import read_checkpoint
from mmuniformer.checkpoint.state_dict import unwrap
from mmuniformer.checkpoint.values import check_values
from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import replace_once
from mmuniformer.errors import CheckpointError
from mmuniformer.zoo import find, hint

MODULE = 'mmengine.runner.checkpoint'
SOURCE = 'the checkpoint'
# Output norms, which no file of ImageNet has.
FRESH = re.compile(r'norm[1-4]\.|norm\.|norm_cls\.')


def serve() -> None:
    """Has mmengine read links and name tensors as this package does."""
    after_import(MODULE, _patch)


def _patch(module: ModuleType) -> None:
    module.CheckpointLoader.register_scheme(
        ('http://', 'https://'), load_from_http, force=True
    )
    replace_once(module, 'load_from_local', _by_name, by=__name__)
    module.CheckpointLoader.register_scheme(
        '', module.load_from_local, force=True
    )
    replace_once(module, 'load_state_dict', _naming, by=__name__)


def load_from_http(
    filename: str, map_location: Any = None, **_: object
) -> dict:
    """mmengine's loader of links.

    Args:
        filename (str): An http(s) link.
        map_location (Any): See :func:`torch.load`.
    """
    return read_checkpoint(filename, map_location=map_location or 'cpu')


def _by_name(original: Callable) -> Callable:
    def load_from_local(filename: str, map_location: Any = None) -> dict:
        if Path(filename).expanduser().is_file():
            return original(filename, map_location)
        if find(filename) is not None:
            return read_checkpoint(
                filename, map_location=map_location or 'cpu'
            )
        if hint(filename):
            raise CheckpointError(
                f'checkpoint {filename} does not exist{hint(filename)}'
            )
        return original(filename, map_location)

    return load_from_local


def _naming(original: Callable) -> Callable:
    def load_state_dict(
        module: nn.Module,
        state_dict: Mapping,
        strict: bool = False,
        logger: Any = None,
    ) -> Any:
        model = bare(module)
        prefixes = [prefix for prefix, _ in backbones_of(model)]
        if prefixes:
            named = name_for_model(model, prefixes, state_dict)
            named = OrderedDict(named)
            named._metadata = getattr(state_dict, '_metadata', OrderedDict())
            state_dict = named
        return original(module, state_dict, strict, logger)

    return load_state_dict


def name_for_model(
    model: nn.Module, prefixes: list[str], state_dict: Mapping
) -> dict:
    """The tensors of a file by the names of a model that they fill.

    Args:
        model (nn.Module): A model with backbones of this package.
        prefixes (list[str]): Where in the model they are.
        state_dict (Mapping): What was read: tensors, or a dict with them.

    Raises:
        CheckpointError: If a backbone is not filled, but for the norms of its
            outputs.
    """
    wanted = model.state_dict()
    given = unwrap(state_dict, SOURCE)
    tensors = name_for_host(given, model, SOURCE)
    check_forms(model, tensors, SOURCE)
    check_values(tensors, wanted, SOURCE)
    parameters = dict(model.named_parameters())
    for prefix in prefixes:
        part = {
            name.removeprefix(prefix): value
            for name, value in parameters.items()
            if name.startswith(prefix)
            and not FRESH.match(name.removeprefix(prefix))
        }
        given = {
            name.removeprefix(prefix): value
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
        missing, reshaped, _ = compare(part, given)
        if missing or reshaped:
            found = len(part) - len(missing) - len(reshaped)
            words = some([prefix + name for name in missing + reshaped])
            raise CheckpointError(
                f'{SOURCE} fills {found} of {len(part)} parameters of '
                f'{prefix.rstrip(".") or "the backbone"}; not {words}: it is '
                'of another model'
            )
    return tensors


def bare(model: nn.Module) -> nn.Module:
    """A model without wrappers of parallel runs and of test augmentation.

    Args:
        model (nn.Module): A model of any library.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model
