"""The small closed loop: regret falls, the report draws it, and too small a world is rejected."""

import pytest

from penchant.artifacts import SimulationRecord
from penchant.errors import UsageError
from penchant.report.regret import regret_section
from penchant.settings import Settings
from training.commands import simulate as stage
from training.commands.simulate import RANDOM, SHOWN, simulate


def test_regret_falls_and_the_report_shows_it(settings: Settings) -> None:
    assert regret_section(settings) == "", "nothing before it has run"
    simulation = simulate(settings, days=30, users=150)
    for name, policy in simulation.record.policies.items():
        assert policy.clicks > 0, name
        assert name == RANDOM or policy.last < 0.8 * policy.first, name
    written = SimulationRecord.read(simulation.path)
    assert tuple(written.policies) == tuple(sorted(SHOWN)) and written.days == 30
    shown = regret_section(settings)
    assert shown.count("<polyline") == len(SHOWN)
    assert all(name in shown for name in SHOWN)


def test_same_simulation_is_made_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = simulate(settings, days=10, users=10)
    settings.simulation.joinpath("regret.json").write_text("{}")
    assert simulate(settings, days=10, users=10) == first, "not the same in a second process"
    monkeypatch.setattr(stage, "_simulated", None)
    assert simulate(settings, days=10, users=10) == first
    with pytest.raises(TypeError):
        simulate(settings, days=11, users=10)


@pytest.mark.parametrize(("days", "users"), [(5, 100), (30, 0)])
def test_rejects_world_too_small(settings: Settings, days: int, users: int) -> None:
    with pytest.raises(UsageError, match="too small to see regret fall"):
        simulate(settings, days, users)
