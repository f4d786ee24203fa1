"""Files of a trained model that run without the training stack."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from mmuniformer.apis.deployment import deploy
from mmuniformer.deployment.beside_host import (
    check_preprocessor,
    check_results,
)
from mmuniformer.deployment.calibration import MOST, Calibration
from mmuniformer.deployment.comparing import (
    Difference,
    differences,
    expected,
    pictures,
    unseen_shapes,
)
from mmuniformer.deployment.description import describe
from mmuniformer.deployment.formats import FORMATS, Format, Outputs
from mmuniformer.deployment.formats.compiled import check_compilable
from mmuniformer.deployment.networks import Network, is_two_stage, network_of
from mmuniformer.deployment.networks.base import channels_of, way_out
from mmuniformer.deployment.networks.part import Part
from mmuniformer.deployment.pipelines import (
    SAMPLERS,
    clip_of,
    size_of,
    steps_of,
)
from mmuniformer.deployment.quantizing import quantize_file
from mmuniformer.deployment.tracing import TRACED_FRAMES, Shape, trace
from mmuniformer.engine.processes import this_host
from mmuniformer.errors import UnwritableFile, UserError, first_line
from mmuniformer.nodes import type_name
from mmuniformer.prediction.models import (
    WEIGHTS,
    LoadedModel,
    load_model,
)

CHECKPOINT = 'checkpoint'
WORDS = (CHECKPOINT, *FORMATS)
SHORTER = {'fp32': 'float32', 'fp16': 'float16', 'bf16': 'bfloat16'}
SUFFIXES = {'.pth': CHECKPOINT, '.onnx': 'onnx', '.xml': 'openvino'}
# A file of machine code ends in the same way, and is asked for by name.
SUFFIXES['.pt2'] = 'torch'


@dataclass(frozen=True)
class Exported:
    """A file that was written and looked at.

    Attributes:
        path (Path): The file; one that differs has another name.
        about (dict): What it says of itself.
        rows (list[Difference]): How it differs from the model.
    """

    path: Path
    about: dict[str, Any]
    rows: list[Difference]

    @property
    def is_good(self) -> bool:
        """Whether all differences are below their limits."""
        return not any(row.is_large for row in self.rows)


def export(
    config: str,
    checkpoint: str,
    out: str | None = None,
    to: str | None = None,
    *,
    part: str | None = None,
    size: Sequence[int] | None = None,
    static: bool = False,
    dynamic_frames: bool = False,
    dtype: str = 'float32',
    calibrate: str | None = None,
    calibration_images: int = MOST,
    boxes: str | None = None,
    cfg_options: dict[str, Any] | None = None,
) -> Exported | None:
    """Writes a trained model in a form that runs elsewhere.

    Its backbones are in deployment form. The file is run in its own runtime
    at sizes that it was not traced at, and compared with the model, before it
    gets its name: it appears complete and good, or not at all. One that
    differs stays under ``NAME.differs.SUFFIX``.

    Args:
        config (str): Config of any OpenMMLab library, as trained.
        checkpoint (str): File, URL or name of weights that fill its model.
        out (str, optional): The file; by default the name of the config in
            the folder of work.
        to (str, optional): 'torch', 'onnx', 'openvino', 'aoti', or
            'checkpoint' for a checkpoint in deployment form, see
            :func:`deploy`; by default what the suffix of ``out`` says.
        part (str, optional): 'backbone' or 'neck': the maps of these alone.
        size (Sequence[int], optional): Height and width to trace at; of the
            test pipeline by default.
        static (bool): For a batch of one and ``size`` alone.
        dynamic_frames (bool): Of a video model, for clips of any length.
        dtype (str): Of the weights: 'float32', 'float16' or 'bfloat16', or
            shorter 'fp32', 'fp16' or 'bf16'; or 'int8' for 8 bits in
            convolutions and matrix products, too.
        calibrate (str, optional): Folder with images, or of a model for
            actions with videos, by which the numbers of 8 bits are chosen.
        calibration_images (int): How many of them are used at most.
        boxes (str, optional): COCO file with their boxes, for a top-down
            pose model.
        cfg_options (dict, optional): Values by dotted key.

    Returns:
        Exported or None: None of a checkpoint.

    Raises:
        UserError: For a mistake in what the user gave.
        CheckpointError: If the checkpoint cannot be read.
    """
    if config.lower().endswith(WEIGHTS):
        raise UserError(
            f'{config} is a checkpoint: name its config first, then it'
        )
    path, word = _target(config, out, to)
    if size is not None and min(size) < 1:
        raise UserError(f'--size {size[0]} {size[1]}: sizes are 1 or more')
    if word == CHECKPOINT:
        _check_checkpoint(
            {
                f'--part {part}': part is not None,
                '--size': size is not None,
                '--static': static,
                '--dynamic-frames': dynamic_frames,
                f'--dtype {dtype}': SHORTER.get(dtype, dtype) != 'float32',
                '--calibrate': calibrate is not None,
                '--boxes': boxes is not None,
            }
        )
        deploy(config, checkpoint, str(path), cfg_options)
        return None
    form = FORMATS[word]
    for file in form.files(path):
        if file.exists():
            raise UserError(
                f'{file} exists; name a new file or delete that one'
            )
    dtype = SHORTER.get(dtype, dtype)
    if dtype not in form.dtypes:
        others = [name for name in FORMATS if dtype in FORMATS[name].dtypes]
        told = f'; --to {" or ".join(others)} takes it' if others else ''
        raise UserError(
            f'--dtype {dtype}: {word} takes {", ".join(form.dtypes)}{told}'
        )
    _check_calibration(dtype, calibrate, calibration_images, boxes)
    form.check()
    loaded = load_model(
        config,
        checkpoint,
        'cpu',
        cfg_options=cfg_options,
        keeps_pipeline=True,
    )
    for line in loaded.about:
        print_log(line, logger='current')
    _check_pipeline(loaded)
    _check_size(loaded, size, static, dynamic_frames)
    with DefaultScope.overwrite_default_scope(loaded.library):
        network = network_of(loaded, part)
        if part is None and is_two_stage(loaded.net):
            print_log(
                f'{type(loaded.net).__name__} has two stages: its backbone '
                'and neck are exported.',
                logger='current',
            )
        shape = _shape(loaded, network, size, static, dynamic_frames)
        if form.name == 'aoti' and not static:
            check_compilable(network)
            # It reckons with the sizes that were traced.
            shape = replace(shape, least=shape.smallest, fewest=TRACED_FRAMES)
        calibration = None
        if calibrate is not None:
            calibration = Calibration(
                loaded,
                calibrate,
                calibration_images,
                boxes,
                shape.of(1, shape.size) if static else None,
            )
        about = describe(loaded, network, Path(config).stem)
        about['dtype'] = dtype
        about['input']['shape'] = _axes(shape)
        if not static:
            about['input']['smallest'] = shape.least
        shapes = unseen_shapes(shape)
        inputs = [pictures(one) for one in shapes]
        check_preprocessor(loaded, network, inputs[0])
        wanted = [_expected(network, images) for images in inputs]
        if not isinstance(network, Part):
            check_results(loaded, network, inputs[0], wanted[0])
        if form.name != 'openvino':
            network = network.to_dtype(getattr(torch, dtype))
        return _write(
            form, network, shape, about, path, inputs, wanted, calibration
        )


def _expected(network: Network, images: np.ndarray) -> Outputs:
    """What the model gives.

    Raises:
        UserError: If its head, or a part of it, is called in another way than
            is known here.
    """
    try:
        return expected(network, images)
    except UserError:
        raise
    except Exception as error:
        shape = ' x '.join(map(str, images.shape))
        # Of a part there is no smaller one.
        is_part = isinstance(network, Part)
        rest = '' if is_part else f'; {way_out(network.net)}'
        raise UserError(
            f'{type(network.net).__name__} does not run as it is exported, on '
            f'{shape}: {type(error).__name__}: {first_line(error)}{rest}'
        ) from error


def _write(
    form: Format,
    network: Network,
    shape: Shape,
    about: dict[str, Any],
    path: Path,
    inputs: list,
    wanted: list,
    calibration: Calibration | None,
) -> Exported:
    # Beside it, so that a rename is all that is left to do.
    folder = path.with_name(
        f'.{path.name}.{this_host()}.{os.getpid()}.partial'
    )
    try:
        folder.mkdir(parents=True)
        draft = folder / path.name
        program = trace(network, shape, about['input']['name'])
        form.write(program, draft, about)
        if calibration is not None:
            quantize_file(draft, calibration, about)
            print_log(
                f'Chose the numbers of 8 bits by {len(calibration)} images.',
                logger='current',
            )
        found = form.run_apart(draft, inputs)
        rows = []
        for images, ours, theirs in zip(inputs, found, wanted, strict=True):
            rows += differences(
                network.outputs, images.shape, ours, theirs, about['dtype']
            )
        good = not any(row.is_large for row in rows)
        if not good:
            path = path.with_name(f'{path.stem}.differs{path.suffix}')
        # The one that names the others last.
        for old, new in reversed(
            list(zip(form.files(draft), form.files(path), strict=True))
        ):
            os.replace(old, new)
        return Exported(path, about, rows)
    except OSError as error:
        raise UnwritableFile(
            f'{path} cannot be written: {error.strerror or error}'
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_checkpoint(given: Mapping[str, bool]) -> None:
    for name, is_given in given.items():
        if is_given:
            others = '|'.join(FORMATS)
            raise UserError(
                f'{name} is for --to {others}: a checkpoint in deployment '
                'form is the whole model in its own type'
            )


def _check_calibration(
    dtype: str, folder: str | None, most: int, boxes: str | None
) -> None:
    if dtype == 'int8' and folder is None:
        raise UserError(
            '--dtype int8 chooses its numbers by images: name a folder of '
            'them by --calibrate'
        )
    if dtype != 'int8' and folder is not None:
        raise UserError(f'--calibrate is for --dtype int8, not {dtype}')
    if boxes is not None and folder is None:
        raise UserError('--boxes is for --calibrate, which is not there')
    if most < 1:
        raise UserError(f'--calibration-images must be at least 1, not {most}')


def _target(config: str, out: str | None, to: str | None) -> tuple[Path, str]:
    """The file, and the word for its format."""
    suffixes = {CHECKPOINT: '.pth'}
    suffixes |= {word: form.suffix for word, form in FORMATS.items()}
    if to is not None and to not in suffixes:
        raise UserError(f'--to {to}: it is one of {", ".join(WORDS)}')
    if out is None:
        if to is None:
            raise UserError(
                'name the new file, or what it is to be by --to '
                f'{"|".join(WORDS)}'
            )
        return Path(f'{Path(config).stem}{suffixes[to]}'), to
    path = Path(out)
    word = to or SUFFIXES.get(path.suffix)
    if word is None:
        raise UserError(
            f'{out}: the name of the new file must end in '
            f'{", ".join(SUFFIXES)}'
        )
    if path.suffix != suffixes[word]:
        raise UserError(
            f'{out}: the name of a file for --to {word} must end in '
            f'{suffixes[word]}'
        )
    return path, word


def _check_pipeline(loaded: LoadedModel) -> None:
    names = [type_name(node) for node in loaded.pipeline]
    for name in names:
        if 'Normalize' in name:
            raise UserError(
                f'the test pipeline has {name}, and pixels go into a file as '
                'they are: give mean and std to model.data_preprocessor '
                'instead'
            )
    backbone = getattr(loaded.net, 'backbone', None)
    is_of_clips = getattr(backbone, 'ndim', 2) == 3
    if is_of_clips and clip_of(loaded.pipeline) is None:
        raise UserError(
            f'the test pipeline ({", ".join(names)}) chooses frames in no way '
            f'that is known here, as {", ".join(SAMPLERS)} do'
        )


def _check_size(
    loaded: LoadedModel,
    size: Sequence[int] | None,
    static: bool,
    dynamic_frames: bool,
) -> None:
    if dynamic_frames and clip_of(loaded.pipeline) is None:
        raise UserError('--dynamic-frames is for video models')
    found = size_of(steps_of(loaded.library, loaded.pipeline))
    if static and size is None and (found is None or not found[1]):
        raise UserError(
            '--static: the test pipeline brings images to no one size; add '
            '--size HEIGHT WIDTH'
        )


def _shape(
    loaded: LoadedModel,
    network: Network,
    size: Sequence[int] | None,
    static: bool,
    dynamic_frames: bool,
) -> Shape:
    if size is None:
        found = size_of(steps_of(loaded.library, loaded.pipeline))
        size = (224, 224) if found is None else found[0]
        if not static:
            size = [max(side, network.smallest) for side in size]
    clip = clip_of(loaded.pipeline)
    return Shape(
        size=(int(size[0]), int(size[1])),
        channels=channels_of(loaded),
        frames=None if clip is None else clip['frames'],
        smallest=1 if static else network.smallest,
        least=1 if static else network.least,
        static=static,
        dynamic_frames=dynamic_frames,
    )


def _axes(shape: Shape) -> list[int | str]:
    """What the dimensions of the input are."""
    if shape.static:
        return list(shape.of(1, shape.size))
    frames = 'frames' if shape.dynamic_frames else shape.frames
    clip = [] if shape.frames is None else [frames]
    return ['batch', *clip, 'height', 'width', shape.channels]
