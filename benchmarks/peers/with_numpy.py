"""numpy: EASE as its paper writes it (Steck 2019), with ``np.linalg.inv``; seconds of one solve.

``ease`` is in single precision, as ours is; ``ease-double`` in double, numpy's own choice.
"""

import time

import numpy as np
import peer
import scipy.sparse as sp


def main() -> None:
    name, data, settings = peer.arguments()
    values, cells, shape = data.entries()
    dtype = np.float64 if name == "ease-double" else np.float32
    entries = sp.csr_matrix((values.astype(dtype), cells), shape)
    seconds = []
    for _ in range(settings["repeats"]):
        started = time.perf_counter()
        solved(entries, settings["regularization"])
        seconds.append(time.perf_counter() - started)
    peer.finish("numpy", seconds)


def solved(entries: sp.csr_matrix, regularization: float) -> np.ndarray:
    """The item-to-item weights."""
    gram_II = (entries.T @ entries).toarray()
    diagonal = np.diag_indices(len(gram_II))
    gram_II[diagonal] += regularization
    inverse_II = np.linalg.inv(gram_II)
    weights_II = inverse_II / -np.diag(inverse_II)
    weights_II[diagonal] = 0
    return weights_II


if __name__ == "__main__":
    main()
