"""The folder of a sentence encoder, as sentence-transformers and Hugging Face write it.

``tokenizer.json``, and ``model.onnx`` here or in ``onnx/``. ``modules.json`` names the steps after
the model: how token vectors are pooled is in the folder of the step ``Pooling``; without it they
are averaged, as sentence-transformers does with a plain model. A step ``Normalize`` changes
nothing here, since all vectors get length 1. ``max_seq_length`` of ``sentence_bert_config.json``,
else the tokenizer's ``model_max_length``, else the model's ``max_position_embeddings`` is the
longest text in tokens; what is longer is cut.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from penchant.errors import UsageError

SETTING = "PENCHANT_SENTENCE_ENCODER"
MODELS = ("onnx/model.onnx", "model.onnx")
POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
STEPS = ("Transformer", "Pooling", "Normalize")
WITHOUT_LIMIT = 100_000  # a ``model_max_length`` above it says that there is none
USUAL_LONGEST = 512  # tokens


@dataclass(frozen=True)
class EncoderFolder:
    """``poolings``: of the token vectors, joined. ``dimensions``: of a token vector, None where no
    file says. ``longest``: text, in tokens. ``prompt``: before every text."""

    path: Path
    model: Path
    poolings: tuple[str, ...]
    dimensions: int | None
    longest: int
    prompt: str

    @property
    def tokenizer(self) -> Path:
        return self.path / "tokenizer.json"

    @property
    def sha256(self) -> str:
        """Of all files, by name: any change of the folder is another encoder."""
        files = sorted(
            file
            for file in self.path.rglob("*")
            if file.is_file() and not _hidden(file.relative_to(self.path))
        )
        states = ((file.stat().st_size, file.stat().st_mtime_ns) for file in files)
        return _sha256(self.path, tuple(zip(files, *zip(*states, strict=True), strict=True)))


def read_encoder_folder(path: Path) -> EncoderFolder:
    """Raises UsageError for a folder that is missing, lacks a file, or asks for more than this
    program can do."""
    if not path.is_dir():
        raise UsageError(
            f"{SETTING}: folder {path} does not exist",
            "name a folder with tokenizer.json and model.onnx",
        )
    if not (path / "tokenizer.json").is_file():
        raise UsageError(
            f"{SETTING}: {path} has no tokenizer.json",
            "save the fast tokenizer there: AutoTokenizer.from_pretrained(…).save_pretrained(…)",
        )
    pooling = _pooling(path)
    return EncoderFolder(
        path,
        _model(path),
        _poolings(pooling, path),
        pooling.get("word_embedding_dimension") or pooling.get("embedding_dimension"),
        _longest(path),
        _prompt(path, pooling),
    )


def _model(path: Path) -> Path:
    found = next((path / name for name in MODELS if (path / name).is_file()), None)
    if found is None:
        raise UsageError(
            f"{SETTING}: {path} has no ONNX export, {' or '.join(MODELS)}",
            "pip install 'sentence-transformers[onnx]' elsewhere, then export it: python -c \"from "
            "sentence_transformers import SentenceTransformer as S; "
            f"S('{path}', backend='onnx').save_pretrained('{path}')\"",
        )
    return found


def _pooling(path: Path) -> dict[str, Any]:
    """The config of the step ``Pooling``; empty without one."""
    steps = _read(path / "modules.json", list)
    kinds = [str(step.get("type", "")).rpartition(".")[2] for step in steps]
    unknown = [kind for kind in kinds if kind not in STEPS]
    if unknown:
        raise UsageError(
            f"{SETTING}: {path / 'modules.json'} has the step {unknown[0]!r}, which is not one of "
            f"{', '.join(STEPS)}",
            "export the whole encoder to ONNX with an output sentence_embedding, and remove the "
            "step from modules.json",
        )
    if "Pooling" not in kinds:
        return {}
    folder = path / str(steps[kinds.index("Pooling")].get("path", "1_Pooling"))
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"{SETTING}: {folder / 'config.json'} does not exist, but modules.json names it",
            "copy the whole folder of the encoder",
        )
    return dict(_read(folder / "config.json", dict))


def _poolings(config: dict[str, Any], path: Path) -> tuple[str, ...]:
    named = config.get("pooling_mode")
    found = [named] if isinstance(named, str) else list(named or ())
    for name, used in config.items():
        if name.startswith("pooling_mode_") and used is True:
            found.append(name.removeprefix("pooling_mode_").removesuffix("_tokens"))
    known = {name.removesuffix("_tokens"): name for name in POOLINGS}
    known |= {"cls_token": "cls"}
    wrong = [each for each in found if each.removesuffix("_tokens") not in known]
    if wrong:
        raise UsageError(
            f"{SETTING}: pooling {wrong[0]!r} of {path} is not known",
            f"use {', '.join(POOLINGS)}",
        )
    return tuple(known[each.removesuffix("_tokens")] for each in found) or ("mean",)


def _longest(path: Path) -> int:
    """Raises UsageError where it is more than the model has positions."""
    most = _read(path / "config.json", dict).get("max_position_embeddings")
    named = {
        "sentence_bert_config.json": "max_seq_length",
        "tokenizer_config.json": "model_max_length",
    }
    for name, key in named.items():
        value = _read(path / name, dict).get(key)
        if value is None or (isinstance(value, int | float) and value > WITHOUT_LIMIT):
            continue
        if not isinstance(value, int) or value < 1 or (most is not None and value > most):
            limit = "" if most is None else f", at most the model's {most} positions"
            raise UsageError(
                f"{SETTING}: {key} of {path / name} is {value!r}",
                f"set it to a number of tokens from 1{limit}",
            )
        return value
    return int(most or USUAL_LONGEST)


def _prompt(path: Path, pooling: dict[str, Any]) -> str:
    config = _read(path / "config_sentence_transformers.json", dict)
    name = config.get("default_prompt_name")
    prompt = str((config.get("prompts") or {}).get(name, "")) if name else ""
    if prompt and pooling.get("include_prompt") is False:
        raise UsageError(
            f"{SETTING}: {path} leaves its prompt {prompt!r} out of the pooling",
            "use an encoder without a default prompt, or whose include_prompt is true",
        )
    return prompt


def _read(file: Path, kind: type) -> Any:
    """The JSON of a file; empty where there is none."""
    if not file.is_file():
        return kind()
    try:
        content = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise UsageError(f"{SETTING}: {file} is not JSON: {error}", "restore the file") from None
    if not isinstance(content, kind):
        raise UsageError(
            f"{SETTING}: {file} holds no JSON {'list' if kind is list else 'object'}",
            "restore the file",
        )
    return content


def _hidden(name: Path) -> bool:
    return any(part.startswith(".") for part in name.parts)


@lru_cache(4)
def _sha256(path: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    """``files`` with size and time of change, so that they are read again only after a change."""
    digest = hashlib.sha256()
    for file, _, _ in files:
        with file.open("rb") as content:
            own = hashlib.file_digest(content, "sha256").hexdigest()
        digest.update(f"{file.relative_to(path).as_posix()} {own}\n".encode())
    return digest.hexdigest()
