"""A small generated data set in standard formats, for every task.

Scenes of geometric shapes and articulated figures on textured backgrounds.
:func:`generate` writes them as images with COCO instances, COCO keypoints and
semantic maps; :func:`sample_scene` and :func:`render` give single scenes.
"""

from mmuniformer.datasets.shapes.build import generate
from mmuniformer.datasets.shapes.draw import render
from mmuniformer.datasets.shapes.sample import sample_scene
from mmuniformer.datasets.shapes.scene import CLASSES, Scene, Thing

__all__ = ['CLASSES', 'Scene', 'Thing', 'generate', 'render', 'sample_scene']
