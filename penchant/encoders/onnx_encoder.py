"""An encoder that is a graph: networks that read a history again, event by event."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from penchant.vectors import FloatArray


@dataclass(frozen=True)
class Program:
    """An ONNX graph of ``items`` and, where it reads them, ``weights``."""

    session: Any
    inputs: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> "Program":
        """Raises ValueError for a file that is no such graph."""
        import onnxruntime  # 0.2 s that only graphs need
        from onnxruntime.capi import onnxruntime_pybind11_state as refused

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # requests are answered side by side
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except (
            refused.Fail,
            refused.InvalidArgument,
            refused.InvalidGraph,
            refused.InvalidProtobuf,
        ) as error:
            raise ValueError(str(error)) from error
        return cls(session, tuple(each.name for each in session.get_inputs()))

    def __call__(self, items_L: npt.NDArray[np.int64], weights_L: FloatArray) -> FloatArray:
        given = {"items": items_L, "weights": weights_L}
        (vector_D,) = self.session.run(["vector"], {name: given[name] for name in self.inputs})
        return np.asarray(vector_D)
