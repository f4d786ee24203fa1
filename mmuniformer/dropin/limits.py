"""Models that take no backbone of ours, and what a model needs besides."""

from importlib.util import find_spec

from mmengine.config import Config

from mmuniformer.dropin.levels import Tied
from mmuniformer.nodes import type_name, walk

# Models that hide parts of their input from their own transformer, or read
# other things than pictures: why they are not tried, by their type.
NO_MAPS = {
    **dict.fromkeys(
        ('MAE', 'BEiT', 'CAE', 'SimMIM', 'MaskFeat', 'MILAN', 'MixMIM', 'EVA',
         'iTPN', 'SparK', 'VideoMAE'),
        'it hides patches from its own transformer. Contrastive methods such '
        'as mocov2, byol or simsiam take any backbone',
    ),
    **dict.fromkeys(
        ('RecognizerGCN', 'PoseLifter'),
        'it reads coordinates of joints, and no pictures',
    ),
    'RecognizerOmni': 'its backbone reads images and clips alike. Start from '
    'slowonly',
    'TridentFasterRCNN': 'its branches are those of its backbone. Start from '
    'faster_rcnn',
    'DWPoseDistiller': 'its teacher and student are configs of their own. '
    "Swap the backbone of the student's",
    'MultimodalEncoderDecoder': 'it reads the tokens of CLIP. Start from '
    'mask2former',
    **dict.fromkeys(
        ('BMN', 'BSN', 'TEM', 'PEM', 'TCANet', 'DRN'),
        'it reads features that another model has made',
    ),
}  # fmt: skip
# Parts of a model that are made for one backbone, or are not trained.
OWN_MAPS = {
    'AssociativeEmbeddingHead': 'mmpose does not train it: its configs have '
    'no training pipeline. Start from dekr or cid',
    **dict.fromkeys(
        ('DDRHead', 'PIDHead'),
        'it reads the branches of its own backbone. Start from segformer or '
        'deeplabv3plus',
    ),
    'RTMWHead': 'it reads maps whose channels double from level to level. '
    'Start from rtmpose',
    'LRASPPHead': "it averages over 49 x 49 pixels, more than UniFormer's "
    'coarsest map has. Start from segformer or deeplabv3plus',
}  # fmt: skip
# What the libraries do not install, by what needs it: module, distribution.
OPTIONAL = {
    'BoxInstDataPreprocessor': ('skimage', 'scikit-image'),
    'ByteTracker': ('lap', 'lap'),
    'OCSORTTracker': ('lap', 'lap'),
    'SORTTracker': ('motmetrics', 'motmetrics'),
    'StrongSORTTracker': ('motmetrics', 'motmetrics'),
    'PAAHead': ('sklearn', 'scikit-learn'),
    'LADHead': ('sklearn', 'scikit-learn'),
    'GLIP': ('nltk', 'nltk'),
    'BertModel': ('transformers', 'transformers'),
}
# By its function mmdet's encoders with `num_cp` compute activations again.
FOR_CHECKPOINTS = ('fairscale', 'fairscale')


def refuse(model: dict) -> None:
    """Says of a model that it works without a backbone of ours alone.

    Args:
        model (dict): ``cfg.model``.

    Raises:
        Tied: With the reason, and the way out.
    """
    kind = type_name(model)
    if kind in NO_MAPS:
        raise Tied(f'{kind}: {NO_MAPS[kind]}')
    for _, node in walk(model):
        part = type_name(node)
        if part in OWN_MAPS:
            raise Tied(f'{part}: {OWN_MAPS[part]}')


def missing_packages(cfg: Config) -> list[str]:
    """What is to be installed before the model can be built, as notes.

    Args:
        cfg (Config): Of a host library.
    """
    notes = []
    for path, node in walk(cfg.model, 'model'):
        needed = OPTIONAL.get(type_name(node))
        or_else = ''
        if node.get('num_cp', 0) > 0:
            needed = FOR_CHECKPOINTS
            or_else = ', or num_cp=0, which takes more memory'
        if needed and find_spec(needed[0]) is None:
            notes.append(
                f'{path} needs {needed[1]}, which is not installed: '
                f'pip install {needed[1]}{or_else}'
            )
    return notes
