"""Where a fit stands, on disk: one safetensors file with JSON in its header.

Loading it runs nothing.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from penchant.storage import sync

Weights = dict[str, torch.Tensor]


def save(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: Weights,
    progress: dict[str, Any],
) -> None:
    """Replace the checkpoint by a newer one, so that a kill leaves the one or the other."""
    moments = optimizer.state_dict()["state"]
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    tensors |= {
        f"optimizer/{index}/{name}": tensor
        for index, state in moments.items()
        for name, tensor in state.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    save_file(tensors, temporary, metadata={"progress": json.dumps(progress)})
    sync(temporary)
    temporary.replace(path)


def load(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, Any], Weights]:
    """Put a checkpoint's weights and moments back; returns its progress and its best weights."""
    device = next(model.parameters()).device
    with safe_open(path, "pt", device=str(device)) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        progress = json.loads(file.metadata()["progress"])
    parts: dict[str, Weights] = {"model": {}, "best": {}}
    moments: dict[int, Weights] = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        if part == "optimizer":
            index, _, moment = name.partition("/")
            moments.setdefault(int(index), {})[moment] = tensor
        else:
            parts[part][name] = tensor
    model.load_state_dict(parts["model"])
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    return progress, parts["best"]
