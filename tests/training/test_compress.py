"""Compressed forms of a run: created once, close to the run, with clear errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from records import model_selection
from safetensors.torch import load_file
from torch import nn

from penchant import vectors
from penchant.artifacts import CompressionRecord, ModelSelection, Snapshot
from penchant.errors import NothingToDo, UsageError
from penchant.settings import Settings
from training.commands.run_identity import run_id_of
from training.compression.compress import compress
from training.compression.distillation import DistillationConfig, Distilling, student_of
from training.compression.forms import Product
from training.compression.linear import Int8Linear, with_int8_layers
from training.compression.measuring import lost
from training.configs import main_job
from training.data.histories import read_dataset
from training.fitting.factory import make
from training.layers.sequences.next_item import NextItem
from training.layers.sequences.windows import Windows

Trained = tuple[Settings, str]


def run_of(copied: Trained, family: str) -> Path:
    settings, snapshot_id = copied
    run_id = run_id_of(
        Snapshot.open(settings, snapshot_id), family, main_job(family), settings.seed
    )
    return settings.runs / snapshot_id / run_id


@pytest.mark.parametrize("family", ["matrix_factorization", "word2vec", "content", "vae", "sasrec"])
def test_compressed_vectors_lose_little_ndcg(family: str, copied: Trained) -> None:
    report = compress(*copied, family)
    assert report.status == "compressed"
    for kind in vectors.KINDS:
        for window in ("validation", "test"):
            loss = report.forms[kind][window]
            assert loss["share"]["low"] <= loss["share"]["mean"] <= loss["share"]["high"]
            assert abs(loss["share"]["mean"]) < 0.02
    run = run_of(copied, family)
    folder = CompressionRecord.folder(run)
    for side in ("user_vectors", "item_vectors"):
        plain, small = (
            pq.read_table(path / f"{side}{kind}.parquet")
            for path, kind in ((run, ""), (folder, ".int8"))
        )
        assert plain[0].equals(small[0])
        exact_ND, decoded_ND = vectors.matrix(plain), vectors.matrix(small)
        assert np.abs(exact_ND - decoded_ND).max() <= 0.02 * np.abs(exact_ND).max()


def test_compress_is_idempotent(copied: Trained) -> None:
    first = compress(*copied, "word2vec")
    again = compress(*copied, run_id=first.run_id)
    assert (first.status, again.status) == ("compressed", "unchanged")
    assert first.forms == again.forms


def test_compresses_the_selected_retriever_by_default(copied: Trained) -> None:
    settings, snapshot_id = copied
    path = ModelSelection.path(settings, snapshot_id)
    with pytest.raises(UsageError, match="no models were selected"):
        compress(*copied)
    model_selection(retriever=run_of(copied, "word2vec").name).write(path)
    assert compress(*copied).run_id.startswith("word2vec")
    model_selection(retriever=None).write(path)
    with pytest.raises(NothingToDo, match="popularity serves"):
        compress(*copied)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"family": "item_cf"}, "item_cf has no vectors"),
        ({"family": "magic"}, "no model family is called"),
        ({"run_id": "word2vec-000000000000"}, "not one of word2vec with this config"),
        ({"family": "word2vec", "student": True}, "word2vec is no Transformer"),
    ],
)
def test_rejects_what_cannot_be_compressed(
    asked: dict[str, object], said: str, copied: Trained
) -> None:
    with pytest.raises(UsageError, match=said):
        compress(*copied, **asked)  # type: ignore[arg-type]


def test_loss_is_paired_and_relative() -> None:
    before = {user: float(value) for user, value in enumerate(np.random.default_rng(0).random(500))}
    found = lost(before, {user: 0.9 * value for user, value in before.items()}, seed=0)
    assert found["share"]["low"] == pytest.approx(0.1) == found["share"]["high"]
    assert lost({1: 0.0}, {1: 0.0}, seed=0)["share"]["mean"] == 0


def test_int8_product_equals_product_of_decoded_vectors() -> None:
    random = np.random.default_rng(0)
    users_UD, items_ID = (random.normal(2, 3, (n, 16)).astype(np.float32) for n in (5, 40))
    for kind in vectors.KINDS:
        user_frame, item_frame = vectors.frames(kind, users_UD, items_ID)
        users, items = user_frame.encode(users_UD), item_frame.encode(items_ID)
        expected = users.decoded() @ items.decoded().T
        np.testing.assert_allclose(
            Product(user_frame, items)(users), expected, rtol=1e-3, atol=1e-2
        )


def test_int8_layers_approximate_and_reload() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 8, bias=False))
    input_BD = torch.randn(50, 32)
    exact = network(input_BD)
    assert with_int8_layers(network) == 2
    assert isinstance(network[0], Int8Linear)
    assert (network(input_BD) - exact).abs().max() < 0.05 * exact.abs().max()
    assert network.state_dict()["0.numbers_OD"].dtype == torch.int8


def test_student_is_smaller_and_learns_planted_interests(copied: Trained) -> None:
    report = compress(*copied, "sasrec", student=True)
    student = report.forms["student"]
    assert student["validation"]["share"]["mean"] < 0.1
    folder = CompressionRecord.folder(run_of(copied, "sasrec")).with_name(
        f"{report.run_id}-student"
    )
    weights = load_file(folder / "model.safetensors")
    layers = CompressionRecord.read(folder / "compression.json").config["layers"]
    assert layers == 1 and not any(".1.out" in name for name in weights)
    again = compress(*copied, "sasrec", student=True)
    assert again.status == "unchanged" and again.forms == report.forms


def test_student_equal_to_its_teacher_has_no_soft_loss(copied: Trained) -> None:
    """All of the loss is then the teacher's own: the divergence from itself is none."""
    teacher = make("sasrec", main_job("sasrec"))
    assert isinstance(teacher, NextItem)
    teacher.load_state(load_file(run_of(copied, "sasrec") / "model.safetensors"))
    config = DistillationConfig(soft_weight=1.0)
    assert student_of(teacher, "sasrec", config).config.layers == 1

    train = read_dataset(Snapshot.open(*copied)).histories
    windows = Windows(train, teacher.learning.windows, 0, torch.device("cpu"), None)
    network = teacher.network
    alone = Distilling(network, network, config).loss(windows.batch(0))
    assert alone.item() == pytest.approx(0, abs=1e-6)
    half = Distilling(network, network, replace(config, soft_weight=0.5)).loss(windows.batch(0))
    assert half.item() == pytest.approx(0.5 * network.loss(windows.batch(0)).item(), rel=1e-5)
