"""Vectors of items' images, as an encoder would give them: the style with noise.

An item's style is in no text, so what a user likes about it can only be seen. One item in ten has
no image.
"""

import numpy as np

from penchant.ingestion.simulated.shop import Shop

KIND, DIMENSIONS, NOISE, WITHOUT = "image", 32, 0.5, 0.1


def image_rows(shop: Shop, seed: int) -> list[dict]:
    """Rows of ``item_embeddings``; none where the shop has no styles."""
    if (shop.styles < 0).any():
        return []
    rng = np.random.default_rng([seed, DIMENSIONS])
    style_SD = rng.normal(size=(int(shop.styles.max()) + 1, DIMENSIONS))
    noise_ID = NOISE * rng.normal(size=(len(shop.items), DIMENSIONS))
    vector_ID = (style_SD[shop.styles] + noise_ID).astype(np.float32)
    shown_I = rng.random(len(shop.items)) >= WITHOUT
    return [
        {"item_id": shop.items[item], "kind": KIND, "vector": vector_ID[item].tolist()}
        for item in np.flatnonzero(shown_I).tolist()
    ]
