"""The one shape of the benchmarks' figures."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parent.parent / "benchmarks" / "rows.py"
SPEC = importlib.util.spec_from_file_location("rows", PATH)
assert SPEC and SPEC.loader
rows = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(rows)


@pytest.mark.parametrize(
    ("target", "met"),
    [("<= 2", True), ("<= 1", False), (">= 4 x", True), (">= 6 x", False), (None, None)],
)
def test_a_target_is_on_the_figure_or_on_how_many_times_less_than_the_peers_it_is(target, met):
    row = rows.Row("an epoch", 2.0, "s", target, peer=10.0, peer_name="somebody")
    assert row.ratio == 0.2
    assert row.met is met


def test_rows_are_read_as_they_were_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rows, "OUT", tmp_path / "out")
    reported = [rows.Row("an epoch", 2.0, "s", ">= 4 x", 10.0, "somebody", 300.0, 70.5)]
    assert rows.read("training") == []
    rows.report("training", reported)
    assert rows.read("training") == reported
