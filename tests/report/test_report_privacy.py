"""The report's section on differential privacy."""

from records import run_record

from penchant.artifacts import PrivacySpent, RunRecord
from penchant.report.privacy import privacy_section
from penchant.settings import Settings


def ledger(*epsilons: float) -> dict[str, object]:
    runs = [
        {
            "number": number,
            "spent_at": "2026-01-02T03:04:05+00:00",
            "family": "ease",
            "epsilon": epsilon,
            "total_epsilon": sum(epsilons[:number]),
        }
        for number, epsilon in enumerate(epsilons, start=1)
    ]
    return {
        "population": "users",
        "epsilon": sum(epsilons),
        "delta": 1e-6,
        "budget": 20.0,
        "runs": runs,
        "damage": None,
    }


def write_run(settings: Settings, entry: int, epsilon: float, quality: float) -> None:
    spent = PrivacySpent(
        population="users", entry=entry, epsilon=epsilon, total_epsilon=epsilon, delta=1e-6
    )
    interval = {"mean": quality, "low": quality, "high": quality}
    record = run_record(
        family="ease", run_id=f"ease-{entry}", privacy=spent, metrics={"all": {"ndcg@10": interval}}
    )
    folder = settings.runs / "s-1" / record.run_id
    folder.mkdir(parents=True)
    record.write(RunRecord.path(folder))


def test_ledger_and_quality_by_epsilon(settings: Settings) -> None:
    write_run(settings, 1, 1.0, 0.21)
    write_run(settings, 2, 8.0, 0.28)
    section = privacy_section(settings, ledger(1.0, 8.0, 2.0))
    assert "3 runs on users spent epsilon 11.000 of 20" in section
    assert "0.2100" in section and "0.2800" in section
    assert section.count("<tr>") == 4 and "<svg" in section


def test_no_section_where_nothing_was_spent(settings: Settings) -> None:
    assert privacy_section(settings, None) == ""
    assert privacy_section(settings, ledger()) == ""


def test_damage_is_shown(settings: Settings) -> None:
    damaged = {**ledger(), "damage": "privacy ledger: entry 2 is missing"}
    assert "entry 2 is missing" in privacy_section(settings, damaged)
