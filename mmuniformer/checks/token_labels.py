"""Label maps of token labeling."""

from collections.abc import Iterator

import torch

from mmuniformer.checks.finding import Finding

FORMAT = 'two maps for each of k classes (2, k, h, w): scores, then classes'


def check_token_label(
    content: object, path: str, num_classes: int | None = None
) -> Iterator[Finding]:
    """Looks whether what a file holds is a label map.

    Args:
        content (object): As it was read.
        path (str): The file.
        num_classes (int, optional): Classes are below this number.
    """
    if not isinstance(content, torch.Tensor):
        yield Finding(
            f'{path} holds a {type(content).__name__}: a label map is a '
            f'tensor of {FORMAT}',
            file=path,
        )
        return
    if content.ndim != 4 or len(content) != 2 or 0 in content.shape:
        shape = ' x '.join(map(str, content.shape)) or 'one number'
        yield Finding(
            f'{path} is of {shape}: a label map is {FORMAT}', file=path
        )
        return
    scores, classes = content.double()
    if not scores.isfinite().all():
        yield Finding(
            f'{path} has scores that are no finite numbers', file=path
        )
    wrong = (classes < 0) | (classes != classes.floor())
    if num_classes is not None:
        wrong |= classes >= num_classes
    if wrong.any():
        limit = 'whole numbers from 0'
        if num_classes is not None:
            limit += f' to {num_classes - 1}'
        yield Finding(
            f'{path} has the class {classes[wrong][0].item():g}: classes are '
            f'{limit}',
            'scores come first in the tensor, classes second',
            file=path,
        )
