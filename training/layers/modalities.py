"""Several modalities of an item as one vector: its text beside each kind of vector it has.

Each kind is centred and reduced to its main directions, and has length 1, so that no kind outweighs
another by its numbers. A missing kind is masked: its part is 0, and the item is ranked by the
others, as in VBPR (He and McAuley 2016) without an image.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

FloatArray = npt.NDArray[np.float32]


def joined(
    words_TD: torch.Tensor,
    text_I: torch.Tensor,
    vectors: Mapping[str, FloatArray],
    dimensions: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of text and vectors together, and the row of each item, as ``encode_texts`` returns.

    ``vectors``: vectors_ID by kind, 0 for items without. Items without any vector share the row of
    their text; the first row is 0.
    """
    both_ID = side_by_side(vectors, dimensions)
    seen = np.flatnonzero(both_ID.any(axis=1))
    texts = len(words_TD)
    row_I = text_I.clone()
    row_I[seen] = torch.arange(texts, texts + len(seen))
    rows_RD = torch.zeros(texts + len(seen), words_TD.shape[1] + both_ID.shape[1])
    rows_RD[:texts, : words_TD.shape[1]] = words_TD
    rows_RD[texts:, : words_TD.shape[1]] = words_TD[text_I[seen]]
    rows_RD[texts:, words_TD.shape[1] :] = torch.from_numpy(both_ID[seen])
    return rows_RD, row_I


def side_by_side(vectors: Mapping[str, FloatArray], dimensions: int) -> FloatArray:
    """All kinds of each item, each of length 1 and at most ``dimensions``, 0 where it is missing.

    ``vectors``: vectors_ID by kind, at least one.
    """
    parts = [_unit(_reduced(each, dimensions)) for _, each in sorted(vectors.items())]
    return np.concatenate(parts, axis=1)


def _reduced(vectors_ID: FloatArray, dimensions: int) -> FloatArray:
    """Less the mean of the items that have one, on the main directions."""
    known_I = np.any(vectors_ID != 0, axis=1)
    centred_ID = np.where(known_I[:, None], vectors_ID - vectors_ID[known_I].mean(axis=0), 0.0)
    most = min(dimensions, *centred_ID.shape)
    _, directions_DD = np.linalg.eigh(centred_ID.T @ centred_ID)  # the last is the main one
    reduced: FloatArray = (centred_ID @ directions_DD[:, : -most - 1 : -1]).astype(np.float32)
    return reduced


def _unit(vectors_ID: FloatArray) -> FloatArray:
    unit: FloatArray = vectors_ID / np.maximum(
        np.linalg.norm(vectors_ID, axis=1, keepdims=True), 1e-12
    )
    return unit
