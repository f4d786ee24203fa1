"""Levels of a file that a backbone does not have."""

from mmengine.logging import print_log
from torch import Tensor, nn


def leave_out_levels(
    backbone: nn.Module, state_dict: dict[str, Tensor], prefix: str = ''
) -> None:
    """Drops the levels of a file that a backbone is built without.

    Published files have the norms of all four, whatever the task reads. A
    line of the log names what is dropped.

    Args:
        backbone (nn.Module): A backbone of this package, whose ``level_names``
            are those of all four.
        state_dict (dict[str, Tensor]): Tensors; changed in place.
        prefix (str): What the names of the backbone start with.
    """
    unread = {
        f'{prefix}{name}'
        for name in backbone.level_names()
        if not hasattr(backbone, name)
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
