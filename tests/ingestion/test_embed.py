"""Images to vectors by an encoder that gives an image's mean colours, and what is no image."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper
from PIL import Image

from penchant.errors import DataError, UsageError
from penchant.ingestion.embedding.embed import embed
from penchant.ingestion.ingest import ingest
from penchant.settings import Settings


def write_encoder(path: Path, operation: str = "ReduceMean", channels: int = 3) -> Path:
    """Mean of each colour, or of its logarithm, which is no finite number for black."""
    given = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", channels, 8, 8])
    taken = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", channels])
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])
    nodes = [helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0)]
    last = "Log" if operation == "Log" else "Identity"
    nodes.append(helper.make_node(last, ["mean"], ["vector"]))
    graph = helper.make_graph(nodes, "encoder", [given], [taken], [axes])
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    Image.new("RGB", (20, 10), (255, 0, 0)).save(folder / "red.png")
    Image.new("RGB", (10, 30), (0, 0, 255)).save(folder / "more" / "blue.jpg")
    return folder


def vectors(out: Path) -> dict[str, list[float]]:
    table = pa.concat_tables(pq.read_table(part) for part in sorted(out.glob("*.parquet")))
    return dict(zip(table["item_id"].to_pylist(), table["vector"].to_pylist(), strict=True))


def huge_png() -> bytes:
    """An image of 100 megapixels, without its pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    size = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + pixels


def test_images_are_embedded_once(images: Path, tmp_path: Path) -> None:
    encoder, out = write_encoder(tmp_path / "e.onnx"), tmp_path / "out"
    first = embed(images, encoder, "image", out, 1)
    assert (first.embedded, first.dimensions, first.rejected) == (2, 3, {})
    found = vectors(out)
    np.testing.assert_allclose(found["red"], [1, 0, 0], atol=0.02)
    np.testing.assert_allclose(found["blue"], [0, 0, 1], atol=0.02)
    Image.new("RGB", (9, 9), (0, 255, 0)).save(images / "green.png")
    again = embed(images, encoder, "image", out, 1)
    assert (again.embedded, again.known) == (1, 2)
    assert vectors(out).keys() == {"red", "blue", "green"}


def test_files_that_are_no_images_are_named(images: Path, tmp_path: Path) -> None:
    (images / "empty.png").write_bytes(b"")
    (images / "text.jpg").write_text("no image")
    (images / "huge.png").write_bytes(huge_png())
    whole = (images / "red.png").read_bytes()
    (images / "torn.png").write_bytes(whole[: len(whole) // 2])
    report = embed(images, write_encoder(tmp_path / "e.onnx"), "image", tmp_path / "out", 1)
    assert report.embedded == 2
    assert report.rejected.keys() == {"empty.png", "text.jpg", "huge.png", "torn.png"}
    assert report.rejected["empty.png"] == "0 bytes"
    assert report.rejected["text.jpg"] == "not an image"
    assert "10,000 x 10,000 pixels" in report.rejected["huge.png"]
    listed = (tmp_path / "out" / "rejected.csv").read_text()
    assert "huge.png" in listed and "torn.png" in listed


def test_colours_are_scaled_as_the_encoder_was_trained(images: Path, tmp_path: Path) -> None:
    config = tmp_path / "preprocessor_config.json"
    config.write_text('{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}')
    encoder = write_encoder(tmp_path / "e.onnx")
    embed(images, encoder, "image", tmp_path / "out", 1)
    np.testing.assert_allclose(vectors(tmp_path / "out")["red"], [1, -1, -1], atol=0.02)
    config.write_text('{"image_mean": [0.5]}')
    with pytest.raises(UsageError, match="no image_mean and image_std"):
        embed(images, encoder, "image", tmp_path / "other", 1)


def test_wrong_arguments_are_named(images: Path, tmp_path: Path) -> None:
    encoder, out = write_encoder(tmp_path / "e.onnx"), tmp_path / "out"
    with pytest.raises(UsageError, match="has no image"):
        embed(tmp_path / "nowhere", encoder, "image", out, 1)
    with pytest.raises(UsageError, match="does not exist"):
        embed(images, tmp_path / "none.onnx", "image", out, 1)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UsageError, match="not an ONNX model"):
        embed(images, tmp_path / "text.onnx", "image", out, 1)
    with pytest.raises(UsageError, match="input 'pixels' has shape"):
        embed(images, write_encoder(tmp_path / "one.onnx", channels=1), "image", out, 1)
    embed(images, encoder, "image", out, 1)
    with pytest.raises(UsageError, match="another encoder or kind"):
        embed(images, encoder, "photo", out, 1)
    Image.new("RGB", (9, 9)).save(images / "more" / "red.gif")
    with pytest.raises(UsageError, match="item 'red' has two images"):
        embed(images, encoder, "image", out, 1)


def test_vectors_that_are_not_finite_stop_the_run(images: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="NaN or infinity"):
        embed(images, write_encoder(tmp_path / "e.onnx", "Log"), "image", tmp_path / "out", 1)


MAPPING = """
tables:
  item_embeddings:
    path: out/*.parquet
    columns: {item_id: item_id, kind: kind, vector: vector}
"""


def test_vectors_land(settings: Settings, images: Path, tmp_path: Path) -> None:
    embed(images, write_encoder(tmp_path / "e.onnx"), "image", tmp_path / "out", 1)
    (tmp_path / "m.yml").write_text(MAPPING)
    (batch,) = ingest(settings, "files", mapping=tmp_path / "m.yml").landed
    assert batch["rows"] == 2


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ('a,image,"[1, nan]"\n', "null, NaN or infinity in a vector"),
        ('a,image,"[1, null]"\n', "null, NaN or infinity in a vector"),
        ("a,image,[]\n", "an empty vector"),
        ("a,image,red\n", "not of type FLOAT[]"),
        ('a,image,"[1, 2]"\nb,image,"[1, 2, 3]"\n', "from 2 to 3 numbers for kind 'image'"),
        ('a,My Image,"[1, 2]"\n', "not the name of a kind"),
    ],
)
def test_wrong_vectors_are_quarantined(
    settings: Settings, tmp_path: Path, rows: str, reason: str
) -> None:
    (tmp_path / "m.yml").write_text(MAPPING.replace("out/*.parquet", "v.csv"))
    (tmp_path / "v.csv").write_text("item_id,kind,vector\n" + rows)
    with pytest.raises(DataError, match="quarantined 1") as raised:
        ingest(settings, "files", mapping=tmp_path / "m.yml")
    assert reason in raised.value.cause


def land_vectors(settings: Settings, folder: Path, *files: str, more: str = "") -> Any:
    """``files``: rows of one file each, in the order of their names."""
    (folder / "m.yml").write_text(MAPPING.replace("out/*.parquet", f"v*.csv{more}"))
    for place, rows in enumerate(files):
        (folder / f"v{place}.csv").write_text(f"item_id,kind,vector\n{rows}")
    return ingest(settings, "files", mapping=folder / "m.yml")


def test_a_kind_has_one_length_over_all_files(settings: Settings, tmp_path: Path) -> None:
    report = land_vectors(
        settings, tmp_path, 'a,image,"[1, 2]"\n', 'b,image,"[1, 2, 3]"\n', 'b,sound,"[1]"\n'
    )
    (wrong,) = report.quarantined
    assert len(report.landed) == 2 and wrong["original_name"] == "v1.csv"
    (reason,) = wrong["reasons"]
    assert "3 numbers for kind 'image', but 2 in v0.csv" in reason["detail"]


def test_batches_without_recorded_lengths_count_too(settings: Settings, tmp_path: Path) -> None:
    (batch,) = land_vectors(settings, tmp_path, 'a,image,"[1, 2]"\n').landed
    record = Path(batch["path"]) / "batch.json"
    content = json.loads(record.read_text())
    assert content.pop("lengths") == {"image": 2}
    record.write_text(json.dumps(content))
    (tmp_path / "v0.csv").unlink()
    report = land_vectors(settings, tmp_path, 'b,image,"[1]"\n')
    assert "but 2 in v0.csv" in report.quarantined[0]["reasons"][0]["detail"]


def test_a_whole_table_may_have_another_length(settings: Settings, tmp_path: Path) -> None:
    whole = "\n    whole_table: true"
    land_vectors(settings, tmp_path, 'a,image,"[1, 2]"\n', more=whole)
    report = land_vectors(settings, tmp_path, 'a,image,"[1, 2, 3]"\n', more=whole)
    assert len(report.landed) == 1 and not report.quarantined
