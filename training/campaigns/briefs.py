"""The `plan-campaigns` stage: plan every brief in the folder ``campaigns`` of the home."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penchant.artifacts import Snapshot
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.settings import Settings
from training.campaigns.brief import read_brief
from training.campaigns.stage import plan_campaign


@dataclass(frozen=True)
class BriefsReport:
    """``planned``: names of campaigns. ``left_out``: by file, why it was not planned."""

    planned: tuple[str, ...]
    left_out: dict[str, str]

    def summary(self) -> str:
        why = "".join(f"; {name}: {cause}" for name, cause in self.left_out.items())
        return f"planned {len(self.planned)} campaigns, left out {len(self.left_out)}{why}"

    def as_dict(self) -> dict[str, Any]:
        return {"planned": self.planned, "left_out": self.left_out}


def briefs_folder(settings: Settings) -> Path:
    return settings.home / "campaigns"


def plan_campaigns(settings: Settings, snapshot_id: str) -> BriefsReport:
    """Plan the campaigns that begin after the snapshot; one is planned once for each snapshot.

    Raises NothingToDo where none is left to plan, and UsageError after the others were planned for
    a brief that is invalid or whose past campaigns can't be compared.
    """
    folder, as_of = briefs_folder(settings), Snapshot.checked(settings, snapshot_id).as_of.date()
    planned: list[str] = []
    left_out: dict[str, str] = {}
    wrong: list[UsageError | DataError] = []
    for path in sorted(folder.glob("*.yml")):
        try:
            brief = read_brief(path)
            if brief.starts_on < as_of:
                left_out[path.name] = f"began on {brief.starts_on}"
                continue
            planned.append(plan_campaign(settings, snapshot_id, path).record.name)
        except NothingToDo as nothing:
            left_out[path.name] = nothing.cause
        except (UsageError, DataError) as error:
            wrong.append(error)
    if wrong:
        others = f"; {len(wrong) - 1} more are wrong too" if len(wrong) > 1 else ""
        raise UsageError(f"{wrong[0].cause}{others}", wrong[0].remedy)
    if not planned:
        found = "; ".join(f"{name}: {cause}" for name, cause in left_out.items())
        raise NothingToDo(
            f"{folder} has no brief to plan{f' ({found})' if found else ''}",
            "put a brief there as a .yml file, see docs/insights.md#campaign-planning",
        )
    return BriefsReport(tuple(planned), left_out)
