"""A neural encoder as an ONNX graph, which reads a history event by event."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penchant.encoders.history import Events
from penchant.encoders.onnx_session import open_session
from penchant.vectors import FloatArray


@dataclass(frozen=True)
class OnnxEncoder:
    """An ONNX graph with the input ``items`` and, where used, ``weights``, ``ages``, ``types``."""

    session: Any
    inputs: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> "OnnxEncoder":
        """Raises ValueError for a file that is not a valid graph."""
        session = open_session(path)
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
