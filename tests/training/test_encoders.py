"""What a family leaves for serving gives the vectors that the family gives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import USERS
from safetensors.torch import load_file

from penchant.artifacts import Snapshot
from penchant.encoders.encoder import FOLDER, Encoder
from penchant.encoders.history import History
from penchant.settings import Settings
from training.commands.run_identity import run_id_of
from training.configs import main_job
from training.data.histories import DAY, Dataset, Histories, read_dataset
from training.families import content, matrix_factorization, word2vec
from training.fitting.capabilities import Encodes
from training.fitting.factory import make_ranker
from training.fitting.family import VectorFamily
from training.layers.event_types import to_tensor
from training.names import RANKERS

Trained = tuple[Settings, str]
ASKED = (0, 1, 30, USERS)  # the last of them has no history


def history_of(histories: Histories, dataset: Dataset, row: int) -> History:
    one = histories.take(np.array([row]))
    ids = tuple(dataset.item_ids[item] for item in one.items_N)
    return History(ids, one.ages_N, one.weights_N)


def assert_folds_as(model: VectorFamily, encoder: Encoder, dataset: Dataset) -> None:
    """Of whole histories, of their beginnings, and of none."""
    whole = dataset.histories
    beginnings = replace(whole.before(whole.end - 80 * DAY), end=whole.end)
    for histories in (whole, beginnings):
        expected = model.user_vectors(histories.take(np.array(ASKED))).numpy()
        for row, vector_D in zip(ASKED, expected, strict=True):
            folded_D = encoder.encode(history_of(histories, dataset, row))
            np.testing.assert_allclose(folded_D, vector_D, atol=1e-4)


@pytest.mark.parametrize("family", RANKERS)
def test_exported_encoder_gives_family_vectors(family: str, trained_once: Trained) -> None:
    settings, snapshot_id = trained_once
    run_id = run_id_of(
        Snapshot.open(settings, snapshot_id), family, main_job(family), settings.seed
    )
    run = settings.runs / snapshot_id / run_id
    model = make_ranker(family, main_job(family))
    assert (run / FOLDER).exists() == isinstance(model, VectorFamily)
    if isinstance(model, VectorFamily):
        model.load_state(load_file(run / "model.safetensors"))
        dataset = read_dataset(Snapshot.open(*trained_once))
        assert_folds_as(model, Encoder.open(run / FOLDER), dataset)


def of_other_forms(items: int) -> list[VectorFamily]:
    """Families whose reference config takes another form than these do."""
    random = torch.Generator().manual_seed(0)
    vectors_ID = torch.randn(items, 8, generator=random)
    vectors_ID[::3] = 0  # nothing was learned of these
    popularity_I = torch.rand(items, generator=random)
    ranked = matrix_factorization.Model(matrix_factorization.Config(solver="bpr"))
    strengths_T = to_tensor({"purchase": 1.0})
    ranked.load_state(
        {"factors_ID": vectors_ID, "popularity_I": popularity_I, "strengths_T": strengths_T}
    )
    summed = word2vec.Model(word2vec.Config(popularity_weight=1.0))
    summed.load_state({"vectors_ID": vectors_ID, "popularity_I": popularity_I})
    words = content.Model(content.Config(popularity_weight=2.0))
    words.load_state(
        {
            "words_TD": vectors_ID[:9],
            "text_I": torch.arange(items) % 9,
            "popularity_I": popularity_I,
        }
    )
    return [ranked, summed, words]


def test_other_forms_of_weighted_mean_are_exported(dataset: Dataset, tmp_path: Path) -> None:
    for number, model in enumerate(of_other_forms(len(dataset.item_ids))):
        assert isinstance(model, Encodes)
        run = tmp_path / str(number)
        run.mkdir()
        model.exported().save(run, dataset.item_ids)
        assert_folds_as(model, Encoder.open(run / FOLDER), dataset)
