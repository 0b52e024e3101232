"""Encoders: what a release folds by, and what is not published."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fresh_shop import with_encoder
from safetensors.numpy import save_file

from penchant.encoders import histories
from penchant.encoders.encoder import Encoder
from penchant.encoders.history import History
from penchant.encoders.ids import Ids
from penchant.errors import DataError
from penchant.publishing.publish import publish
from penchant.releases.release import Release

ONE = "s-20180102-000000000001"


def ids(*names: str) -> Ids:
    return Ids(np.array([name.encode() for name in names]))


def test_finds_ids_of_any_length() -> None:
    known = ids("a", "bcd", "é")
    assert known.rows(["bcd", "é", "bcde", "b", "zzzz", ""]).tolist() == [1, 2, -1, -1, -1, -1]
    assert known.names(np.array([2, 0])) == ("é", "a")
    assert Ids(np.zeros(0, "S1")).rows(["a"]).tolist() == [-1]


def test_fold_in_equals_the_trained_vectors(shop: Any) -> None:
    with_encoder(shop, 1)
    live = Release.open(shop.settings, publish(shop.settings, ONE).release_id)
    described = live.manifest.encoder
    assert described is not None
    assert (described.verified_users, described.learned_from) == (30, "purchase")
    assert described.largest_difference <= 1e-4
    encoder = Encoder.open(live.path / "encoder")
    published = histories.Histories.open(live.path / "histories", encoder.items)
    history = published.of("u3")
    assert history.item_ids == tuple(f"i{number:03}" for number in range(3, 13))
    assert not np.allclose(encoder.encode(history), encoder.encode(history.without("i005")))
    assert len(published.of("nobody")) == 0


def test_publishing_rejects_an_encoder_with_other_vectors(shop: Any) -> None:
    with_encoder(shop, 1)

    def turn(columns: dict[str, Any]) -> None:
        columns["vector"][7][0] += 0.01

    shop.spoil(1, "user_vectors", turn)
    with pytest.raises(DataError, match=r"differs by .* from the trained one"):
        publish(shop.settings, ONE)
    assert shop.settings.live_release.current() is None


@pytest.mark.parametrize("text", ["{", '{"kind": "oracle"}', "{}"])
def test_rejects_a_broken_encoder(tmp_path: Path, text: str) -> None:
    (tmp_path / "encoder.json").write_text(text)
    np.save(tmp_path / "item_ids.npy", np.array([b"a"]))
    save_file({"row_I": np.zeros(1, np.int32)}, tmp_path / "encoder.safetensors")
    with pytest.raises(DataError, match="can't be read"):
        Encoder.open(tmp_path)


def test_rejects_an_invalid_onnx_graph(tmp_path: Path) -> None:
    described = '{"kind": "onnx", "latest": null, "half_life_days": null, "strengths": null}'
    (tmp_path / "encoder.json").write_text(described)
    np.save(tmp_path / "item_ids.npy", np.array([b"a"]))
    (tmp_path / "encoder.onnx").write_bytes(b"rubbish")
    with pytest.raises(DataError, match="can't be read"):
        Encoder.open(tmp_path)


def test_publishes_only_the_events_that_the_encoder_reads(tmp_path: Path) -> None:
    sequences = pa.table(
        {
            "user_id": ["u", "v"],
            "item_ids": [["c"], ["a", "b", "c", "a"]],
            "event_ats": pa.array([[3], [0, 1, 2, 2]], pa.list_(pa.timestamp("s"))),
            "weights": [[4.0], [1.0, 2.0, 3.0, 4.0]],
            "event_types": [["purchase"], ["purchase", "purchase", "view", "purchase"]],
            "target_event_type": ["purchase", "purchase"],
        }
    )
    parts = sequences.slice(0, 1), sequences.slice(1)
    histories.write(tmp_path / "h", parts, ids("a", "b", "c"), 86_400, latest=2)
    published = histories.Histories.open(tmp_path / "h", ids("a", "b", "c"))
    one = published.of("v")
    assert (one.item_ids, one.weights_N.tolist()) == (("b", "a"), [2.0, 4.0])
    assert published.of("u").item_ids == ("c",)
    strengths = {"purchase": 1.0, "view": 0.5, "cart": 0.0}
    histories.write(tmp_path / "e", parts, ids("a", "b", "c"), 86_400, 2, strengths)
    every_type = histories.Histories.open(tmp_path / "e", ids("a", "b", "c")).of("v")
    assert (every_type.item_ids, every_type.weights_N.tolist()) == (("a", "c"), [4.0, 1.5])
    assert every_type.places_N.tolist() == [0, 2], "of one second, the stronger type is first"
    with pytest.raises(DataError, match="the encoder lacks item 'c'"):
        histories.write(tmp_path / "i", parts, ids("a", "b"), 86_400, latest=None)


def test_later_events_are_merged_by_time() -> None:
    def of(item_id: str, age: float) -> History:
        return History((item_id,), np.array([age], np.float32), np.ones(1, np.float32))

    assert of("new", 0.5).then(of("late", 3.0)).item_ids == ("late", "new")
