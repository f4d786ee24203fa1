"""A small generated data set in standard formats, for every task.

Scenes of geometric shapes and articulated figures on textured backgrounds.
:func:`generate` writes them as images with COCO instances, COCO keypoints and
semantic maps, :func:`generate_portraits` one thing in each for
classification, in folders of classes, and :func:`generate_videos` sets them in
motion, as videos with the lists of mmaction2; :func:`sample_scene`,
:func:`sample_portrait`, :func:`sample_clip` and :func:`render` give single
ones.
"""

from mmuniformer.datasets.shapes.build import generate
from mmuniformer.datasets.shapes.draw import render
from mmuniformer.datasets.shapes.motion import MOTIONS, sample_clip
from mmuniformer.datasets.shapes.portraits import generate_portraits
from mmuniformer.datasets.shapes.sample import sample_portrait, sample_scene
from mmuniformer.datasets.shapes.scene import CLASSES, Scene, Thing
from mmuniformer.datasets.shapes.videos import generate_videos

__all__ = [
    'CLASSES',
    'MOTIONS',
    'Scene',
    'Thing',
    'generate',
    'generate_portraits',
    'generate_videos',
    'render',
    'sample_clip',
    'sample_portrait',
    'sample_scene',
]
