"""A neural encoder as an ONNX graph, which reads a history event by event."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penchant.encoders.history import Events
from penchant.vectors import FloatArray


@dataclass(frozen=True)
class OnnxEncoder:
    """An ONNX graph with the input ``items`` and, where used, ``weights``, ``ages``, ``types``."""

    session: Any
    inputs: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> "OnnxEncoder":
        """Raises ValueError for a file that is not a valid graph."""
        import onnxruntime  # takes 0.2 s
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # requests run in parallel
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except (
            errors.Fail,
            errors.InvalidArgument,
            errors.InvalidGraph,
            errors.InvalidProtobuf,
        ) as error:
            raise ValueError(str(error)) from error
        return cls(session, tuple(each.name for each in session.get_inputs()))

    def __call__(self, events: Events) -> FloatArray:
        arrays = {
            "items": events.items_L,
            "weights": events.weights_L,
            "ages": events.ages_L,
            "types": events.types_L,
        }
        (vector_D,) = self.session.run(["vector"], {name: arrays[name] for name in self.inputs})
        return np.asarray(vector_D)
