"""Models from pixels to results: which network a model becomes."""

from collections.abc import Callable

from torch import nn

from mmuniformer.deployment.layers import make_traceable
from mmuniformer.deployment.networks.base import (
    Network,
    NotExported,
    Output,
    way_out,
)
from mmuniformer.deployment.networks.classes import Classifier, Recognizer
from mmuniformer.deployment.networks.part import Part
from mmuniformer.deployment.networks.pose import Pose
from mmuniformer.deployment.networks.segmentor import Segmentor
from mmuniformer.prediction.models import LoadedModel

__all__ = ['Network', 'Output', 'network_of']


def _detector(loaded: LoadedModel) -> Network:
    # Its torchvision has the operator for NMS; nothing else needs it.
    from mmuniformer.deployment.networks.detector import Detector

    return Detector(loaded)


# Classes of the hosts by what their models become.
WHOLE: dict[tuple[str, str], Callable[[LoadedModel], Network]] = {
    ('mmpretrain', 'ImageClassifier'): Classifier,
    ('mmaction', 'Recognizer3D'): Recognizer,
    ('mmseg', 'EncoderDecoder'): Segmentor,
    ('mmpose', 'TopdownPoseEstimator'): Pose,
    ('mmdet', 'SingleStageDetector'): _detector,
}
TWO_STAGES = 'TwoStageDetector'


def network_of(loaded: LoadedModel, part: str | None = None) -> Network:
    """The network that is exported of a model.

    Args:
        loaded (LoadedModel): The model; its layers are changed.
        part (str, optional): 'backbone' or 'neck' for the maps of these; by
            default the whole model, and of a detector of two stages backbone
            and neck.

    Raises:
        NotExported: If the model is not exported whole; what can be had of
            it is said.
    """
    net = loaded.net
    make_traceable(net)
    if part is None and is_two_stage(net):
        part = 'neck'
    if part is not None:
        return Part(loaded, part)
    names = {kind.__name__ for kind in type(net).__mro__}
    for (library, name), make in WHOLE.items():
        if library == loaded.library and name in names:
            try:
                return make(loaded)
            except NotExported as error:
                raise NotExported(f'{error}; {way_out(net)}') from error
    known = ', '.join(name for _, name in WHOLE)
    raise NotExported(
        f'{type(net).__name__} of {loaded.library} is not exported whole '
        f'({known} are); {way_out(net)}'
    )


def is_two_stage(net: nn.Module) -> bool:
    """Whether a model is a detector with regions of interest."""
    return TWO_STAGES in {kind.__name__ for kind in type(net).__mro__}
