"""Encrypting the files of a home, and encrypting them again under a new data key.

Each file is replaced whole, so a kill leaves the old file or the new and the next call goes on.
Readers go on too: a file that they have open stays as it was, and a file names its data key.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from penchant.encryption import keyring, log_lines
from penchant.encryption.home_files import (
    PLACES,
    data_keys_in_use,
    encrypt_file,
    files_to_encrypt,
)
from penchant.errors import NothingToDo, UsageError
from penchant.feedback.log import FeedbackLog
from penchant.ingestion.sources import feedback
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX, held_alone

UNMERGED = f"{STAGING_PREFIX}parts-"
"""What the name of a folder begins with while one file takes its place."""


@dataclass(frozen=True)
class EncryptionReport:
    """``files``: place -> number of files that were encrypted. ``data_key``: the number of the key
    that files are written with now."""

    data_key: int
    files: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        places = ", ".join(f"{place} {count}" for place, count in sorted(self.files.items()))
        return f"encrypted with data key {self.data_key}: {places or 'nothing was left to encrypt'}"


def encrypt(settings: Settings) -> EncryptionReport:
    """Encrypt a home, or what was written meanwhile by processes that started before.

    Raises UsageError where the home's key isn't given by a setting or lies in the home as well, and
    NothingToDo where all is encrypted.
    """
    was_encrypted = keyring.is_encrypted(settings)
    _require_no_key_inside(settings)
    keyring.establish(settings)
    encrypted = _encrypt_files(settings)
    if was_encrypted and not encrypted:
        raise NothingToDo(f"{settings.home} is encrypted", "nothing")
    return EncryptionReport(keyring.keyring(settings.home).newest, encrypted)


def rotate_key(settings: Settings) -> EncryptionReport:
    """Encrypt all files again with a new data key; after a kill, go on with the last one.

    The data key before stays until the next call, for processes that write with it meanwhile; those
    of audit lines stay as long as the lines, since servers append to their files.
    Raises UsageError for a home that isn't encrypted.
    """
    if not keyring.is_encrypted(settings):
        raise UsageError(f"{settings.home} is not encrypted", "run `penchant encrypt` first")
    newest = keyring.keyring(settings.home).newest
    if set(data_keys_in_use(settings)) - {None} <= {newest}:
        newest = keyring.add_data_key(settings)
    encrypted = _encrypt_files(settings)
    in_use = {number for number in data_keys_in_use(settings) if number is not None}
    logged = [log_lines.data_keys_of(path) for path in _logs(settings)]
    keyring.keep_data_keys(settings, in_use.union({newest, newest - 1}, *logged))
    return EncryptionReport(newest, encrypted)


def _encrypt_files(settings: Settings) -> dict[str, int]:
    """Nothing is erased meanwhile: a replaced file must not have a removed row again."""
    with held_alone(settings.privacy):
        counts = {place: _encrypt_place(settings, place) for place in (*PLACES, "quarantine")}
        with held_alone(settings.landing / feedback.NAME):
            log = FeedbackLog.of(settings)
            feedback.remove_landed(settings, log)  # else it would land again under another hash
            counts["feedback"] = log.encrypt()
    return {place: count for place, count in counts.items() if count}


def _encrypt_place(settings: Settings, place: str) -> int:
    count = 0
    if place == "snapshots":
        for mart in settings.snapshots.glob(f"*/marts/{UNMERGED}*.parquet"):
            _restore_parts(mart)
        for mart in settings.snapshots.glob("*/marts/[!.]*.parquet"):
            _merge_parts(mart)
    with ExitStack() as held:
        for folder in _locked_folders(settings, place):
            held.enter_context(held_alone(folder))
        for file in files_to_encrypt(settings, place):
            try:
                count += encrypt_file(file)
            except FileNotFoundError:
                continue  # removed meanwhile, such as by `penchant prune`
    return count


def _merge_parts(mart: Path) -> None:
    """Replace a mart that is a folder of files by one file: DuckDB lists no encrypted folder."""
    if not mart.is_dir():
        return
    staging = mart.with_name(f"{STAGING_PREFIX}{mart.name}")
    with duckdb.connect() as connection:
        connection.read_parquet(str(mart)).write_parquet(str(staging), compression="zstd")
    parts = mart.with_name(f"{UNMERGED}{mart.name}")
    mart.rename(parts)
    staging.rename(mart)
    shutil.rmtree(parts)


def _restore_parts(parts: Path) -> None:
    """Undo what a kill has interrupted, unless it was done."""
    mart = parts.with_name(parts.name.removeprefix(UNMERGED))
    if mart.exists():
        shutil.rmtree(parts)
    else:
        parts.rename(mart)


def _logs(settings: Settings) -> list[Path]:
    return [*settings.audit.glob("*.jsonl"), *settings.feedback.glob("*/*.jsonl")]


def _locked_folders(settings: Settings, place: str) -> Iterator[Path]:
    """The folders whose holders change files of the place."""
    if place == "landing":
        yield from sorted(path for path in settings.landing.glob("*") if path.is_dir())
    elif place == "warehouse":
        yield settings.warehouse.parent


def _require_no_key_inside(settings: Settings) -> None:
    own = settings.privacy / "key"
    if own.exists() and (settings.key or settings.key_file or settings.key_command):
        raise UsageError(
            f"{own} lies beside what it would encrypt",
            "back it up elsewhere in hex (`xxd -p -c 64`), have PENCHANT_KEY_FILE or "
            "PENCHANT_KEY_COMMAND give it, then remove the file",
        )
