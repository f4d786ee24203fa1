"""Whole published classifiers in the model of a host library."""

from collections.abc import Collection, Mapping

from mmengine.logging import print_log
from torch import Tensor, nn

from mmuniformer.checkpoint.form import backbones_of
from mmuniformer.checkpoint.loading import warn_of_head_dim
from mmuniformer.checkpoint.matching import describe_mismatch
from mmuniformer.checkpoint.reading import read_checkpoint
from mmuniformer.checkpoint.state_dict import (
    ANCHOR,
    choose_prefix,
    strip_wrappers,
    unwrap,
)
from mmuniformer.checkpoint.values import check_values
from mmuniformer.errors import CheckpointError

BACKBONE = 'backbone.'
# Of an official file, and of a recognizer of mmaction2 or an image classifier
# of mmpretrain: with the host's own head, with that of the light models, and
# with that of token labeling.
HEADS = (
    ('head.', 'cls_head.fc_cls.'),
    ('head.', 'cls_head.head.fc_cls.'),
    ('head_cls.', 'cls_head.token_head.fc_cls.'),
    ('head.', 'head.fc.'),
    ('head.', 'head.head.fc.'),
    ('head_cls.', 'head.token_head.fc.'),
    ('aux_head.', 'head.aux_fc.'),
)
KINETICS_400_ORDER = (
    '; those of Kinetics-400 follow kinetics_400_categroies.txt of the '
    "official repository, not the alphabet as mmaction2's lists and the files "
    'it hosts: number the labels of the test list so'
)


def load_classifier(
    model: nn.Module, checkpoint: str, sha256: str | None = None
) -> None:
    """Loads a whole published classifier into a model of its host library.

    That is a recognizer of mmaction2 or an image classifier of mmpretrain.
    Takes the official files, which are classifiers without prefixes, and
    those that mmaction2 hosts. The class orders of the two differ for
    Kinetics-400; nothing is reordered, and the log says so.

    Args:
        model (nn.Module): A recognizer or a classifier; it is not changed on
            an error.
        checkpoint (str): Path, URL, or name of published weights.
        sha256 (str, optional): Digest that the file must have, or its first
            digits.

    Raises:
        CheckpointError: If the file cannot be read safely or does not fill
            the model; other numbers of classes are named.
    """
    state_dict = unwrap(read_checkpoint(checkpoint, sha256), str(checkpoint))
    state_dict = name_for_host(state_dict, model, str(checkpoint))
    mismatch = describe_mismatch(model, state_dict, str(checkpoint))
    if mismatch:
        raise CheckpointError(mismatch)
    check_values(state_dict, model.state_dict(), str(checkpoint))
    model.load_state_dict(state_dict, strict=False)


def name_officially(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gives the tensors of a host's classifier their official names.

    The way back of :func:`name_for_host`.

    Args:
        state_dict (Mapping[str, Tensor]): Tensors of a recognizer of mmaction2
            or an image classifier of mmpretrain.

    Raises:
        CheckpointError: If there are others besides, or the same ones twice.
    """
    named: dict[str, Tensor] = {}
    for key, value in state_dict.items():
        official = _official(key)
        if official is None or official in named:
            raise CheckpointError(
                f'{key} has no name in the official code, which has backbones '
                'with a linear classifier alone'
            )
        named[official] = value
    return named


def _official(key: str) -> str | None:
    if key.startswith(BACKBONE):
        return key.removeprefix(BACKBONE)
    for official, host in HEADS:
        if key.startswith(host):
            return key.replace(host, official, 1)
    return None


def is_whole_classifier(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether the tensors are those of an official file, without prefix.

    Args:
        state_dict (Mapping[str, Tensor]): Tensors of any file.
    """
    return any(key.startswith(ANCHOR) for key in state_dict)


def name_for_host(
    state_dict: Mapping[str, Tensor], model: nn.Module, source: str
) -> dict[str, Tensor]:
    """Gives the tensors of a whole model the names that a host has for them.

    Wrappers are taken off, and an official classifier becomes parts. The log
    says what the file cannot: the order of its classes, and the dimension of
    its attention heads where published models differ in nothing else.

    Args:
        state_dict (Mapping[str, Tensor]): Tensors of any file.
        model (nn.Module): The model, with names such as
            ``backbone.patch_embed1.proj.weight`` and
            ``cls_head.fc_cls.weight``.
        source (str): Path or URL of the file, for the log.

    Returns:
        dict[str, Tensor]: The tensors by the names of the model.
    """
    wanted = model.state_dict()
    state_dict = strip_wrappers(state_dict, wanted)
    has_backbone = any(key.startswith(BACKBONE + ANCHOR) for key in wanted)
    if has_backbone and not any(
        k.startswith(BACKBONE + ANCHOR) for k in state_dict
    ):
        # A copy of the model: an average, a teacher, an encoder.
        copy = choose_prefix(state_dict, source).removesuffix(BACKBONE)
        state_dict = {
            key.removeprefix(copy): value
            for key, value in state_dict.items()
            if key.startswith(copy)
        }
    if not has_backbone or not is_whole_classifier(state_dict):
        return dict(state_dict)
    for _, backbone in backbones_of(model):
        warn_of_head_dim(backbone, state_dict, source)
    renamed = {_rename(k, wanted): v for k, v in state_dict.items()}
    for official, head in HEADS:
        if official == 'head.' and f'{head}weight' in renamed:
            classes = len(renamed[f'{head}weight'])
            order = KINETICS_400_ORDER if classes == 400 else ''
            print_log(
                f'{source} is an official classifier: its {classes} classes '
                f'stay in the order of its training lists{order}.',
                logger='current',
            )
    return renamed


def _rename(key: str, wanted: Collection[str]) -> str:
    for official, host in HEADS:
        renamed = key.replace(official, host, 1)
        if key.startswith(official) and renamed in wanted:
            return renamed
    return BACKBONE + key
