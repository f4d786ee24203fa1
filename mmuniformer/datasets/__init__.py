"""Data sets and transforms that no OpenMMLab library has."""

from mmuniformer.datasets.labels import CheckLabels

__all__ = ['CheckLabels']
