"""The exported encoder of a run, the folder ``encoder``: serving folds users in by it.

``encoder.json`` has the kind of encoder and the part of a history that it reads. Parameters are
safetensors, or a graph in ONNX, so loading executes nothing. ``item_ids.npy`` has the catalogue in
the order of its rows. ``penchant/encoders`` reads the folder.
"""

import copy
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

FOLDER = "encoder"
OPSET = 17


@dataclass(frozen=True)
class Encoder:
    """``kind``: "ridge", "weighted_mean" or "onnx". ``latest``: number of newest events that are
    read, None for all. ``half_life_days``: of an event's weight, None for no decay. ``strengths``:
    of event types (layers/event_types.py), None where only the type to predict is read. ``more``:
    other parameters, as JSON. ``program``: maps items_L (rows of the catalogue, oldest first),
    their decayed weights_L, their ages_L in days and their types_L to vector_D, for any length
    including 0.
    """

    kind: str
    latest: int | None
    half_life_days: float | None
    more: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    program: nn.Module | None = None
    strengths: dict[str, float] | None = None

    def save(self, run: Path, item_ids: tuple[str, ...]) -> None:
        folder = run / FOLDER
        folder.mkdir()
        reads = {
            "latest": self.latest,
            "half_life_days": self.half_life_days,
            "strengths": self.strengths,
        }
        (folder / "encoder.json").write_text(
            json.dumps({"kind": self.kind, **reads, **self.more}, indent=2, sort_keys=True) + "\n"
        )
        np.save(folder / "item_ids.npy", np.array([item.encode() for item in item_ids]))
        if self.tensors:
            tensors = {name: tensor.cpu().contiguous() for name, tensor in self.tensors.items()}
            save_file(tensors, folder / "encoder.safetensors")
        if self.program is not None:
            _export(self.program, folder / "encoder.onnx")


def ridge(
    factors_ID: torch.Tensor,
    alpha: float,
    regularization: float,
    half_life_days: float,
    tail: float,
) -> Encoder:
    """The implicit least squares of one user (als.py), then ``tail`` as one more dimension."""
    factors_ID = factors_ID.cpu().double()
    kept_VD, row_I = _kept(factors_ID)
    more = {"alpha": alpha, "regularization": regularization, "tail": tail}
    tensors = {
        "vectors_VD": kept_VD.float(),
        "row_I": row_I,
        "gram_DD": factors_ID.T @ factors_ID,
    }
    return Encoder("ridge", None, half_life_days, more, tensors)


def weighted_mean(
    vectors_ID: torch.Tensor,
    form: str,
    half_life_days: float,
    tail: float = 1.0,
    row_I: torch.Tensor | None = None,
) -> Encoder:
    """The weighted sum of the vectors of a history's items, then ``tail`` as one more dimension.

    ``form``: "log", items weigh log(1 + decayed events); "even", the sum of decayed
    events is scaled to length D ** .5; "mean", it is divided by their number. ``row_I``:
    the vector of each item, where items share vectors.
    """
    vectors_VD, rows_I = _kept(vectors_ID.cpu()) if row_I is None else (vectors_ID.cpu(), row_I)
    tensors = {"vectors_VD": vectors_VD, "row_I": rows_I.int()}
    return Encoder("weighted_mean", None, half_life_days, {"form": form, "tail": tail}, tensors)


def program(module: nn.Module, latest: int | None, half_life_days: float | None = None) -> Encoder:
    """See ``Encoder.program``."""
    return Encoder("onnx", latest, half_life_days, program=copy.deepcopy(module).cpu().eval())


def _kept(vectors_ID: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The nonzero vectors, and the row of each item's; -1 for none."""
    has_I = vectors_ID.any(dim=1)
    row_I = torch.where(has_I, has_I.cumsum(0) - 1, -1).int()
    return vectors_ID[has_I], row_I


def _export(module: nn.Module, path: Path) -> None:
    """By tracing: the newer exporter needs two more packages."""
    items_L = torch.zeros(3, dtype=torch.long)
    example = (items_L, torch.ones(3), torch.ones(3), torch.zeros_like(items_L))
    names = ["items", "weights", "ages", "types"]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # about shapes fixed by tracing, which the tests vary
        torch.onnx.export(
            module,
            example,
            path,
            input_names=names,
            output_names=["vector"],
            dynamic_axes={name: {0: "L"} for name in names},
            opset_version=OPSET,
            dynamo=False,
        )
