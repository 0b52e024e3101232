"""Penchant: learn what each user is interested in, and serve it."""

__version__ = "0.1.0"
