"""An ONNX image encoder: pixels to vectors."""

import hashlib
from pathlib import Path

import numpy as np

from penchant.errors import UsageError
from penchant.ingestion.embedding.images import Pixels

USUAL_SIZE = 224  # pixels each way, where the model takes any


class ImageEncoder:
    """``size``: pixels each way. ``identity``: SHA-256 of the file."""

    def __init__(self, path: Path, threads: int) -> None:
        """Raises UsageError for a file that is no ONNX model of images."""
        import onnxruntime  # takes 0.2 s
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        if not path.is_file():
            raise UsageError(f"encoder {path} does not exist", "pass an ONNX file to --encoder")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except (
            errors.Fail,
            errors.InvalidArgument,
            errors.InvalidGraph,
            errors.InvalidProtobuf,
        ) as error:
            raise UsageError(
                f"encoder {path} is not an ONNX model: {str(error).splitlines()[0]}",
                "export the image encoder to ONNX, with its weights in the file",
            ) from None
        first = self._session.get_inputs()[0]
        shape = first.shape
        if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != 3):
            raise UsageError(
                f"encoder {path}: input {first.name!r} has shape {shape}",
                "export it with an input of (batch, 3, height, width)",
            )
        self._input, self._path = first.name, path
        self.size = shape[2] if isinstance(shape[2], int) else USUAL_SIZE
        self.identity = hashlib.sha256(path.read_bytes()).hexdigest()

    def vectors(self, pixels_B3HW: Pixels) -> np.ndarray:
        """vectors_BD. Raises UsageError where the model's first output is no vector an image."""
        (found, *_) = self._session.run(None, {self._input: pixels_B3HW})
        if found.ndim != 2 or len(found) != len(pixels_B3HW):
            raise UsageError(
                f"encoder {self._path}: the first output has shape {found.shape}",
                "export it with the image's vector, (batch, dimensions), as the first output",
            )
        return np.asarray(found, np.float32)
