"""cornac: EASE, BPR and the variational autoencoder; seconds of a solve or of an epoch.

It has no callback at the end of an epoch: one is the difference of a longer and a shorter fit.
"""

import time
from typing import Any

import peer
import torch
from cornac.data import Dataset
from cornac.models import BPR, EASE, VAECF


def main() -> None:
    name, data, settings = peer.arguments()
    torch.set_num_threads(settings["threads"])
    values_N, (users_N, items_N), _ = data.entries()
    dataset = Dataset.from_uir(list(zip(users_N, items_N, values_N, strict=True)), seed=0)
    if name == "ease":
        model = EASE(lamb=settings["regularization"], posB=False, verbose=False, seed=0)
        peer.finish("cornac", [fitting(model, dataset)])
        return
    epochs, seconds = settings["epochs"], []
    for _ in range(settings["repeats"]):
        longer = fitting(made(name, settings, 1 + epochs), dataset)
        shorter = fitting(made(name, settings, 1), dataset)
        seconds.append((longer - shorter) / epochs)
    peer.finish("cornac", seconds)


def made(name: str, settings: dict[str, Any], epochs: int) -> BPR | VAECF:
    if name == "bpr":
        return BPR(
            k=settings["dimensions"],
            max_iter=epochs,
            num_threads=settings["threads"],
            use_bias=False,
            seed=0,
        )
    return VAECF(
        k=settings["dimensions"],
        autoencoder_structure=[settings["dimensions"]],
        batch_size=settings["batch"],
        n_epochs=epochs,
        likelihood="mult",
        seed=0,
    )


def fitting(model: Any, dataset: Dataset) -> float:
    """Seconds of a fit."""
    started = time.perf_counter()
    model.fit(dataset)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
