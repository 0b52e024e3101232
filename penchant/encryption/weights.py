"""Model weights in safetensors as NumPy arrays, encrypted where they are in an encrypted home."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, load_file

from penchant.encryption.encrypted_file import is_encrypted_file, read_bytes


def read_weights(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a file by name. A plain file is mapped while it is read."""
    found: dict[str, npt.NDArray[np.generic]] = (
        load(read_bytes(path)) if is_encrypted_file(path) else load_file(path)
    )
    return found
