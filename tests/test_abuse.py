"""Attacks on the real server: what holds however slow the machine is. `make bench-abuse` times."""

import pytest

from benchmarks.abuse import damage
from benchmarks.abuse.attacks import MOST_GROWTH_MB, MOST_SHUTDOWN_SECONDS, UNTOKENED, measure, page
from benchmarks.rows import Row
from penchant.settings import Settings


@pytest.mark.long
def test_attacks_neither_get_in_nor_keep_a_normal_client_out(settings: Settings) -> None:
    figures = measure(settings, seconds=3.0, quiet_seconds=1.5)
    print(page(figures))
    assert figures["quiet_errors"] == 0
    for row in figures["attacks"]:
        assert row["errors"] == 0, row
        assert row["growth_mb"] <= MOST_GROWTH_MB, row
        if row["attack"] in UNTOKENED:
            assert "200" not in row["attacker"], row
    assert figures["shutdown_seconds"] <= MOST_SHUTDOWN_SECONDS


@pytest.mark.long
def test_kills_full_disks_and_truncated_files_lose_nothing(settings: Settings) -> None:
    figures = damage.measure(settings)
    print(damage.page(figures))
    missed = [row for row in figures["rows"] if Row.from_dict(row).met is False]
    assert not missed
