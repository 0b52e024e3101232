"""Vectors of items beside their embeddings, in next-item models and in the gate of fusion."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from penchant.encoders.encoder import FOLDER, Encoder
from penchant.encoders.history import History
from training.commands.run_identity import READ_TOO
from training.compression.distillation import inherit
from training.data.catalogue import numbered
from training.data.histories import DAY, Histories, starts
from training.data.item_vectors import with_vectors
from training.data.split import Split, Window, split_by_time
from training.families import fusion
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.fitting.factory import default_config, make
from training.layers.fusion.gated import GateConfig
from training.layers.sequences.next_item import NextItem
from training.layers.sequences.vector_projection import VectorProjection
from training.names import FAMILIES

ITEMS, RARE, USERS = 40, 8, 60
FAMILIES_WITH = ("rnn", "gru", "lstm", "sasrec", "bert4rec", "hstu")


def shop() -> tuple[Split, pa.Table]:
    """Users buy items of one style, the parity of an item; the last items are rare. A vector tells
    the style, and item 0 has none."""
    random, days = np.random.default_rng(0), 120
    items_UL = 2 * random.integers(0, (ITEMS - RARE) // 2, (USERS, 30))
    items_UL += np.arange(USERS)[:, None] % 2
    items_UL[:, 5] = ITEMS - RARE + 2 * random.integers(0, RARE // 2, USERS) + np.arange(USERS) % 2
    items_UL[10:, 5] = items_UL[10:, 4]
    times_N = np.tile(np.linspace(0, days, 30, endpoint=False) * DAY, USERS).astype(np.int64)
    histories = Histories(
        np.arange(USERS),
        starts(np.full(USERS, 30)),
        items_UL.ravel().astype(np.int32),
        times_N,
        np.ones(USERS * 30, np.float32),
        ITEMS,
        days * DAY,
    )
    vectors = [
        [1.0, -1.0, 0.1 * (item % 3)] if item % 2 else [-1.0, 1.0, 0.0] for item in range(ITEMS)
    ]
    embeddings = pa.table(
        {
            "item_id": [str(item + 1) for item in range(1, ITEMS)],
            "kind": ["image"] * (ITEMS - 1),
            "vector": vectors[1:],
        }
    )
    return split_by_time(histories), with_vectors(numbered(ITEMS), embeddings)


def context_of(window: Window, items: pa.Table, tmp_path: Path) -> TrainingContext:
    return TrainingContext(window, items, torch.device("cpu"), 0, Budget(600, 10**5), tmp_path)


def small(family: str, steps: int = 4, **learning: Any) -> NextItem:
    config: Any = default_config(family)
    trainer = replace(config.learning.trainer, steps=steps, validate_every=steps)
    changed = {"learning": replace(config.learning, trainer=trainer, **learning)}
    if family == "hstu":
        changed["repeat"] = None
    model = make(family, replace(config, **changed))
    assert isinstance(model, NextItem)
    return model


@pytest.mark.parametrize("family", ("gru", "bert4rec"))
def test_rare_items_stand_where_items_of_like_vectors_are(family: str, tmp_path: Path) -> None:
    split, items = shop()
    model = small(family, steps=100)
    model.learn(split, context_of(split.validation, items, tmp_path), lambda network: network)
    vectors_ID = model.item_vectors()[:, :-1]
    near_II = vectors_ID @ vectors_ID.T
    frequent = torch.arange(1, ITEMS - RARE)
    for rare in range(ITEMS - RARE, ITEMS):
        same = frequent[frequent % 2 == rare % 2]
        other = frequent[frequent % 2 != rare % 2]
        assert near_II[rare, same].mean() > near_II[rare, other].mean() + 0.2
    assert model.learned_items()[1:].all()


@pytest.mark.parametrize("family", FAMILIES_WITH)
def test_model_comes_back_whole_and_scores_are_products(family: str, tmp_path: Path) -> None:
    split, items = shop()
    model = small(family)
    model.learn(split, context_of(split.validation, items, tmp_path), lambda network: network)
    loaded = small(family)
    if family == "lstm":
        NextItem.load_state(loaded, NextItem.state(model))
    else:
        loaded.load_state(model.state())
    batch = split.validation.histories.take(np.arange(5))
    expected_BI = model.user_vectors(batch) @ model.item_vectors().T
    torch.testing.assert_close(loaded.scores(batch), expected_BI)


def test_without_vectors_nothing_is_projected(tmp_path: Path) -> None:
    split, items = shop()
    bare = items.drop_columns(["vector:image"])
    for catalogue, learning in ((bare, {}), (items, {"vector_dimensions": 0})):
        model = small("gru", **learning)
        context = context_of(split.validation, catalogue, tmp_path / str(len(learning)))
        model.learn(split, context, lambda network: network)
        assert model.network.projection is None
        assert not [name for name in model.state() if name.startswith("projection")]


def test_a_missing_vector_adds_nothing() -> None:
    projection = VectorProjection(torch.tensor([[1.0, 0], [0, 0]]), 3)
    added_ID = projection(torch.arange(2))
    assert added_ID[0].any() and not added_ID[1].any()
    assert projection.known_I.tolist() == [True, False]


@pytest.mark.parametrize("dimensions", (64, 16))
def test_a_student_starts_from_the_projection_too(dimensions: int, tmp_path: Path) -> None:
    split, items = shop()
    context = context_of(split.validation, items, tmp_path)
    teacher = small("gru")
    teacher.learn(split, context, lambda network: network)
    student = make("gru", replace(teacher.config, dimensions=dimensions))
    taught = teacher.network
    assert isinstance(student, NextItem) and taught.projection is not None
    vectors_IV = taught.projection.vectors_IV
    student.network = student._network(
        len(taught.embedding.weight), taught.tags_IK, False, vectors_IV
    )
    student.network.row_I.copy_(taught.row_I)
    inherit(student.network, taught)
    items_I = torch.arange(ITEMS)
    with torch.no_grad():
        known_II, kept_II = (
            each.embed(items_I) @ each.embed(items_I).T for each in (taught, student.network)
        )
    similarity = torch.corrcoef(torch.stack([known_II.ravel(), kept_II.ravel()]))[0, 1]
    assert similarity > (0.999 if dimensions == 64 else 0.6)


@pytest.mark.parametrize("family", ("gru", "hstu"))
def test_exported_encoder_reads_vectors_too(family: str, tmp_path: Path) -> None:
    split, items = shop()
    model = small(family)
    model.learn(split, context_of(split.validation, items, tmp_path), lambda network: network)
    item_ids = tuple(f"i{item:02d}" for item in range(ITEMS))  # sorted, as in a data set
    model.exported().save(tmp_path, item_ids)
    encoder, histories = Encoder.open(tmp_path / FOLDER), split.validation.histories
    expected_BD = model.user_vectors(histories.take(np.arange(3))).numpy()
    for row, vector_D in enumerate(expected_BD):
        one = histories.take(np.array([row]))
        read = History(tuple(item_ids[item] for item in one.items_N), one.ages_N, one.weights_N)
        np.testing.assert_allclose(encoder.encode(read), vector_D, atol=1e-4)


def test_gate_reads_vectors_beside_the_text(tmp_path: Path) -> None:
    split, items = shop()
    titles = pa.array(["same words"] * ITEMS, pa.string())
    users = pa.table({"user_id": [f"u{user}" for user in range(USERS)]})
    context = context_of(split.validation, items.append_column("title", titles), tmp_path)
    context = replace(context, users=users)
    trainer = replace(GateConfig().trainer, steps=4, validate_every=4)
    model = fusion.Model(fusion.Config("gate", replace(GateConfig(), trainer=trainer)))
    model.fit(split, context)
    assert len(model.network.text_I.unique()) == ITEMS  # with item 0, which has its text alone
    items = context.items.drop_columns(["vector:image"])
    bare = replace(context, items=items, checkpoints=tmp_path / "bare")
    model.fit(split, bare)
    assert len(model.network.text_I.unique()) == 1


def test_runs_depend_on_the_vectors_that_families_read() -> None:
    assert {*FAMILIES_WITH, "content", "fusion"} == READ_TOO.keys() <= set(FAMILIES)
