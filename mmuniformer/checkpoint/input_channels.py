"""First kernels for another number of input channels."""

import math
from collections.abc import Mapping

from torch import Tensor

from mmuniformer.errors import CheckpointError

# The first convolution, of patches and of a convolutional stem.
FIRST = ('patch_embed1.proj.weight', 'patch_embed1.proj.0.weight')
WAYS = ('sum', 'mean', 'none')


def adapt_input_channels(
    state_dict: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    how: str,
    source: str,
) -> tuple[dict[str, Tensor], str]:
    """Fits the first kernel (O, C, ...) to a model of other input channels.

    Args:
        state_dict (Mapping[str, Tensor]): Tensors of a backbone.
        wanted (Mapping[str, Tensor]): Those of the model, by the same names.
        how (str): 'sum', as timm does it: for one channel the sum over all of
            the file's; for more those of the file in turn, scaled by the
            ratio of the numbers. 'mean': each channel gets the mean, scaled
            likewise: an image of equal channels gives what it gave. 'none':
            an error.
        source (str): Path or URL of the file, for messages.

    Returns:
        tuple[dict[str, Tensor], str]: The tensors, and words for the log;
        empty if nothing was to be adapted.

    Raises:
        CheckpointError: If ``how`` is 'none' and the numbers differ.
        ValueError: If ``how`` is none of these.
    """
    if how not in WAYS:
        raise ValueError(
            f'input_channels must be one of {list(WAYS)}, but it is {how!r}'
        )
    for name in FIRST:
        if name not in state_dict or name not in wanted:
            continue
        kernel, given = state_dict[name], state_dict[name].shape[1]
        needed = wanted[name].shape[1]
        if needed == given or kernel.shape[0] != wanted[name].shape[0]:
            continue
        if how == 'none':
            raise CheckpointError(
                f'{source} is for {given} input channels and the model has '
                f"in_channels={needed}: init_cfg.input_channels='sum' (as "
                "timm) or 'mean' adapts its first kernel"
            )
        if how == 'mean':
            adapted = kernel.mean(1, keepdim=True).repeat_interleave(needed, 1)
        else:
            copies = math.ceil(needed / given)
            adapted = kernel.repeat(1, copies, *(1,) * (kernel.dim() - 2))
            adapted = adapted[:, :needed]
            if needed == 1:
                adapted = kernel.mean(1, keepdim=True)
        adapted = adapted * (given / needed)
        words = f'first kernel: {given} to {needed} input channels ({how})'
        return {**state_dict, name: adapted}, words
    return dict(state_dict), ''
