"""Annotations of objects: boxes and masks (mmdet)."""
