"""SQLite stores by SQLCipher: what is read back, what is refused, and changing their data key."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from penchant import storage
from penchant.encryption import store
from penchant.encryption.encrypted_file import write_bytes
from penchant.encryption.keyring import add_data_key, establish
from penchant.encryption.log_lines import read_any
from penchant.encryption.store import (
    SQLITE,
    data_key_of_store,
    digest_of_store,
    encrypt_store,
    is_store,
    open_store,
    opened_alone,
)
from penchant.errors import DataError
from penchant.settings import Settings

SECRET = b"user-of-the-store"


@pytest.fixture
def path(new_home: Settings) -> Path:
    """Where a store of an encrypted home may be."""
    establish(new_home)
    (new_home.home / "it's a place").mkdir()
    return new_home.home / "it's a place" / "online.db"


def write(path: Path, rows: int = 100) -> Path:
    with closing(open_store(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE t (user_id BLOB PRIMARY KEY, n INTEGER, x REAL, gone TEXT) WITHOUT ROWID"
        )
        written = ((b"%s-%03d" % (SECRET, n), n, n / 3, None) for n in range(rows))
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", written)
    return path


def plain(path: Path) -> Path:
    """A plain store of the same rows, outside of any home."""
    folder = path.parents[2] / "plain"
    folder.mkdir(exist_ok=True)
    return write(folder / path.name)


def count(path: Path) -> int:
    with closing(open_store(path, read_only=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM t").fetchone()[0])


def test_a_new_store_is_encrypted_with_a_key_of_its_own(path: Path) -> None:
    other = path.with_name("other.db")
    for each in (path, other):
        write(each)
        content = each.read_bytes()
        assert SECRET not in content and SQLITE not in content
        assert data_key_of_store(each) == 1 and is_store(each) and count(each) == 100
    assert path.read_bytes()[:16] != other.read_bytes()[:16]
    with closing(open_store(path)) as connection, connection:  # what readers read is written to
        connection.execute("DELETE FROM t WHERE n > 9")
    assert count(path) == 10


def test_outside_of_an_encrypted_home_stores_are_plain(path: Path) -> None:
    other = plain(path)
    assert other.read_bytes().startswith(SQLITE) and data_key_of_store(other) is None
    write(path)
    shutil.copy(path, other)
    with pytest.raises(DataError, match=r"no folder above it has privacy/encryption\.json"):
        open_store(other)


def test_a_store_of_another_home_is_one_clear_error(
    path: Path, new_home: Settings, tmp_path: Path
) -> None:
    write(path)
    other = new_home.model_copy(update={"home": tmp_path / "other"})
    establish(other)
    shutil.copy(path, other.home / path.name)
    for read_only in (True, False):
        with pytest.raises(DataError, match=r"other/online\.db: the keys of .*other don't open"):
            open_store(other.home / path.name, read_only)
    assert count(path) == 100


def test_a_wrong_and_a_missing_key_are_one_clear_error_and_lose_nothing(
    path: Path, new_home: Settings, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = write(path).read_bytes()
    record = new_home.privacy / "encryption.json"
    key = key_file.read_text()
    for given, message in (
        ("6b" * 32, "PENCHANT_KEY_FILE: not the key of this home"),
        ("", "PENCHANT_KEY_FILE .* must be 64 hex digits, got 0 characters"),
    ):
        key_file.write_text(given)
        record.write_text(record.read_text() + " ")  # another process reads it anew
        with pytest.raises(Exception, match=message):
            open_store(path)
        with pytest.raises(Exception, match=message):
            write(path.with_name("new.db"))
        with pytest.raises(Exception, match=message):
            encrypt_store(path)
    key_file.write_text(key)
    record.write_text(record.read_text() + " ")
    assert path.read_bytes() == content and count(path) == 100
    assert not list(path.parent.glob("new.db"))


@pytest.mark.parametrize("at", [20, 5000, -1])
def test_a_changed_byte_is_an_error(path: Path, at: int) -> None:
    raw = bytearray(write(path).read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"was changed|is damaged"):
        digest_of_store(path)


def test_an_encrypted_file_is_no_store(path: Path) -> None:
    write_bytes(path, b"no store")
    assert not is_store(path)
    with closing(open_store(path)) as connection, pytest.raises(sqlite3.DatabaseError):
        connection.execute("SELECT * FROM sqlite_master")


def test_the_digest_is_of_the_rows_whatever_encrypts_them(path: Path, new_home: Settings) -> None:
    other = plain(path)
    digest = digest_of_store(write(path))
    assert digest == digest_of_store(other)
    add_data_key(new_home)
    assert encrypt_store(path) and data_key_of_store(path) == 2
    assert digest_of_store(path) == digest
    with closing(open_store(other)) as connection, connection:
        connection.execute("UPDATE t SET x = x + 1 WHERE n = 50")
    assert digest_of_store(other) != digest


def test_a_plain_store_is_encrypted_in_place_once_for_each_data_key(
    path: Path, new_home: Settings
) -> None:
    plain(path).replace(path)
    assert data_key_of_store(path) is None and count(path) == 100
    assert encrypt_store(path) and not encrypt_store(path)
    with closing(open_store(path, read_only=True)) as reader:
        add_data_key(new_home)
        assert encrypt_store(path)
        rows = reader.execute("SELECT user_id FROM t").fetchall()  # of the replaced file
        assert len(rows) == 100 and data_key_of_store(path) == 2
    assert count(path) == 100
    assert read_any(path).startswith(SQLITE)


def test_a_write_ahead_log_of_a_killed_process_is_not_lost(path: Path, new_home: Settings) -> None:
    killed = f"""
        import os, signal
        from pathlib import Path
        from penchant.encryption.store import open_store
        connection = open_store(Path({str(path)!r}), isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (user_id TEXT)")
        connection.execute("INSERT INTO t VALUES ('{SECRET.decode()}')")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(killed)], env=os.environ)
    assert ended.returncode == -signal.SIGKILL
    log = path.with_name("online.db-wal")
    assert log.stat().st_size and SECRET not in log.read_bytes()
    add_data_key(new_home)
    assert encrypt_store(path)
    assert not log.exists() and count(path) == 1


@pytest.mark.parametrize(("module", "name"), [(store, "_export"), (storage, "sync")])
def test_a_kill_leaves_the_old_store_or_the_new(
    path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    content = plain(path).replace(path).read_bytes()
    done = getattr(module, name)

    def kill(*arguments: object) -> None:
        done(*arguments)
        if name == "_export" or arguments[0] != path.parent:
            os._exit(9)  # nothing is cleaned up

    if not (child := os.fork()):
        monkeypatch.setattr(module, name, kill)
        try:
            encrypt_store(path)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.glob(".staging-*")] == [".staging-online.db"]
    assert encrypt_store(path) and count(path) == 100
    assert not list(path.parent.glob(".staging-*"))


def test_a_store_is_not_replaced_while_it_is_written(path: Path, new_home: Settings) -> None:
    write(path)
    with opened_alone(path) as connection, connection:
        connection.execute("DELETE FROM t WHERE n = 0")
        rotating = subprocess.Popen(
            [
                *(sys.executable, "-c"),
                "from pathlib import Path\n"
                "from penchant.encryption.keyring import add_data_key\n"
                "from penchant.encryption.store import encrypt_store\n"
                "from penchant.settings import Settings\n"
                "from penchant.encryption.store import alone\n"
                f"add_data_key(Settings(_env_file=None, home=Path({str(new_home.home)!r})))\n"
                f"path = Path({str(path)!r})\n"
                "with alone(path):\n"
                "    encrypt_store(path)\n",
            ]
        )
        with pytest.raises(subprocess.TimeoutExpired):
            rotating.wait(1)
    assert rotating.wait(30) == 0
    assert data_key_of_store(path) == 2 and count(path) == 99
