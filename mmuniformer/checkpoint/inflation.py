"""From the kernels of images to those of video (paper, section 4.2)."""

from collections.abc import Mapping

from torch import Tensor


def average(weight: Tensor, frames: int) -> Tensor:
    """The kernel in each frame, divided by their number (I3D).

    A video of one image repeated gives what the image gave: the published
    models start from this.

    Args:
        weight (Tensor): Kernel of shape (O, I, H, W).
        frames (int): Length T of the kernel (O, I, T, H, W) to make.
    """
    return weight.unsqueeze(2).repeat(1, 1, frames, 1, 1) / frames


def centre(weight: Tensor, frames: int) -> Tensor:
    """The kernel in the middle frame, zeros in the others.

    Args:
        weight (Tensor): Kernel of shape (O, I, H, W).
        frames (int): Length T of the kernel (O, I, T, H, W) to make.
    """
    inflated = weight.new_zeros(*weight.shape[:2], frames, *weight.shape[2:])
    inflated[:, :, frames // 2] = weight
    return inflated


INFLATIONS = {'average': average, 'centre': centre}


def inflate(
    state_dict: Mapping[str, Tensor], wanted: Mapping[str, Tensor], how: str
) -> tuple[dict[str, Tensor], int]:
    """Inflates the kernels (O, I, H, W) that a model wants as (O, I, T, H, W).

    Args:
        state_dict (Mapping[str, Tensor]): Tensors of an image model.
        wanted (Mapping[str, Tensor]): Tensors of a video model, by the same
            names.
        how (str): 'average' or 'centre'.

    Returns:
        tuple[dict[str, Tensor], int]: The tensors of ``state_dict``, and how
        many of them were inflated.

    Raises:
        ValueError: If ``how`` is neither.
    """
    if how not in INFLATIONS:
        raise ValueError(
            f'inflation must be one of {sorted(INFLATIONS)}, but it is {how!r}'
        )
    inflated = {
        name: INFLATIONS[how](weight, wanted[name].shape[2])
        for name, weight in state_dict.items()
        if name in wanted and (weight.dim(), wanted[name].dim()) == (4, 5)
    }
    return {**state_dict, **inflated}, len(inflated)
