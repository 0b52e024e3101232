"""A sentence encoder in a folder: read as sentence-transformers writes it, or a precise error."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import TensorProto, helper, numpy_helper

from penchant.errors import DataError, UsageError
from penchant.settings import Settings
from training.configs import config_for
from training.data.catalogue import numbered
from training.fitting.context import TrainingContext
from training.layers.encoder_folder import read_encoder_folder
from training.layers.sentence_encoder import SentenceEncoder
from training.layers.text import encode_texts

tokenizers = pytest.importorskip("tokenizers")

WORDS = ("[PAD]", "[UNK]", "tea", "red", "nails")
Damage = Callable[[Path], object]
TABLE_VD = np.array([[9, 9], [0, 0], [1, 0], [0, 1], [-1, -1]], np.float32)


def write_model(path: Path, table_VD: np.ndarray = TABLE_VD, **names: str) -> None:
    """A model whose token vectors are rows of a table."""
    ids, out = names.get("ids", "input_ids"), names.get("out", "last_hidden_state")
    int64, batch = TensorProto.INT64, ["batch", "tokens"]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", ids], [out])],
        "encoder",
        [helper.make_tensor_value_info(name, int64, batch) for name in (ids, "attention_mask")],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, [*batch, table_VD.shape[1]])],
        [numpy_helper.from_array(table_VD, "table")],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As sentence-transformers writes it: pooling by the mean, then a length of 1."""
    path = tmp_path / "encoder"
    write_model(path / "onnx" / "model.onnx")
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(path / "tokenizer.json"))
    steps = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    write_json(
        path / "modules.json",
        [
            {"path": at, "type": f"sentence_transformers.models.{kind}"}
            for at, kind in steps.items()
        ],
    )
    pooling = {"word_embedding_dimension": 2, "pooling_mode_mean_tokens": True}
    write_json(path / "1_Pooling" / "config.json", pooling)
    write_json(path / "sentence_bert_config.json", {"max_seq_length": 3})
    write_json(path / "config.json", {"max_position_embeddings": 8})
    return path


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def vectors(folder: Path, *texts: str) -> list[list[float]]:
    return SentenceEncoder(read_encoder_folder(folder), 1).vectors(texts).tolist()


def test_vectors_are_means_of_the_tokens_in_the_order_of_the_texts(folder: Path) -> None:
    assert vectors(folder, "tea red", "tea", "unknown") == [[0.5, 0.5], [1, 0], [0, 0]]


def test_a_longer_text_is_cut_at_the_longest_that_the_folder_names(folder: Path) -> None:
    assert vectors(folder, "tea tea tea nails") == [[1, 0]]


def test_a_folder_without_steps_is_pooled_by_the_mean(folder: Path) -> None:
    (folder / "modules.json").unlink()
    (folder / "onnx" / "model.onnx").rename(folder / "model.onnx")
    assert vectors(folder, "tea red") == [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("cls_token", [1, 0]),
        ("lasttoken", [-1, -1]),
        ("max_tokens", [1, 0]),
        ("mean_sqrt_len_tokens", [0, -1 / np.sqrt(2)]),
        ("weightedmean_tokens", [-1 / 3, -2 / 3]),
    ],
)
def test_other_poolings(folder: Path, mode: str, expected: list[float]) -> None:
    write_json(folder / "1_Pooling" / "config.json", {f"pooling_mode_{mode}": True})
    assert vectors(folder, "tea nails", "red red red")[0] == pytest.approx(expected)


def test_poolings_are_joined_and_named_in_the_newer_way_too(folder: Path) -> None:
    config = {"embedding_dimension": 2, "pooling_mode": ["cls", "mean"]}
    write_json(folder / "1_Pooling" / "config.json", config)
    assert vectors(folder, "tea red") == [[1, 0, 0.5, 0.5]]


def test_the_default_prompt_stands_before_each_text(folder: Path) -> None:
    config = {"prompts": {"query": "red "}, "default_prompt_name": "query"}
    write_json(folder / "config_sentence_transformers.json", config)
    assert vectors(folder, "tea") == [[0.5, 0.5]]


def test_content_reads_texts_with_the_folder(folder: Path, context: TrainingContext) -> None:
    titles = pa.array(["red tea", "tea red", "nails", ""], pa.string())
    items = numbered(4).append_column("title", titles)
    with_folder = replace(context, sentence_encoder=folder)
    words_TD, text_I = encode_texts(items, "folder", 256, with_folder)
    near_II = words_TD[text_I] @ words_TD[text_I].T
    assert near_II[0, 1] == pytest.approx(1) and near_II[0, 2] == pytest.approx(-1)
    assert not words_TD[text_I[3]].any()
    with pytest.raises(UsageError, match="PENCHANT_SENTENCE_ENCODER is not set"):
        encode_texts(items, "folder", 256, context)


def test_another_encoder_is_another_config_wherever_it_lies(
    folder: Path, settings: Settings
) -> None:
    given = settings.model_copy(update={"sentence_encoder": folder})
    first = config_for(given, "content")
    assert first.encoder == "folder" and config_for(settings, "content").encoder == "tfidf"
    moved = folder.rename(folder.with_name("moved"))
    given = settings.model_copy(update={"sentence_encoder": moved})
    assert config_for(given, "content") == first
    write_model(moved / "onnx" / "model.onnx", 2 * TABLE_VD)
    assert config_for(given, "content") != first


def without(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def with_json(name: str, content: object) -> Damage:
    return lambda folder: write_json(folder / name, content)


def with_text(name: str, text: str) -> Damage:
    return lambda folder: (folder / name).write_text(text)


def with_model(table_VD: np.ndarray = TABLE_VD, **names: str) -> Damage:
    return lambda folder: write_model(folder / "onnx" / "model.onnx", table_VD, **names)


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (without("tokenizer.json"), "has no tokenizer.json"),
        (without("onnx/model.onnx"), "has no ONNX export, onnx/model.onnx or model.onnx"),
        (without("1_Pooling/config.json"), "but modules.json names it"),
        (with_text("modules.json", "{"), "modules.json is not JSON"),
        (with_text("modules.json", "{}"), "modules.json holds no JSON list"),
        (with_text("tokenizer.json", "{}"), "tokenizer.json is not a tokenizer"),
        (with_text("onnx/model.onnx", "no"), "model.onnx is not an ONNX model"),
        (with_json("modules.json", [{"type": "models.Dense"}]), "has the step 'Dense'"),
        (with_json("1_Pooling/config.json", {"pooling_mode": "best"}), "pooling 'best' of"),
        (
            with_json("sentence_bert_config.json", {"max_seq_length": 9}),
            "max_seq_length of .* is 9",
        ),
        (
            with_json("sentence_bert_config.json", {"max_seq_length": 0}),
            "max_seq_length of .* is 0",
        ),
        (with_model(np.ones((5, 3), np.float32)), "gives vectors of 3 dimensions, .* expects 2"),
        (with_model(TABLE_VD[:2]), "fails on texts of up to 2 tokens"),
        (with_model(ids="pixels"), "reads pixels, attention_mask, so it is no sentence encoder"),
    ],
)
def test_a_bad_folder_is_a_precise_error(folder: Path, damage: Damage, cause: str) -> None:
    damage(folder)
    with pytest.raises(UsageError, match=f"PENCHANT_SENTENCE_ENCODER: .*{cause}"):
        vectors(folder, "tea red")


def test_the_error_without_an_export_names_the_command(folder: Path) -> None:
    (folder / "onnx" / "model.onnx").unlink()
    with pytest.raises(UsageError) as raised:
        read_encoder_folder(folder)
    assert "backend='onnx'" in raised.value.remedy and str(folder) in raised.value.remedy


def test_a_vector_that_is_not_finite_names_its_text(folder: Path) -> None:
    write_model(folder / "onnx" / "model.onnx", np.where(TABLE_VD == 0, np.nan, TABLE_VD))
    with pytest.raises(DataError, match="the vector of 'tea'"):
        vectors(folder, "tea", "nails")


def test_without_the_package_the_error_names_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UsageError) as raised:
        SentenceEncoder(read_encoder_folder(folder), 1)
    assert "penchant[text]" in raised.value.remedy


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"folder .*nowhere does not exist"):
        read_encoder_folder(tmp_path / "nowhere")
