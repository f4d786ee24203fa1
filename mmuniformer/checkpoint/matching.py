"""Whether a state dict fills a model."""

from collections.abc import Mapping

from torch import Tensor, nn

from mmuniformer.checkpoint.form import check_forms

SHOWN_NAMES = 3
# mmpose renames these itself while it loads a file from before its version 1.
OLD_NAMES = {'keypoint_head.': 'head.'}
# The classifier of a recognizer: one row for each class.
CLASSIFIERS = ('cls_head.fc_cls.weight', 'cls_head.head.fc_cls.weight')


def describe_mismatch(
    model: nn.Module, state_dict: Mapping[str, Tensor], source: str
) -> str | None:
    """Says which parameters of a model a state dict does not fill.

    Buffers may be missing, and the state dict may hold more than the model.

    Args:
        model: The model that is to be filled.
        state_dict: Tensors by the names of the model, with or without the
            prefix of a parallel wrapper.
        source: Path or URL of the file, for the message.

    Returns:
        Counts and some names; None if every parameter is filled.

    Raises:
        CheckpointError: If one is in deployment form and the other is not.
    """
    parameters = dict(model.named_parameters())
    state = {
        _present_name(key.removeprefix('module.'), parameters): value
        for key, value in state_dict.items()
        if isinstance(value, Tensor)
    }
    check_forms(model, state, source)
    missing = [key for key in parameters if key not in state]
    reshaped = [
        key
        for key, value in parameters.items()
        if key in state and state[key].shape != value.shape
    ]
    if not missing and not reshaped:
        return None
    unknown = [key for key in state if key not in model.state_dict()]
    matched = len(parameters) - len(missing) - len(reshaped)
    parts = [
        f'{source} does not fit the model of the config: '
        f'{matched} of {len(parameters)} parameters match'
    ]
    shapes = [
        f'{key} ({_shape(state[key])} in the file, '
        f'{_shape(parameters[key])} here)'
        for key in reshaped
    ]
    for words, names in (
        ('not in the file', missing),
        ('of another shape', shapes),
        ('only in the file', unknown),
    ):
        if names:
            more = ', ...' if len(names) > SHOWN_NAMES else ''
            some = ', '.join(names[:SHOWN_NAMES])
            parts.append(f'{len(names)} {words}: {some}{more}')
    for name in set(CLASSIFIERS).intersection(reshaped):
        parts.append(
            f'the file was trained on {len(state[name])} classes and '
            f'the config has {len(parameters[name])} '
            '(model.cls_head.num_classes): take the config of its data set'
        )
    return '; '.join(parts)


def _present_name(key: str, parameters: Mapping) -> str:
    for old, new in OLD_NAMES.items():
        if key not in parameters and key.startswith(old):
            return key.replace(old, new, 1)
    return key


def _shape(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or 'scalar'
