"""Vectors of a shop's image files, to land as the table ``item_embeddings``."""
