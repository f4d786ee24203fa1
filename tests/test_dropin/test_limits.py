"""What takes no backbone of ours, and what is not installed."""

import pytest
from mmengine.config import Config

from mmuniformer.dropin import limits, swap
from mmuniformer.dropin.levels import Tied


@pytest.mark.parametrize(
    ('model', 'told'),
    [
        (dict(type='TridentFasterRCNN'), 'Start from faster_rcnn'),
        (dict(type='mmpretrain.MAE'), 'hides patches'),
        (dict(type='RecognizerOmni'), 'Start from slowonly'),
        (
            dict(type='EncoderDecoder', decode_head=dict(type='LRASPPHead')),
            'LRASPPHead: it averages over 49 x 49 pixels',
        ),
        (dict(decode_head=[dict(type='DDRHead')]), 'Start from segformer'),
        (dict(head=dict(type='AssociativeEmbeddingHead')), 'from dekr'),
        (dict(head=dict(type='RTMWHead')), 'channels double'),
        (dict(backbone=dict(type='CPM')), 'CPM: it learns from every stage'),
        (dict(backbone=dict(type='RGBPoseConv3D')), 'side by side'),
        (
            dict(roi_head=dict(shared_head=dict(type='ResLayer'))),
            'ResLayer: it is the last stage of a ResNet',
        ),
        (
            dict(roi_head=dict(shared_head=dict(type='FBOHead'))),
            'Start from slowonly or acrn',
        ),
        (dict(backbone=dict(type='VPD')), 'VPD: it is a diffusion model'),
        (dict(type='Detectron2Wrapper'), 'Start from mask_rcnn'),
        (
            dict(type='BlipVQA', vision_backbone=dict(type='ViT')),
            'BlipVQA has no backbone: its vision_backbone gives tokens',
        ),
        (dict(type='CLIP'), 'CLIP has no backbone whose maps'),
        (
            dict(type='ImageClassifier', backbone=dict(), head=None),
            'ImageClassifier has no head',
        ),
    ],
)
def test_models_that_are_refused_by_name(model, told):
    cfg = Config(dict(default_scope='mmdet', model=model))
    with pytest.raises(Tied, match=told):
        swap(cfg)


def test_what_is_not_installed_is_said(monkeypatch):
    there = {'lap': object()}
    monkeypatch.setattr(limits, 'find_spec', there.get)
    cfg = Config(
        dict(
            model=dict(
                tracker=dict(type='OCSORTTracker'),
                bbox_head=dict(type='PAAHead'),
                encoder=dict(num_cp=6),
                decoder=dict(num_cp=0),
            )
        )
    )
    assert limits.missing_packages(cfg) == [
        'model.tracker needs motmetrics, which is not installed: '
        'pip install motmetrics',
        'model.bbox_head needs scikit-learn, which is not installed: '
        'pip install scikit-learn',
        'model.encoder needs fairscale, which is not installed: '
        'pip install fairscale, or num_cp=0, which takes more memory',
    ]
