"""Model weights in safetensors as tensors, encrypted where they are in an encrypted home."""

from pathlib import Path

import torch
from safetensors.torch import load, load_file

from penchant.encryption.encrypted_file import is_encrypted_file, read_bytes


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file by name, on the CPU. A plain file is mapped while it is read."""
    found: dict[str, torch.Tensor] = (
        load(read_bytes(path)) if is_encrypted_file(path) else load_file(path)
    )
    return found
