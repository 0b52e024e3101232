"""Signed receipts: of an erasure, and of a removal of rows that were past their end."""

import json
from pathlib import Path
from typing import Any

from penchant.artifacts.record import Moment, Part, Record
from penchant.errors import UsageError


class UnlearnedModel(Part):
    """A model that no longer knows the person. ``how``: what was done, in words."""

    family: str
    run_id: str
    how: str


class SignedReceipt(Record):
    """``signature``: Ed25519 over all other fields, under ``public_key``; both in hex."""

    REMEDY = "the receipt is damaged: restore it from a backup"

    public_key: str
    signature: str = ""


class ErasureReceipt(SignedReceipt):
    """``privacy/receipts/<request id>.json``: what was removed where, and what was verified.

    ``removed``: place -> rows or files. ``searched_files``: files of the home that were searched
    for the person's id after the removal; none had it. ``limits``: what Penchant can't reach or
    verify.
    """

    request_id: str
    pseudonym: str
    requested_at: Moment
    completed_at: Moment
    removed: dict[str, int]
    snapshot_id: str | None
    release_id: str | None
    models: tuple[UnlearnedModel, ...]
    searched_files: int
    limits: tuple[str, ...]


class RetentionReceipt(SignedReceipt):
    """``privacy/receipts/retention-<time>.json``. ``days``: place -> how long rows are kept.
    ``removed``: place -> rows that were past their end."""

    applied_at: Moment
    days: dict[str, int]
    removed: dict[str, int]


def read_receipt(path: Path) -> SignedReceipt:
    """A receipt of either kind.

    Raises UsageError where the file can't be read, and DataError as ``Record.read`` does.
    """
    try:
        content: Any = json.loads(path.read_text())
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", "name a file of privacy/receipts/ in the home"
        ) from None
    except ValueError:
        content = None  # read says what is wrong
    is_erasure = not isinstance(content, dict) or "request_id" in content
    return ErasureReceipt.read(path) if is_erasure else RetentionReceipt.read(path)
