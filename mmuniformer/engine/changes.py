"""What of a config has changed since a checkpoint was written."""

import ast
from collections.abc import Iterator

# What a training depends on.
PARTS = (
    'model',
    'data_preprocessor',
    'model_wrapper_cfg',
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'auto_scale_lr',
    'custom_hooks',
    'randomness',
)
# Of them, what it does not depend on.
FREE = (
    'train_dataloader.num_workers',
    'train_dataloader.persistent_workers',
    'train_dataloader.prefetch_factor',
    'train_dataloader.pin_memory',
    'train_dataloader.multiprocessing_context',
    'train_dataloader.timeout',
    'train_cfg.val_begin',
    'train_cfg.val_interval',
    'train_cfg.dynamic_intervals',
)
# What a checkpoint holds, and a resumed run takes from there.
OF_CHECKPOINT = (
    'optim_wrapper.optimizer',
    'optim_wrapper.paramwise_cfg',
    'param_scheduler',
    'auto_scale_lr',
    'randomness.seed',
)
ABSENT = 'not set'


def changes(before: str, now: str) -> dict[str, tuple[str, str]]:
    """Keys of a training that two configs do not have in common.

    Args:
        before (str): Text of a config, as a checkpoint has it. It is parsed,
            and not executed.
        now (str): That of the run.

    Returns:
        dict[str, tuple[str, str]]: Both values of each dotted key, as text.
    """
    try:
        old, new = (dict(_values(text)) for text in (before, now))
    except (SyntaxError, ValueError):
        return {}
    return {
        key: (old.get(key, ABSENT), new.get(key, ABSENT))
        for key in [*old, *(new.keys() - old.keys())]
        if old.get(key) != new.get(key) and not _is_below(key, FREE)
    }


def of_checkpoint(key: str) -> bool:
    """Whether a resumed run has a value from its checkpoint."""
    return _is_below(key, OF_CHECKPOINT)


def _is_below(key: str, tops: tuple[str, ...]) -> bool:
    return any(key == top or key.startswith(f'{top}.') for top in tops)


def _values(text: str) -> Iterator[tuple[str, str]]:
    for line in ast.parse(text).body:
        if isinstance(line, ast.Assign) and isinstance(
            line.targets[0], ast.Name
        ):
            name = line.targets[0].id
            if name in PARTS:
                yield from _flat(name, line.value)


def _flat(path: str, node: ast.expr) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == 'dict':
        for keyword in node.keywords:
            if keyword.arg is None:
                yield from _flat(path, keyword.value)
            else:
                yield from _flat(f'{path}.{keyword.arg}', keyword.value)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            name = getattr(key, 'value', None) or ast.unparse(key or value)
            yield from _flat(f'{path}.{name}', value)
    elif isinstance(node, ast.List | ast.Tuple) and any(
        isinstance(each, ast.Call | ast.Dict) for each in node.elts
    ):
        for index, value in enumerate(node.elts):
            yield from _flat(f'{path}.{index}', value)
    else:
        yield path, ast.unparse(node)
