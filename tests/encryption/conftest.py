"""An encrypted home: a checked one that was encrypted, which takes a second instead of a build."""

import shutil
from pathlib import Path

import pytest

from penchant.privacy.encrypt import encrypt
from penchant.settings import Settings

KEY = "5a" * 32


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home's key, elsewhere."""
    path = tmp_path / "key"
    path.write_text(KEY)
    monkeypatch.setenv("PENCHANT_KEY_FILE", str(path))
    return path


@pytest.fixture
def new_home(settings: Settings, key_file: Path) -> Settings:
    """An empty home that is to be encrypted and to hold pseudonyms."""
    return settings.model_copy(update={"key_file": key_file, "encrypt": True, "pseudonyms": True})


@pytest.fixture
def encrypted_home(settings: Settings, key_file: Path, checked_once: Path) -> Settings:
    """A home with a live snapshot, encrypted."""
    shutil.copytree(checked_once, settings.home)
    home = settings.model_copy(update={"key_file": key_file})
    encrypt(home)
    return home
