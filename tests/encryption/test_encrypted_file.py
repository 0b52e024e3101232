"""The format of encrypted files: what is read back, and what is refused."""

import secrets
from pathlib import Path

import pytest

from penchant.encryption.encrypted_file import (
    CHUNK_BYTES,
    HEADER_BYTES,
    SEALED_BYTES,
    encrypt_in_place,
    is_encrypted_file,
    open_for_reading,
    open_for_writing,
    plain_size,
    read_bytes,
    write_bytes,
)
from penchant.encryption.keyring import add_data_key, establish
from penchant.errors import DataError, UsageError
from penchant.settings import Settings

SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7)


@pytest.fixture
def file(new_home: Settings) -> Path:
    establish(new_home)
    return new_home.home / "file"


@pytest.mark.parametrize("size", SIZES)
def test_the_bytes_read_back_at_any_position(file: Path, size: int) -> None:
    content = secrets.token_bytes(size)
    write_bytes(file, content)
    assert is_encrypted_file(file)
    assert plain_size(file) == size
    assert read_bytes(file) == content
    with open_for_reading(file) as opened:
        opened.seek(size // 2)
        assert opened.read(CHUNK_BYTES) == content[size // 2 :][:CHUNK_BYTES]
        assert opened.read() == content[size // 2 :][CHUNK_BYTES:]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lost", [1, 17, SEALED_BYTES])
def test_a_truncated_file_is_an_error(file: Path, size: int, lost: int) -> None:
    write_bytes(file, secrets.token_bytes(size))
    raw = file.read_bytes()
    file.write_bytes(raw[: max(HEADER_BYTES, len(raw) - lost)])
    with pytest.raises(DataError, match="changed or truncated"):
        read_bytes(file)


@pytest.mark.parametrize("at", [20, 40, HEADER_BYTES + 5, -1])
def test_a_changed_byte_is_an_error(file: Path, at: int) -> None:
    write_bytes(file, bytes(1000))
    raw = bytearray(file.read_bytes())
    raw[at] ^= 1
    file.write_bytes(raw)
    with pytest.raises(DataError, match="changed or truncated"):
        read_bytes(file)


def test_exchanged_chunks_are_an_error(file: Path) -> None:
    write_bytes(file, bytes(3 * CHUNK_BYTES))
    raw = file.read_bytes()
    first, second = HEADER_BYTES + SEALED_BYTES, HEADER_BYTES + 2 * SEALED_BYTES
    file.write_bytes(
        raw[:HEADER_BYTES] + raw[first:second] + raw[HEADER_BYTES:first] + raw[second:]
    )
    with pytest.raises(DataError, match="changed or truncated"):
        read_bytes(file)


def test_the_same_bytes_are_never_encrypted_the_same(file: Path) -> None:
    other = file.with_name("other")
    for each in (file, other):
        write_bytes(each, b"the same")
    assert file.read_bytes()[HEADER_BYTES:] != other.read_bytes()[HEADER_BYTES:]


def test_a_write_that_fails_leaves_no_readable_file(file: Path) -> None:
    with pytest.raises(RuntimeError), open_for_writing(file) as opened:
        opened.write(bytes(2 * CHUNK_BYTES))
        raise RuntimeError
    with pytest.raises(DataError, match="changed or truncated"):
        read_bytes(file)


def test_outside_of_an_encrypted_home_files_are_plain(file: Path, tmp_path: Path) -> None:
    write_bytes(tmp_path / "plain", b"plain")
    assert (tmp_path / "plain").read_bytes() == b"plain"
    write_bytes(file, b"secret")
    (tmp_path / "copied").write_bytes(file.read_bytes())
    with pytest.raises(DataError, match=r"no folder above it has privacy/encryption\.json"):
        read_bytes(tmp_path / "copied")


def test_a_plain_file_is_encrypted_in_place_once_for_each_data_key(
    file: Path, new_home: Settings
) -> None:
    file.write_bytes(b"before")
    assert read_bytes(file) == b"before"
    assert encrypt_in_place(file)
    assert not encrypt_in_place(file)
    with open_for_reading(file) as reader:
        add_data_key(new_home)
        assert encrypt_in_place(file)
        assert reader.read() == b"before"  # readers of the replaced file go on
    assert read_bytes(file) == b"before"


def test_another_key_is_one_clear_error(
    file: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes(file, b"secret")
    other = key_file.with_name("other")
    other.write_text("6b" * 32)
    monkeypatch.setenv("PENCHANT_KEY_FILE", str(other))
    touched = file.parent / "privacy" / "encryption.json"
    touched.write_text(touched.read_text() + " ")  # another process would read it too
    with pytest.raises(DataError, match=r"PENCHANT_KEY_FILE: not the key of this home"):
        read_bytes(file)
    monkeypatch.delenv("PENCHANT_KEY_FILE")
    touched.write_text(touched.read_text() + " ")
    with pytest.raises(DataError, match=r"privacy/key is missing, but .*encryption\.json"):
        read_bytes(file)


def test_a_key_in_the_home_is_refused(settings: Settings) -> None:
    with pytest.raises(UsageError, match="no setting gives the home's key"):
        establish(settings)
