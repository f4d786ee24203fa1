"""Models of OpenVINO in 8 bits, by what they do on some images."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mmuniformer.deployment.formats.openvino import save
from mmuniformer.deployment.formats.packages import need, unreported

# Operations that would be computed in 8 bits.
PRODUCTS = ('Convolution', 'GroupConvolution', 'MatMul')


class Images(Protocol):
    """Inputs of a model, read more than once."""

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields one after another."""

    def __len__(self) -> int:
        """How many there are."""


def quantize_file(
    path: Path, images: Images, about: Mapping[str, Any]
) -> None:
    """Replaces a file of OpenVINO by one in 8 bits.

    Args:
        path (Path): File ending in .xml, in float32.
        images (Images): Inputs of the model.
        about (Mapping): From :func:`describe`, of the new file.
    """
    import openvino

    core = openvino.Core()
    # What is mapped into memory could not be written over.
    core.set_property({'ENABLE_MMAP': False})
    model = quantize(core.read_model(path), images)
    # As many as could be read.
    save(model, path, {**about, 'calibration_images': len(images)})


def quantize(model: Any, images: Images) -> Any:
    """Has convolutions and matrix products computed in 8 bits.

    Softmax, norms, GELU and sums stay as they are: NNCF's rules for
    transformers. So does what is computed from results of the model, such as
    keypoints from heatmaps.

    Args:
        model (openvino.Model): In float32, of any sizes.
        images (Images): Its inputs, of which all are used.

    Returns:
        openvino.Model: Another model.
    """
    need('nncf')
    with _quiet_nncf() as nncf:
        return nncf.quantize(
            model,
            nncf.Dataset(images),
            model_type=nncf.ModelType.TRANSFORMER,
            # By default the first 300.
            subset_size=len(images),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=list(_decoders(model))),
        )


def _decoders(model: Any) -> Iterator[str]:
    """Names of products that are computed from results of a model."""
    sources = [
        result.input_value(0).get_node() for result in model.get_results()
    ]
    seen = set()
    while sources:
        node = sources.pop()
        for output in node.outputs():
            for target in output.get_target_inputs():
                after = target.get_node()
                name = after.get_friendly_name()
                if name in seen:
                    continue
                seen.add(name)
                sources.append(after)
                if after.get_type_name() in PRODUCTS:
                    yield name


@contextmanager
def _quiet_nncf() -> Iterator[Any]:
    """NNCF without its notes, and without what it sends to its makers."""
    with unreported(), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import nncf

        logger = logging.getLogger('nncf')
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            yield nncf
        finally:
            logger.setLevel(level)
