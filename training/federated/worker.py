"""A node's worker: answers rounds at a Unix socket, in the installation that has the data."""

import io
from collections.abc import Sequence
from multiprocessing.connection import Connection, Listener

import numpy as np
import numpy.typing as npt
import structlog

from training.data.histories import Histories
from training.federated.local_training import LocalTraining

ANSWER, FAILURE = b"arrays", b"failure"

log = structlog.get_logger()


def serve(listener: Listener, training: LocalTraining, histories: Histories, seed: int) -> None:
    """Answer rounds for ever. A round that fails is answered with its message."""
    while True:
        with listener.accept() as connection:
            answer(connection, training, histories, seed)


def answer(
    connection: Connection, training: LocalTraining, histories: Histories, seed: int
) -> None:
    """One round: receives its number and the shared arrays, sends the trained ones after their
    weight."""
    number, *arrays = unpacked(connection.recv_bytes())
    try:
        trained = training.trained(arrays, histories, seed + int(number))
        if not all(np.isfinite(array).all() for array in trained):
            raise ArithmeticError("training diverged: NaN or infinity in the shared arrays")
    except (ArithmeticError, RuntimeError, ValueError) as error:
        log.warning("round failed", number=int(number), cause=str(error))
        connection.send_bytes(FAILURE)
        connection.send_bytes(str(error).encode())
        return
    log.info("trained", round=int(number), users=len(histories))
    connection.send_bytes(ANSWER)
    connection.send_bytes(packed([np.array(training.weight(histories)), *trained]))


def packed(arrays: Sequence[npt.NDArray[np.generic]]) -> bytes:
    content = io.BytesIO()
    np.savez(content, *arrays)
    return content.getvalue()


def unpacked(content: bytes) -> list[npt.NDArray[np.float32]]:
    """Float32 throughout: secure aggregation answers in float64. Nothing is unpickled, because the
    other side is another environment."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[name].astype(np.float32) for name in arrays.files]
