"""The register of people who asked to be erased, or not to be profiled."""

from datetime import datetime

import pytest

from penchant.errors import DataError, UsageError
from penchant.settings import Settings
from penchant.subjects import Subjects

NOW = datetime(2026, 3, 1)


def test_an_empty_register_excludes_nobody_and_makes_no_key(settings: Settings) -> None:
    assert not Subjects(settings).excluded("u1")
    assert not settings.privacy.exists()


def test_another_process_sees_a_request_at_once(settings: Settings) -> None:
    reader = Subjects(settings)
    assert reader.erased(["u1", "u2"]) == set()
    Subjects(settings).request("erase", "u1", NOW)
    assert reader.erased(["u1", "u2"]) == {"u1"}
    assert reader.excluded("u1") and not reader.excluded("u2")


def test_the_same_request_twice_is_one(settings: Settings) -> None:
    subjects = Subjects(settings)
    first = subjects.request("erase", "u1", NOW)
    assert subjects.request("erase", "u1", datetime(2027, 1, 1)) == first


def test_an_objection_is_in_force_until_it_is_withdrawn(settings: Settings) -> None:
    subjects = Subjects(settings)
    subjects.request("object", "u1", NOW)
    assert subjects.objecting() == ["u1"] and subjects.erased(["u1"]) == set()
    subjects.withdraw("u1")
    assert not subjects.excluded("u1")
    with pytest.raises(UsageError, match="'u1' has not objected"):
        subjects.withdraw("u1")


def test_a_lost_key_is_an_error_not_a_new_key(settings: Settings) -> None:
    Subjects(settings).request("erase", "u1", NOW)
    (settings.privacy / "key").unlink()
    with pytest.raises(DataError, match="key is missing"):
        Subjects(settings).excluded("u1")


def test_the_key_and_the_requests_are_for_the_owner_only(settings: Settings) -> None:
    Subjects(settings).request("erase", "u1", NOW)
    assert settings.privacy.stat().st_mode & 0o077 == 0
    assert (settings.privacy / "key").stat().st_mode & 0o077 == 0
