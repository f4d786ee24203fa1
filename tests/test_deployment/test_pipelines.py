"""What a test pipeline does, in words of no library."""

import math

import pytest

from mmuniformer.deployment.pipelines import (
    clip_of,
    reads_rgb,
    size_of,
    steps_of,
)

READ = dict(type='LoadImageFromFile')


def test_of_imagenet():
    steps = steps_of(
        'mmpretrain',
        [
            READ,
            dict(
                type='ResizeEdge',
                scale=256,
                edge='short',
                backend='pillow',
                interpolation='bicubic',
            ),
            dict(type='CenterCrop', crop_size=224),
            dict(type='PackInputs'),
        ],
    )
    assert steps == [
        dict(op='resize', short_edge=256, interpolation='bicubic'),
        dict(op='center_crop', size=[224, 224]),
    ]
    assert size_of(steps) == ((224, 224), True)


def test_of_coco():
    resize = dict(type='Resize', scale=(1333, 800), keep_ratio=True)
    steps = steps_of('mmdet', [READ, resize, dict(type='PackDetInputs')])
    (step,) = steps
    assert step['long_edge_at_most'] == 1333
    assert step['short_edge_at_most'] == 800
    # No one size: what a photo of 4 : 3 becomes.
    assert size_of(steps) == ((800, 1066), False)


def test_sides_are_height_and_width():
    (step,) = steps_of('mmdet', [dict(type='Resize', scale=(64, 48))])
    assert step['size'] == [48, 64]
    (step,) = steps_of(
        'mmdet', [dict(type='TopdownAffine', input_size=(192, 256))]
    )
    assert step['size'] == [256, 192]
    for name in ('CenterCrop', 'ThreeCrop'):
        node = dict(type=name, crop_size=(64, 48))
        (step,) = steps_of('mmaction', [node])
        assert step['size'] == [48, 64]


@pytest.mark.parametrize(
    ('scale', 'keys'),
    [
        ((-1, 256), dict(short_edge=256)),
        ((math.inf, 256), dict(short_edge=256)),
        ((340, 256), dict(long_edge_at_most=340, short_edge_at_most=256)),
        (0.5, dict(factor=0.5)),
    ],
)
def test_videos_keep_their_ratio(scale, keys):
    (step,) = steps_of('mmaction', [dict(type='Resize', scale=scale)])
    assert step == dict(op='resize', interpolation='bilinear', **keys)
    node = dict(type='Resize', scale=(340, 256), keep_ratio=False)
    (step,) = steps_of('mmaction', [node])
    assert step['size'] == [256, 340]


def test_transforms_of_torchvision():
    steps = steps_of(
        'mmpretrain',
        [
            READ,
            dict(type='NumpyToPIL', to_rgb=True),
            dict(type='torchvision/Resize', size=256),
            dict(type='torchvision/CenterCrop', size=(192, 224)),
            dict(type='PILToNumpy', to_bgr=True),
            dict(type='PackInputs'),
        ],
    )
    assert steps == [
        dict(op='resize', short_edge=256, interpolation='bilinear'),
        dict(op='center_crop', size=[192, 224]),
    ]
    # A size of something else.
    (step,) = steps_of('mmpretrain', [dict(type='torchvision/Pad', size=7)])
    assert size_of([step]) is None


def test_room_around_a_box():
    crop = dict(type='TopdownAffine', input_size=(192, 256))
    for node, padding in (({}, 1.25), (dict(padding=1.5), 1.5)):
        box = dict(type='GetBBoxCenterScale', **node)
        (step,) = steps_of('mmdet', [READ, box, crop])
        assert step['padding'] == padding


def test_what_is_not_known_stays_as_it_is():
    (step,) = steps_of(
        'mmdet', [dict(type='Sharpen', amount=0.5, places=(1, 2))]
    )
    assert step == dict(
        op='Sharpen', type='Sharpen', amount=0.5, places=[1, 2]
    )
    assert size_of([step]) is None


@pytest.mark.parametrize(
    ('library', 'nodes', 'expected'),
    [
        ('mmdet', [READ], False),
        ('mmdet', [dict(READ, channel_order='rgb')], True),
        ('mmpretrain', [READ, dict(type='NumpyToPIL', to_rgb=True)], True),
        (
            'mmpretrain',
            [
                READ,
                dict(type='NumpyToPIL', to_rgb=True),
                dict(type='PILToNumpy', to_bgr=True),
            ],
            False,
        ),
        ('mmaction', [dict(type='OpenCVDecode')], True),
        ('mmaction', [dict(type='mmuniformer.ChannelOrder')], False),
        (
            'mmaction',
            [dict(type='mmuniformer.ChannelOrder', order='rgb')],
            True,
        ),
    ],
)
def test_order_of_colours(library, nodes, expected):
    assert reads_rgb(library, nodes) is expected


def test_clips():
    node = dict(
        type='SampleFrames', clip_len=16, frame_interval=4, num_clips=3
    )
    clip = clip_of([dict(type='OpenCVInit'), node])
    assert (clip['frames'], clip['interval'], clip['clips']) == (16, 4, 3)
    clip = clip_of([dict(type='UniformSample', clip_len=8)])
    assert (clip['frames'], clip['rule']) == (8, 'segments')
    assert 'interval' not in clip
    assert clip_of([READ]) is None
