"""What a file says of itself: one JSON under one key."""

from typing import Any

from mmuniformer.deployment.networks.base import Network, channels_of
from mmuniformer.deployment.pipelines import clip_of, steps_of
from mmuniformer.prediction.models import LoadedModel
from mmuniformer.prediction.poses import PosePredictor
from mmuniformer.prediction.predictor import Predictor
from mmuniformer.version import __version__

# Under which metadata of a file the description is.
KEY = 'mmuniformer'
# Grows when a reader of an older one would go wrong.
FORMAT = 1


def describe(
    loaded: LoadedModel, network: Network, config: str
) -> dict[str, Any]:
    """All that one has to know to use a file.

    Args:
        loaded (LoadedModel): The model.
        network (Network): What was made of it.
        config (str): Name of its config.

    Returns:
        dict: It can be written as JSON.
    """
    clip = clip_of(loaded.pipeline)
    normalise = network.normalise
    channels = channels_of(loaded)
    about = dict(
        format=FORMAT,
        made_by=f'mmuniformer {__version__}',
        config=config,
        model=type(loaded.net).__name__,
        task=network.task,
        dtype=str(network.dtype).removeprefix('torch.'),
        input=dict(
            name='images' if clip is None else 'clips',
            layout='NHWC' if clip is None else 'NTHWC',
            dtype='uint8' if channels == 3 else 'float32',
            channels='RGB' if channels == 3 else channels,
            range=[0, 255],
            about='pixels as they are: they are normalised in the file',
        ),
        normalisation=dict(
            inside=True,
            mean=_numbers(normalise.mean),
            std=_numbers(normalise.std),
            channels='BGR' if normalise.reversed_channels else 'as they come',
            multiple_of=normalise.divisor,
        ),
        steps=steps_of(loaded.library, loaded.pipeline),
        outputs=[
            dict(name=out.name, axes=list(out.axes), about=out.about)
            for out in network.outputs
        ],
        **network.facts(),
    )
    if clip is not None:
        about['clip'] = clip
    return about | _names(loaded)


def _numbers(values: Any) -> list[float] | None:
    if values is None:
        return None
    # As a config has them, not as float32 keeps them.
    return [float(f'{float(value):.6g}') for value in values]


def _names(loaded: LoadedModel) -> dict[str, Any]:
    """Classes, colours and keypoints of the data set."""
    meta = loaded.metainfo
    if loaded.library == 'mmpose':
        predictor = PosePredictor(loaded)
        return dict(
            keypoints=list(predictor.keypoints),
            skeleton=[list(link) for link in predictor.links],
            mirrored=[int(i) for i in meta['flip_indices']],
        )
    names = dict(classes=list(Predictor(loaded).class_names))
    palette = meta.get('palette')
    if isinstance(palette, list | tuple):
        names['palette'] = [[int(v) for v in colour] for colour in palette]
    return names
