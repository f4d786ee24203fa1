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
                tracker=dict(type='ByteTracker'),
                bbox_head=dict(type='PAAHead'),
                encoder=dict(num_cp=6),
                decoder=dict(num_cp=0),
            )
        )
    )
    assert limits.missing_packages(cfg) == [
        'model.bbox_head needs scikit-learn, which is not installed: '
        'pip install scikit-learn',
        'model.encoder needs fairscale, which is not installed: '
        'pip install fairscale, or num_cp=0, which takes more memory',
    ]
