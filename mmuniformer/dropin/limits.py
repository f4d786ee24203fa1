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
    'Detectron2Wrapper': "its model is detectron2's. Start from mask_rcnn",
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
    **dict.fromkeys(
        ('CPM', 'MSPNHead'),
        'it learns from every stage of its own backbone. Start from '
        'td-hm_res50',
    ),
    'RGBPoseConv3D': 'it reads pictures and heatmaps side by side. Start from '
    'slowonly',
    'RTMWHead': 'it reads maps whose channels double from level to level. '
    'Start from rtmpose',
    'LRASPPHead': "it averages over 49 x 49 pixels, more than UniFormer's "
    'coarsest map has. Start from segformer or deeplabv3plus',
    'VPD': 'it is a diffusion model, which reads names of classes besides. '
    'Start from upernet or sem_fpn',
    'FBOHead': 'it reads a bank of features that another model has made. '
    'Start from slowonly or acrn',
    **dict.fromkeys(
        ('ResLayer', 'ResLayerExtraNorm'),
        "it is the last stage of a ResNet, for that one's maps. Start from a "
        'config with FPN',
    ),
    'LFBInferHead': 'it writes the features of a trained model, and trains '
    'nothing. Start from slowonly or acrn',
}  # fmt: skip
# What models of pictures and words have instead of a backbone.
TOWERS = ('vision_backbone', 'vision_encoder', 'visual_encoder', 'visual')
# What the libraries do not install, by what needs it: modules with their
# distributions.
OPTIONAL = {
    'BoxInstDataPreprocessor': {'skimage': 'scikit-image'},
    'ByteTracker': {'lap': 'lap'},
    'OCSORTTracker': {'lap': 'lap', 'motmetrics': 'motmetrics'},
    'SORTTracker': {'motmetrics': 'motmetrics'},
    'StrongSORTTracker': {'motmetrics': 'motmetrics'},
    'PAAHead': {'sklearn': 'scikit-learn'},
    'LADHead': {'sklearn': 'scikit-learn'},
    'GLIP': {'nltk': 'nltk'},
    'BertModel': {'transformers': 'transformers'},
}
# By its function mmdet's encoders with `num_cp` compute activations again.
FOR_CHECKPOINTS = {'fairscale': 'fairscale'}


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
    if kind == 'ImageClassifier' and not model.get('head'):
        raise Tied(
            f'{kind} has no head, so nothing of it is trained. Start from a '
            'config with a head'
        )
    for _, node in walk(model):
        part = type_name(node)
        if part in OWN_MAPS:
            raise Tied(f'{part}: {OWN_MAPS[part]}')


def without_backbone(model: dict) -> str:
    """What is said of a model that has no backbone.

    Args:
        model (dict): ``cfg.model``.
    """
    kind = type_name(model)
    tower = next((key for key in TOWERS if key in model), None)
    if tower:
        return (
            f'{kind} has no backbone: its {tower} gives tokens to a model of '
            'words. Start from a config of the task with a model.backbone'
        )
    return (
        f'{kind} has no backbone whose maps a neck or head reads. Start from '
        'a config of the task with a model.backbone'
    )


def missing_packages(cfg: Config) -> list[str]:
    """What is to be installed before the model can be built, as notes.

    Args:
        cfg (Config): Of a host library.
    """
    notes = []
    for path, node in walk(cfg.model, 'model'):
        needed = OPTIONAL.get(type_name(node), {})
        or_else = ''
        if node.get('num_cp', 0) > 0:
            needed = FOR_CHECKPOINTS
            or_else = ', or num_cp=0, which takes more memory'
        notes += [
            f'{path} needs {package}, which is not installed: '
            f'pip install {package}{or_else}'
            for module, package in needed.items()
            if find_spec(module) is None
        ]
    return notes
