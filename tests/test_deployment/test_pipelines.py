"""What a test pipeline does, in words of no library."""

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
        ]
    )
    assert steps == [
        dict(op='resize', short_edge=256, interpolation='bicubic'),
        dict(op='center_crop', size=[224, 224]),
    ]
    assert size_of(steps) == ((224, 224), True)


def test_of_coco():
    resize = dict(type='Resize', scale=(1333, 800), keep_ratio=True)
    steps = steps_of([READ, resize, dict(type='PackDetInputs')])
    (step,) = steps
    assert step['long_edge_at_most'] == 1333
    assert step['short_edge_at_most'] == 800
    # No one size: what a photo of 4 : 3 becomes.
    assert size_of(steps) == ((800, 1066), False)


def test_sides_are_height_and_width():
    (step,) = steps_of([dict(type='Resize', scale=(64, 48))])
    assert step['size'] == [48, 64]
    (step,) = steps_of([dict(type='TopdownAffine', input_size=(192, 256))])
    assert step['size'] == [256, 192]
    (step,) = steps_of([dict(type='Resize', scale=(-1, 256))])
    assert step['short_edge'] == 256


def test_room_around_a_box():
    crop = dict(type='TopdownAffine', input_size=(192, 256))
    for node, padding in (({}, 1.25), (dict(padding=1.5), 1.5)):
        box = dict(type='GetBBoxCenterScale', **node)
        (step,) = steps_of([READ, box, crop])
        assert step['padding'] == padding


def test_what_is_not_known_stays_as_it_is():
    (step,) = steps_of([dict(type='Sharpen', amount=0.5, places=(1, 2))])
    assert step == dict(
        op='Sharpen', type='Sharpen', amount=0.5, places=[1, 2]
    )
    assert size_of([step]) is None


@pytest.mark.parametrize(
    ('library', 'nodes', 'expected'),
    [
        ('mmdet', [READ], False),
        ('mmdet', [dict(READ, channel_order='rgb')], True),
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
