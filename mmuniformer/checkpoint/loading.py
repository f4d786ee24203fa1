"""Loading a published file into a backbone, all of it or not at all."""

import logging
import re
from collections.abc import Iterable
from dataclasses import fields

from mmengine.logging import print_log
from torch import Tensor, nn

from mmuniformer.checkpoint.form import check_form
from mmuniformer.checkpoint.inflation import inflate
from mmuniformer.checkpoint.input_channels import adapt_input_channels
from mmuniformer.checkpoint.matching import compare, some
from mmuniformer.checkpoint.reading import read_checkpoint
from mmuniformer.checkpoint.state_dict import (
    Layout,
    read_layout,
    select_backbone,
    unwrap,
)
from mmuniformer.checkpoint.values import check_values
from mmuniformer.errors import CheckpointError
from mmuniformer.zoo import trained_by

# Not in an ImageNet file: the norms of the outputs, which a task trains.
FRESH = re.compile(r'norm[1-4]\.')
# Not in an image file besides: attention over time, Layer Scale, and the norms
# of the video classifier, which the files of dense tasks lack.
FRESH_IN_VIDEO = re.compile(
    r'(norm|norm_cls)\.|blocks\d\.\d+\.(t_norm\.|t_attn\.|gamma_[12]$)'
)
# In a published file, but of no use to a backbone: the classifier with its
# norm and the auxiliary heads of token labeling and of the light models.
CLASSIFIER = re.compile(r'(norm|head|aux_head|norm_cls|head_cls)\.')
HEAD_DIM_32 = (
    'head_dim shows in no shape: it is 32 in the files of token labeling and '
    "in uniformer_small_plus, unless their name has 'dim64', and 64 in others"
)
# The part of a layout that is an argument named arch.
ARCH_FIELDS = ('depths', 'embed_dims', 'conv_stem', 'layer_scale_stages')
STAGE = re.compile(r'(?:patch_embed|blocks|norm)(\d)\.')
# Stages that the score token of a light model enters.
STAGE_OF_TOKEN = {'cls_token': 3, 'cls_upsample': 4}
# Backbones by dimensions and lightness.
CLASSES = {
    (2, False): ('an image', 'UniFormer'),
    (3, False): ('a video', 'UniFormer3D'),
    (2, True): ('a light image', 'UniFormerLight'),
    (3, True): ('a light video', 'UniFormerLight3D'),
}


def load_pretrained(
    model: nn.Module,
    checkpoint: str,
    prefix: str | None = None,
    map_location: str = 'cpu',
    sha256: str | None = None,
    inflation: str = 'average',
    input_channels: str = 'sum',
) -> None:
    """Loads the weights of a backbone from a published or own file.

    Takes the official ImageNet, video and dense-task files, those that
    OpenMMLab hosts, files trained here, and safetensors. A video backbone
    takes the file of an image model too, and inflates its kernels. One line
    of the log says what was loaded, what was left out and what starts fresh.

    Head dimension shows in no name and no shape. The published files with 32
    are those of token labeling (small, small_plus, base, unless their name
    has 'dim64') and small_plus: choose the ``arch`` by the file.

    Args:
        model (nn.Module): A backbone of this package; it is not changed on an
            error.
        checkpoint (str): Path, URL, or name of published weights.
        prefix (str, optional): What the backbone's names start with in the
            file; found by itself when None.
        map_location (str): Device to read the file to.
        sha256 (str, optional): Digest that the file must have, or its first
            digits.
        inflation (str): How a kernel of an image becomes one of a video:
            'average', the published models' way, puts it into each frame
            divided by their number, 'centre' into the middle one. Of no
            effect for the file of a video model.
        input_channels (str): How the first kernel becomes one for another
            ``in_channels``: 'sum', as timm does it, 'mean', or 'none' for an
            error (see :func:`adapt_input_channels`).

    Raises:
        CheckpointError: If the file cannot be read safely or its weights do
            not fit; the message names the arguments that would.
        ValueError: If ``inflation`` or ``input_channels`` is none of these.
    """
    content = read_checkpoint(checkpoint, sha256, map_location)
    state_dict = unwrap(content, checkpoint)
    loaded = select_backbone(state_dict, checkpoint, prefix)
    check_form(model, loaded, source=checkpoint)
    layout = _check_layout(model, loaded, checkpoint)
    _check_head_dim(model, layout, checkpoint)

    wanted = model.state_dict()
    num_stages = model.num_stages
    loaded, adapted = adapt_input_channels(
        loaded, wanted, input_channels, checkpoint
    )
    loaded, inflated = inflate(loaded, wanted, inflation)
    missing, reshaped, unknown = compare(wanted, loaded)
    left_out = [k for k in unknown if _is_left_out(k, num_stages)]
    fresh = [
        k
        for k in missing
        if FRESH.match(k) or (inflated and FRESH_IN_VIDEO.match(k))
    ]
    problems = {
        'missing in the file': [k for k in missing if k not in fresh],
        'unknown to the model': [k for k in unknown if k not in left_out],
        'of another shape': [
            f'{k} {tuple(loaded[k].shape)} for {tuple(wanted[k].shape)}'
            for k in reshaped
        ],
    }
    for kind, names in problems.items():
        if names:
            raise CheckpointError(
                f'{checkpoint} does not fit {type(model).__name__}: '
                f'{len(names)} tensors are {kind}: {some(names)}'
            )
    taken = {k: v for k, v in loaded.items() if k in wanted}
    check_values(taken, wanted, checkpoint)
    model.load_state_dict(taken, strict=False)

    report = f'Loaded {len(taken)} of {len(wanted)} tensors from {checkpoint}'
    if adapted:
        report += f'; {adapted}'
    if inflated:
        report += f'; inflated: {inflated} kernels ({inflation})'
    others = len(state_dict) - len(loaded)
    if left_out or others:
        report += f'; left out: {_modules(left_out)}'
        if others:
            report += f' and {others} tensors of other modules'
    if fresh:
        report += f'; start fresh: {_modules(fresh)}'
    if len(_fitting_archs(model, layout)) > 1:
        report += f'; {_head_dim_note(model)}'
    print_log(report + '.', logger='current')


def warn_of_head_dim(
    model: nn.Module, loaded: dict[str, Tensor], source: str
) -> None:
    """Logs the head dimension where the tensors of a file cannot tell it.

    Args:
        model (nn.Module): A backbone of this package.
        loaded (dict[str, Tensor]): Tensors of a published file by its names.
        source (str): Path, URL or name of the file.

    Raises:
        CheckpointError: If its name tells another one.
    """
    try:
        layout = read_layout(loaded)
    except IndexError:
        # No whole model: whoever loads it says what is missing.
        return
    _check_head_dim(model, layout, source)
    if len(_fitting_archs(model, layout)) > 1:
        print_log(
            f'{source}: {_head_dim_note(model)}.',
            logger='current',
            level=logging.WARNING,
        )


def _check_head_dim(model: nn.Module, file: Layout, source: str) -> None:
    """Looks whether published weights were trained with other heads."""
    fitting = _fitting_archs(model, file)
    experiment = trained_by(source) if len(fitting) > 1 else None
    if experiment is None or experiment.head_dim == model.arch.head_dim:
        return
    raise CheckpointError(
        f'{source} was trained with head_dim {experiment.head_dim}, and the '
        f'model has {model.arch.head_dim}: use arch={experiment.arch!r}'
    )


def _head_dim_note(model: nn.Module) -> str:
    return f'head_dim is {model.arch.head_dim}, by the arch ({HEAD_DIM_32})'


def _is_left_out(key: str, num_stages: int) -> bool:
    match = STAGE.match(key)
    stage = STAGE_OF_TOKEN.get(key.split('.')[0], 0)
    if FRESH.match(key):
        # The norm of a level that out_indices does not ask for.
        return True
    if (int(match.group(1)) if match else stage) > num_stages:
        return True
    return CLASSIFIER.match(key) is not None


def _check_layout(
    model: nn.Module, loaded: dict[str, Tensor], source: str
) -> Layout:
    """The layout of the whole file, if that of the model is part of it."""
    own = read_layout(model.state_dict())
    try:
        whole = read_layout(loaded)
        file = read_layout(loaded, model.num_stages)
    except IndexError as error:
        raise CheckpointError(
            f'{source} holds no UniFormer: blocks or kernels of its stages '
            'are missing'
        ) from error
    if (file.ndim, own.ndim) == (2, 3):
        file, whole = file.as_video(own), whole.as_video(own)
    if own == file:
        return whole
    different = [
        f.name
        for f in fields(Layout)
        if getattr(file, f.name) != getattr(own, f.name)
    ]
    differences = [
        f'{name} is {getattr(file, name)} in the file and '
        f'{getattr(own, name)} in the model'
        for name in different
    ]
    raise CheckpointError(
        f'{source} does not fit {type(model).__name__}: '
        f'{"; ".join(differences)}: {_advice(model, whole, different)}'
    )


def _advice(model: nn.Module, file: Layout, different: list[str]) -> str:
    if 'ndim' in different or 'light' in different:
        kind, name = CLASSES[file.ndim, file.light]
        return f"it is {kind} model: use type='mmuniformer.{name}'"
    advice = [
        f'{name}={getattr(file, name)!r}'
        for name in different
        if name not in ARCH_FIELDS
    ]
    hint = ''
    if not set(different).isdisjoint(ARCH_FIELDS):
        fitting = _fitting_archs(model, file)
        names = ' or '.join(f'arch={name!r}' for name in fitting)
        settings = {name: getattr(file, name) for name in ARCH_FIELDS}
        scaled = file.layer_scale_stages
        if different == ['layer_scale_stages'] and not fitting and scaled:
            names = 'layer_scale_init_value=0.1'
            if scaled != model.arch.layer_scale_stages:
                names += f" and arch['layer_scale_stages']={scaled}"
        advice.insert(0, names or f'arch={settings}')
        hint = f' ({HEAD_DIM_32})' * (len(fitting) > 1)
    return f'use {", ".join(advice)}{hint}'


def _fitting_archs(model: nn.Module, file: Layout) -> list[str]:
    """Names of the published architectures that have a file's layout."""
    names = []
    for name, arch in model.archs.items():
        scaled = arch.layer_scale_init_value is not None
        settings = (
            arch.depths,
            arch.embed_dims,
            arch.conv_stem,
            arch.layer_scale_stages if scaled else (),
        )
        if settings == (
            file.depths,
            file.embed_dims,
            file.conv_stem,
            file.layer_scale_stages,
        ):
            names.append(name)
    return names


def _modules(keys: Iterable[str]) -> str:
    """Names of top-level modules with the number of their tensors."""
    counts: dict[str, int] = {}
    for key in keys:
        name = key.split('.')[0]
        counts[name] = counts.get(name, 0) + 1
    return ', '.join(f'{k} ({n})' for k, n in counts.items()) or 'nothing'
