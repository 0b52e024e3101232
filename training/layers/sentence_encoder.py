"""A sentence encoder in ONNX (Reimers & Gurevych 2019): texts to vectors, without PyTorch."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from penchant.encoders.onnx_session import open_session
from penchant.errors import DataError, UsageError
from training.layers.encoder_folder import SETTING, EncoderFolder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TEXTS_AT_ONCE = 64
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
SENTENCE = "sentence_embedding"  # the output of an export that pools by itself
NUMBERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
Floats = npt.NDArray[np.float32]


class SentenceEncoder:
    """An encoder whose files are read and whose graph is open."""

    def __init__(self, folder: EncoderFolder, threads: int) -> None:
        """Raises UsageError for files that are no tokenizer or no encoder of sentences."""
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        self.folder = folder
        self._failures = (errors.Fail, errors.InvalidArgument, errors.RuntimeException)
        self._tokenizer = _tokenizer(folder)
        self._pad = _padding(self._tokenizer)
        try:
            self._session = open_session(folder.model, threads, weights_beside=True)
        except ValueError as error:
            raise UsageError(
                f"{SETTING}: {folder.model} is not an ONNX model: {str(error).splitlines()[0]}",
                "export the encoder again, with the files of its weights beside it",
            ) from None
        self._inputs = {each.name: each for each in self._session.get_inputs()}
        self._check_inputs()
        self._output = self._output_name()

    def vectors(self, texts: Sequence[str]) -> Floats:
        """vectors_TD, in order; texts of like length are read together.

        Raises UsageError where the model can't read what the tokenizer writes, DataError for a
        vector that is not finite.
        """
        encoded = self._tokenizer.encode_batch([self.folder.prompt + text for text in texts])
        ids = [np.array(each.ids, np.int64) for each in encoded]
        order_T = np.argsort([len(each) for each in ids], kind="stable")
        parts = [
            self._vectors([ids[row] for row in order_T[first : first + TEXTS_AT_ONCE]])
            for first in range(0, len(ids), TEXTS_AT_ONCE)
        ]
        vectors_TD = np.concatenate(parts)[np.argsort(order_T)]
        finite_T = np.isfinite(vectors_TD).all(axis=1)
        if not finite_T.all():
            raise DataError(
                f"the vector of {texts[int(np.argmin(finite_T))]!r} by {self.folder.model} has NaN "
                "or infinity",
                "export the encoder in single precision",
            )
        return vectors_TD

    def _vectors(self, ids: list[npt.NDArray[np.int64]]) -> Floats:
        longest = max(1, *(len(each) for each in ids)) if ids else 1
        ids_BT = np.full((len(ids), longest), self._pad)
        mask_BT = np.zeros((len(ids), longest), np.int64)
        for row, each in enumerate(ids):
            ids_BT[row, : len(each)], mask_BT[row, : len(each)] = each, 1
        read = dict(zip(INPUTS, (ids_BT, mask_BT, np.zeros_like(ids_BT)), strict=True))
        given = {name: read[name].astype(NUMBERS[each.type]) for name, each in self._inputs.items()}
        try:
            (found,) = self._session.run([self._output], given)
        except self._failures as error:
            raise UsageError(
                f"{SETTING}: {self.folder.model} fails on texts of up to {longest} tokens: "
                f"{str(error).splitlines()[0]}",
                "check that tokenizer.json is this model's, and max_seq_length of "
                "sentence_bert_config.json no more than it can read",
            ) from None
        return self._pooled(np.asarray(found, np.float32), mask_BT)

    def _pooled(self, found: Floats, mask_BT: npt.NDArray[np.int64]) -> Floats:
        said = self.folder.dimensions
        if (
            found.ndim not in (2, 3)
            or found.shape[: found.ndim - 1] != mask_BT.shape[: found.ndim - 1]
        ):
            raise UsageError(
                f"{SETTING}: output {self._output!r} of {self.folder.model} has shape "
                f"{found.shape} for tokens of shape {mask_BT.shape}",
                "export it with an output of (batch, tokens, dimensions) or (batch, dimensions)",
            )
        if found.ndim == 2:
            return found
        if said is not None and found.shape[2] != said:
            raise UsageError(
                f"{SETTING}: {self.folder.model} gives vectors of {found.shape[2]} dimensions, the "
                f"pooling of {self.folder.path} expects {said}",
                "take model.onnx and the other files from the same encoder",
            )
        return np.concatenate([POOL[name](found, mask_BT) for name in self.folder.poolings], axis=1)

    def _check_inputs(self) -> None:
        model, names = self.folder.model, list(self._inputs)
        if "input_ids" not in names or any(name not in INPUTS for name in names):
            raise UsageError(
                f"{SETTING}: {model} reads {', '.join(names)}, so it is no sentence encoder",
                f"use a model that reads {', '.join(INPUTS)}, or the first of them",
            )
        for each in self._inputs.values():
            if each.type not in NUMBERS:
                raise UsageError(
                    f"{SETTING}: input {each.name!r} of {model} is of {each.type}",
                    "export it with inputs of int64",
                )
            if any(isinstance(size, int) for size in each.shape):
                raise UsageError(
                    f"{SETTING}: input {each.name!r} of {model} has the fixed shape {each.shape}",
                    "export it with dynamic axes: (batch, tokens)",
                )

    def _output_name(self) -> str:
        outputs = {each.name: len(each.shape) for each in self._session.get_outputs()}
        if outputs.get(SENTENCE) == 2:
            return SENTENCE
        for rank in (3, 2):
            found = next((name for name, own in outputs.items() if own == rank), None)
            if found is not None:
                return found
        raise UsageError(
            f"{SETTING}: {self.folder.model} has no output of token or sentence vectors, but "
            f"{', '.join(outputs)}",
            "export it with an output of (batch, tokens, dimensions) or (batch, dimensions)",
        )


def _tokenizer(folder: EncoderFolder) -> "Tokenizer":
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UsageError(
            f"{SETTING} needs the package tokenizers: {error}", "pip install 'penchant[text]'"
        ) from None
    try:
        tokenizer = Tokenizer.from_file(str(folder.tokenizer))
    except Exception as error:  # noqa: BLE001 (tokenizers raises nothing narrower)
        raise UsageError(
            f"{SETTING}: {folder.tokenizer} is not a tokenizer: {error}",
            "save the encoder's fast tokenizer there",
        ) from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(folder.longest)
    return tokenizer


def _padding(tokenizer: "Tokenizer") -> int:
    """The id of the padding token; 0 where there is none: padding is masked."""
    found = (tokenizer.token_to_id(token) for token in ("[PAD]", "<pad>"))
    return next((token for token in found if token is not None), 0)


def _mean(tokens_BTD: Floats, mask_BT: npt.NDArray[np.int64]) -> Floats:
    return _sum(tokens_BTD, mask_BT) / _count(mask_BT)


def _mean_sqrt(tokens_BTD: Floats, mask_BT: npt.NDArray[np.int64]) -> Floats:
    lengths_B1: Floats = np.sqrt(_count(mask_BT))
    return _sum(tokens_BTD, mask_BT) / lengths_B1


def _weighted_mean(tokens_BTD: Floats, mask_BT: npt.NDArray[np.int64]) -> Floats:
    """Later tokens weigh more, by their place (Muennighoff 2022)."""
    return _mean(tokens_BTD, mask_BT * np.arange(1, mask_BT.shape[1] + 1))


def _max(tokens_BTD: Floats, mask_BT: npt.NDArray[np.int64]) -> Floats:
    return np.where(mask_BT[:, :, None] > 0, tokens_BTD, -np.inf).max(axis=1)


def _first(tokens_BTD: Floats, mask_BT: npt.NDArray[np.int64]) -> Floats:
    return tokens_BTD[:, 0]


def _last(tokens_BTD: Floats, mask_BT: npt.NDArray[np.int64]) -> Floats:
    return tokens_BTD[np.arange(len(tokens_BTD)), np.maximum(mask_BT.sum(axis=1), 1) - 1]


def _sum(tokens_BTD: Floats, mask_BT: npt.NDArray[np.int64]) -> Floats:
    return np.einsum("btd,bt->bd", tokens_BTD, mask_BT.astype(np.float32))


def _count(mask_BT: npt.NDArray[np.int64]) -> Floats:
    return np.maximum(mask_BT.sum(axis=1, keepdims=True), 1).astype(np.float32)


POOL: dict[str, Callable[[Floats, npt.NDArray[np.int64]], Floats]] = {
    "cls": _first,
    "lasttoken": _last,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt,
    "weightedmean": _weighted_mean,
}
