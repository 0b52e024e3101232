"""An ONNX graph, ready to run in a thread of a request."""

from pathlib import Path
from typing import Any


def open_session(path: Path) -> Any:
    """Raises ValueError for a file that is not a valid graph."""
    import onnxruntime  # takes 0.2 s
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # requests run in parallel
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except (
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
    ) as error:
        raise ValueError(str(error)) from error
