"""An ONNX graph, ready to run in a thread of a request."""

from pathlib import Path
from typing import Any

from penchant.encryption.encrypted_file import read_bytes


def open_session(path: Path, threads: int = 1, weights_beside: bool = False) -> Any:
    """``threads``: one in a server, whose requests run in parallel. ``weights_beside``: the graph
    may have its weights in files beside it.

    Raises ValueError for a file that is not a valid graph.
    """
    import onnxruntime  # takes 0.2 s
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(path) if weights_beside else read_bytes(path),
            options,
            providers=["CPUExecutionProvider"],
        )
    except (
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
    ) as error:
        raise ValueError(str(error)) from error
