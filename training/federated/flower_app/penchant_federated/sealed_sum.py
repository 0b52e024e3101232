"""A round whose updates the server adds without reading them."""

from pathlib import Path

import numpy as np
from flwr.common import (
    FitRes,
    Parameters,
    Scalar,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.server.client_proxy import ClientProxy
from flwr.server.strategy import Strategy

from penchant_federated import homomorphic
from penchant_federated.guard import Guard, name_of


class SealedSum(Guard):
    """The sum of the ciphertexts of those who answered. Only what isn't one is rejected: what is
    inside, each node's own worker checks."""

    def __init__(
        self, inner: Strategy, log: Path, initial: list[np.ndarray], public_context: Path
    ) -> None:
        super().__init__(inner, log, initial)
        self.context = homomorphic.read_context(public_context)
        self.shapes = tuple(array.shape for array in initial)

    def aggregate_fit(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, FitRes]],
        failures: list[tuple[ClientProxy, FitRes] | BaseException],
    ) -> tuple[Parameters | None, dict[str, Scalar]]:
        total = homomorphic.Sum(self.context, self.shapes)
        accepted: list[str] = []
        rejected: dict[str, str] = {}
        for proxy, result in results:
            name = name_of(proxy, result)
            try:
                total.add(homomorphic.Sealed.from_arrays(parameters_to_ndarrays(result.parameters)))
            except (ValueError, KeyError, TypeError) as error:
                rejected[name] = str(error)
            else:
                accepted.append(name)
        self.record(server_round, accepted, rejected, failures)
        if not accepted:
            return None, {}
        return ndarrays_to_parameters(total.sealed().as_arrays()), {}
