"""What a round accepts of its nodes, and a record of what it didn't."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from flwr.common import (
    EvaluateIns,
    EvaluateRes,
    FitIns,
    FitRes,
    Parameters,
    Scalar,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.server.client_manager import ClientManager
from flwr.server.client_proxy import ClientProxy
from flwr.server.strategy import Strategy

LARGEST_NORM = 3.0  # of an update, over the median of the round's


class Guard(Strategy):
    """Another strategy, behind checks of each node's update.

    An update with NaN or infinity, or of other shapes, is left out. One that is longer than
    LARGEST_NORM times the median is shortened to that (norm bounding, Sun et al. 2019). A round in
    which nobody answered leaves the arrays as they were.
    """

    def __init__(self, inner: Strategy, log: Path, initial: list[np.ndarray]) -> None:
        self.inner, self.log, self.arrays = inner, log, initial

    def aggregate_fit(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, FitRes]],
        failures: list[tuple[ClientProxy, FitRes] | BaseException],
    ) -> tuple[Parameters | None, dict[str, Scalar]]:
        accepted: list[tuple[ClientProxy, FitRes, list[np.ndarray]]] = []
        rejected: dict[str, str] = {}
        for proxy, result in results:
            found = parameters_to_ndarrays(result.parameters)
            reason = self.wrong_with(found)
            if reason:
                rejected[name_of(proxy, result)] = reason
            else:
                accepted.append((proxy, result, found))
        norms = [self.norm(found) for _, _, found in accepted]
        bound = LARGEST_NORM * float(np.median(norms)) if norms else 0.0
        kept = []
        for (proxy, result, found), norm in zip(accepted, norms, strict=True):
            if norm > bound > 0:
                share = bound / norm
                found = [
                    before + share * (after - before)
                    for before, after in zip(self.arrays, found, strict=True)
                ]
                result.parameters = ndarrays_to_parameters(found)
                rejected[name_of(proxy, result)] = (
                    f"an update of norm {norm:.3g} was shortened to {bound:.3g}"
                )
            kept.append((proxy, result))
        aggregated: Parameters | None = None
        metrics: dict[str, Scalar] = {}
        if kept:
            aggregated, metrics = self.inner.aggregate_fit(server_round, kept, [])
        if aggregated is not None:
            self.arrays = parameters_to_ndarrays(aggregated)
        self.record(server_round, [name_of(*each) for each in kept], rejected, failures)
        return aggregated, metrics

    def wrong_with(self, found: list[np.ndarray]) -> str:
        """Why an update can't be used; empty if it can."""
        if [array.shape for array in found] != [array.shape for array in self.arrays]:
            return "arrays of other shapes"
        return "" if all(np.isfinite(array).all() for array in found) else "NaN or infinity"

    def norm(self, found: list[np.ndarray]) -> float:
        pairs = zip(self.arrays, found, strict=True)
        return float(np.sqrt(sum(((after - before) ** 2).sum() for before, after in pairs)))

    def record(
        self, number: int, accepted: list[str], rejected: dict[str, str], failures: Sequence[object]
    ) -> None:
        line = {
            "round": number,
            "answered": sorted(accepted),
            "rejected": rejected,
            "failed": sorted(str(failure) for failure in failures),
        }
        with self.log.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def initialize_parameters(self, client_manager: ClientManager) -> Parameters | None:
        return self.inner.initialize_parameters(client_manager)

    def configure_fit(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> list[tuple[ClientProxy, FitIns]]:
        return self.inner.configure_fit(server_round, parameters, client_manager)

    def configure_evaluate(
        self, server_round: int, parameters: Parameters, client_manager: ClientManager
    ) -> list[tuple[ClientProxy, EvaluateIns]]:
        return []

    def aggregate_evaluate(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, EvaluateRes]],
        failures: list[tuple[ClientProxy, EvaluateRes] | BaseException],
    ) -> tuple[float | None, dict[str, Scalar]]:
        return None, {}

    def evaluate(self, server_round: int, parameters: Parameters) -> None:
        return None


def name_of(proxy: ClientProxy, result: FitRes) -> str:
    return str(result.metrics.get("node", proxy.node_id))
