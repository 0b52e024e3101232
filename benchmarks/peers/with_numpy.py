"""NumPy: EASE as in its paper (Steck 2019), single precision as ours; seconds of one solve."""

import time

import numpy as np
import peer
import scipy.sparse as sp


def solved(entries: sp.csr_matrix, regularization: float) -> np.ndarray:
    """The item-to-item weights."""
    gram_II = (entries.T @ entries).toarray()
    diagonal = np.diag_indices(len(gram_II))
    gram_II[diagonal] += regularization
    inverse_II = np.linalg.inv(gram_II)
    weights_II = inverse_II / -np.diag(inverse_II)
    weights_II[diagonal] = 0
    return weights_II


_, data, settings = peer.arguments()
values, cells, shape = data.entries()
matrix = sp.csr_matrix((values, cells), shape)
seconds = []
for _ in range(settings["repeats"]):
    started = time.perf_counter()
    solved(matrix, settings["regularization"])
    seconds.append(time.perf_counter() - started)
peer.finish("numpy", seconds)
