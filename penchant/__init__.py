"""Penchant: learn what each shopper is interested in, and serve it."""

__version__ = "0.1.0"
