"""A node's side of a round: hands the arrays to the node's worker, and its answer back.

The worker (``training/federated/worker.py``) is a process of the node's own Penchant installation:
it has the data and PyTorch, which don't install beside Flower.
"""

import io
from multiprocessing.connection import Client
from pathlib import Path

import numpy as np
from flwr.app import Context, Message
from flwr.client import Client as FlowerClient
from flwr.client import NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import ClientAppCallable
from flwr.common import NDArrays
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS

from penchant_federated import homomorphic

ANSWER = b"arrays"


class Node(NumPyClient):
    """``address``: the Unix socket of the worker. ``secret``: file of the nodes' key for CKKS, or
    empty."""

    def __init__(self, name: str, address: str, secret: str) -> None:
        self.name, self.address, self.secret = name, address, secret

    def fit(self, parameters: NDArrays, config: dict) -> tuple[NDArrays, int, dict]:
        """Raises RuntimeError with the worker's message when it could not train."""
        if not self.secret:
            arrays, weight = self.trained(parameters, config)
            return arrays, weight, {"node": self.name}
        key = homomorphic.read_context(Path(self.secret))
        if homomorphic.is_sealed(parameters):  # the initial arrays aren't
            parameters = homomorphic.mean(key, homomorphic.Sealed.from_arrays(parameters))
        arrays, weight = self.trained(parameters, config)
        return homomorphic.seal(key, arrays, weight).as_arrays(), weight, {"node": self.name}

    def trained(self, parameters: NDArrays, config: dict) -> tuple[NDArrays, int]:
        with Client(self.address, "AF_UNIX") as worker:
            worker.send_bytes(packed([np.array(config["round"]), *parameters]))
            status = worker.recv_bytes()
            content = worker.recv_bytes()
        if status != ANSWER:
            raise RuntimeError(f"{self.name}: {content.decode()}")
        weight, *arrays = unpacked(content)
        return arrays, int(weight)


def packed(arrays: NDArrays) -> bytes:
    """As ``training.federated.worker.packed``; nothing is pickled."""
    content = io.BytesIO()
    np.savez(content, *arrays)
    return content.getvalue()


def unpacked(content: bytes) -> NDArrays:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]


def client_of(context: Context) -> FlowerClient:
    node = context.node_config
    return Node(str(node["name"]), str(node["address"]), str(node.get("secret", ""))).to_client()


def secure_if_asked(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    """SecAgg+ masks the answers of the rounds that the server runs under it."""
    if RECORD_KEY_CONFIGS in message.content.config_records:
        return secaggplus_mod(message, context, call_next)
    return call_next(message, context)


app = ClientApp(client_fn=client_of, mods=[secure_if_asked])
