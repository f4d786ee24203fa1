"""A model on what one has: photos, folders, videos, cameras and links.

The way of an input: ``sources`` says what is to be read, ``reading`` reads it,
``predictor`` runs the test pipeline and the model, ``writing`` writes what
came of it. ``running`` has them work at the same time, in order and in a
memory that does not grow.
"""

from mmuniformer.prediction.predictor import Predictor
from mmuniformer.prediction.results import (
    ClassScores,
    LabelMap,
    Objects,
    Poses,
    Result,
)

__all__ = [
    'ClassScores',
    'LabelMap',
    'Objects',
    'Poses',
    'Predictor',
    'Result',
]
