"""A ranking network in serving: a graph over the record's features, and nothing else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from penchant.artifacts import RankingModelRecord
from penchant.errors import DataError
from penchant.serving.ranking.network import RankingNetwork
from penchant.serving.ranking.online_features import RequestFeatures


@dataclass(frozen=True)
class Record:
    features: tuple[str, ...] = ("price", "purchases")


@dataclass(frozen=True)
class Request:
    """Of known features."""

    features_CF: np.ndarray

    def matrix(self) -> np.ndarray:
        return self.features_CF


def graph(path: Path, features: int = 2, name: str = "features") -> Path:
    """Scores that are the first feature less the last."""
    weight_F = np.zeros(features, np.float32)
    weight_F[0], weight_F[-1] = 1, -1
    made = helper.make_graph(
        [helper.make_node("MatMul", [name, "weight_F"], ["scores"])],
        "ranking",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["C", features])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["C"])],
        [numpy_helper.from_array(weight_F, "weight_F")],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=8), path)
    return path


def opened(path: Path) -> RankingNetwork:
    return RankingNetwork.open(path, cast(RankingModelRecord, Record()))


def test_scores_the_candidates_of_a_request(tmp_path: Path) -> None:
    request: Any = Request(np.array([[3, 1], [1, 3], [2, 2]], np.float32))
    scores_C = opened(graph(tmp_path / "model.onnx")).raw_scores(cast(RequestFeatures, request))
    assert scores_C.dtype == np.float64 and scores_C.tolist() == [2, -2, 0]


def test_rejects_a_graph_of_other_features(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one input 'features' of 2 features, got .*3"):
        opened(graph(tmp_path / "model.onnx", features=3))
    with pytest.raises(DataError, match=r"got .*items"):
        opened(graph(tmp_path / "model.onnx", name="items"))


def test_rejects_what_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"tree")
    with pytest.raises(DataError, match=r"model\.onnx"):
        opened(tmp_path / "model.onnx")
