"""Compressed vectors: published where they lose little enough, read as if they were plain."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from penchant import vectors
from penchant.artifacts import CompressionRecord
from penchant.errors import DataError
from penchant.publishing.publish import publish
from penchant.releases.opened import OpenRelease
from penchant.releases.release import Release
from penchant.serving.service import RecommendationService

ONE = "s-20180102-000000000001"
SIDES = {"user_vectors": "user_id", "item_vectors": "item_id"}


def write_compressed(run: Path, highest: dict[str, float]) -> Path:
    """What `compress` leaves; ``highest``: the upper end of each kind's loss on validation."""
    folder = CompressionRecord.folder(run)
    folder.mkdir(parents=True)
    tables = {side: pq.read_table(run / f"{side}.parquet") for side in SIDES}
    plain = [vectors.matrix(table) for table in tables.values()]
    for kind in vectors.KINDS:
        for side, frame, vectors_ND in zip(SIDES, vectors.frames(kind, *plain), plain, strict=True):
            key = SIDES[side]
            table = vectors.table(key, tables[side][key], frame.encode(vectors_ND))
            vectors.write(folder / f"{side}.{kind}.parquet", table)
    forms = {
        kind: {
            window: {"share": {"mean": 0.0, "low": -high, "high": high}}
            for window in ("validation", "test")
        }
        for kind, high in highest.items()
    }
    record = CompressionRecord(
        run_id=run.name, family="matrix_factorization", forms=forms, left_out={}
    )
    record.write(CompressionRecord.path(folder))
    return folder


@pytest.mark.parametrize(
    ("highest", "most", "kind"),
    [
        ({"int8": 0.004, "half": 0.001}, 0.01, "int8"),
        ({"int8": 0.02, "half": 0.001}, 0.01, "half"),
        ({"int8": 0.02, "half": 0.02}, 0.01, "float32"),
        ({"int8": 0.02, "half": 0.02}, 0.05, "int8"),
        ({"int8": 0.0, "half": 0.0}, 0.0, "float32"),
    ],
)
def test_the_smallest_that_loses_within_the_setting_is_published(
    shop: Any, highest: dict[str, float], most: float, kind: str
) -> None:
    settings = shop.settings.model_copy(update={"compression_loss": most})
    plain_id = publish(shop.settings, ONE).release_id
    near = RecommendationService(shop.settings).similar("i000").items
    write_compressed(shop.run(1), highest)

    report = publish(settings, ONE)

    vectors = Release.open(settings, report.release_id).manifest.vectors
    assert vectors is not None and vectors.kind == kind
    assert (report.release_id == plain_id) == (kind == "float32")
    assert report.recall_at_10 >= 0.95
    opened = OpenRelease(settings, report.release_id).vectors_ID
    learned = pq.read_table(shop.run(1) / "item_vectors.parquet").sort_by("item_id")["vector"]
    np.testing.assert_allclose(opened, np.stack(learned.to_numpy()), atol=0.03)
    again = {
        item.item_id: item.score
        for item in RecommendationService(settings).similar("i000", 20).items
    }
    assert all(again[item.item_id] == pytest.approx(item.score, abs=0.05) for item in near[:5])


def test_what_is_online_decodes_to_what_was_learned(shop: Any) -> None:
    from penchant.features.repository import open_store

    write_compressed(shop.run(1), {"int8": 0.0, "half": 0.0})
    release = Release.open(shop.settings, publish(shop.settings, ONE).release_id)
    store = open_store(shop.settings, release.attempt, release.path)
    learned = pq.read_table(shop.run(1) / "item_vectors.parquet").slice(7, 1).to_pylist()[0]
    row = store.get_online_features(
        features=release.item_vectors.refs, entity_rows=[{"item_id": learned["item_id"]}]
    ).to_dict()
    assert len(row["numbers"][0]) == 8  # a byte a dimension
    vector = release.item_vector({name: values[0] for name, values in row.items()})
    np.testing.assert_allclose(vector, learned["vector"], atol=0.03)


def test_a_compressed_file_that_is_gone_is_told(shop: Any) -> None:
    folder = write_compressed(shop.run(1), {"int8": 0.0, "half": 0.0})
    (folder / "item_vectors.int8.parquet").unlink()
    with pytest.raises(DataError, match=r"item_vectors\.int8\.parquet does not exist"):
        publish(shop.settings, ONE)
    shutil.rmtree(folder)
    assert publish(shop.settings, ONE).status == "published"
