"""Figures for the documentation and the demo."""
