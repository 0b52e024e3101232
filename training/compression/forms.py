"""Evaluation of the compressed forms of a family with vectors: size, latency, lost NDCG@10."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from penchant.vectors import INT8, KINDS, Encoded, Frame, frames
from training.compression.measuring import lost, milliseconds, ndcg
from training.data.histories import FloatArray, Histories
from training.data.split import Window
from training.evaluation.metrics.full_ranking import Scorer, parts
from training.fitting.family import VectorFamily


@dataclass(frozen=True)
class Trial:
    """``windows``: by name; ``before``: NDCG@10 of each of their users by the run itself."""

    windows: dict[str, Window]
    before: dict[str, dict[int, float]]
    seed: int
    population: str = "all"

    def loss(self, name: str, score: Scorer) -> dict[str, Any]:
        """NDCG@10 that a scorer loses on a window."""
        after = ndcg(score, self.windows[name], self.population)
        return lost(self.before[name], after, self.seed)

    def evaluate_vectors(self, family: VectorFamily) -> dict[str, dict[str, Any]]:
        """Each of ``penchant.vectors.KINDS`` -> NDCG@10 lost on each window, and milliseconds on
        the last. User vectors are computed once for all kinds: some families fit each user."""
        figures: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        for name, window in self.windows.items():
            family.observe(window.histories)
            histories = window.evaluated().histories
            users_UD, items_ID = user_vectors(family, histories), family.item_vectors()
            row_of = dict(zip(histories.users_U.tolist(), range(len(histories)), strict=True))
            for kind in KINDS:
                user_frame, item_frame = frames(kind, users_UD, items_ID.cpu().numpy())
                users = user_frame.encode(users_UD)
                product = Product(user_frame, item_frame.encode(items_ID.cpu().numpy()))
                figures[kind][name] = self.loss(
                    name,
                    lambda batch: product(  # noqa: B023
                        users.take([row_of[user] for user in batch.users_U.tolist()])  # noqa: B023
                    ),
                )
                if name == list(self.windows)[-1]:
                    figures[kind]["milliseconds"] = milliseconds(
                        lambda batch: user_frame.encode(  # noqa: B023
                            family.user_vectors(batch).cpu().numpy()
                        ),
                        product,
                        histories,
                    )
        return figures

    def evaluate(self, family: VectorFamily) -> dict[str, Any]:
        """NDCG@10 that a family, such as a smaller network, loses on each window."""
        figures: dict[str, Any] = {}
        for name, window in self.windows.items():
            family.observe(window.histories)
            items_ID = family.item_vectors()
            figures[name] = self.loss(
                name,
                lambda batch: family.user_vectors(batch) @ items_ID.T,  # noqa: B023
            )
        return figures | {"milliseconds": self.milliseconds(family)}

    def milliseconds(self, family: VectorFamily) -> dict[str, float]:
        """Latency of a family on the last window, with precomputed item vectors."""
        window = list(self.windows.values())[-1]
        family.observe(window.histories)
        items_ID = family.item_vectors()
        return milliseconds(
            family.user_vectors,
            lambda users_BD: users_BD @ items_ID.T,
            window.evaluated().histories,
        )


def user_vectors(family: VectorFamily, histories: Histories) -> FloatArray:
    """vectors_UD on the CPU."""
    return np.concatenate([family.user_vectors(part).cpu().numpy() for part in parts(histories)])


class Product:
    """Dot products of encoded items with encoded users.

    int8 is multiplied as integers, several times as fast as floats on CPUs with AVX-512 VNNI; the
    product with the users' centre is computed once. Half precision is decoded once: few CPUs
    multiply it.
    """

    def __init__(self, user_frame: Frame, items: Encoded) -> None:
        decoded_ID = items.decoded()
        self.integers = user_frame.kind == INT8
        if self.integers:
            self.numbers_DI = torch.from_numpy(items.numbers_ND).T
            self.scale_I = torch.from_numpy(items.scale_N)
            self.shared_I = torch.from_numpy(decoded_ID @ user_frame.centre_D)
            self.centre_D = items.frame.centre_D
        else:
            self.items_DI = torch.from_numpy(decoded_ID).T

    def __call__(self, users: Encoded) -> torch.Tensor:
        """scores_UI: the products of the decoded vectors, up to rounding."""
        decoded_UD = users.decoded()
        if not self.integers:
            return torch.from_numpy(decoded_UD) @ self.items_DI
        scores_UI = torch._int_mm(torch.from_numpy(users.numbers_ND), self.numbers_DI).float()
        scores_UI.mul_(self.scale_I).mul_(torch.from_numpy(users.scale_N)[:, None])
        own_U = (decoded_UD - users.frame.centre_D) @ self.centre_D
        return scores_UI.add_(self.shared_I).add_(torch.from_numpy(own_U)[:, None])
