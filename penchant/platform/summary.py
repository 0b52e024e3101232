"""Summary of the demo in at most 25 lines: leaderboard, live release, recommendations."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from penchant.report.report import Report, UserState, report, reported
from penchant.settings import Settings
from penchant.vault import Vault

METRIC = "ndcg@10"
TOP_FAMILIES = 5
ITEMS = 2


def print_summary(settings: Settings, console: Console, notes: Sequence[str]) -> None:
    """Print a summary of the live release's report, the notes and what to do next.

    The task `report` has written the page. It is written here where it was removed since.
    """
    written = reported(settings)
    if not written.path.exists():
        written = report(settings)
    console.print(leaderboard(written.families))
    console.print(release_line(written), highlight=False, soft_wrap=True)
    for note in notes:
        console.print(note, style="yellow", markup=False, highlight=False, soft_wrap=True)
    known = Vault(settings).reveal(user.user_id for user in written.users)
    console.print(users_table(written.users, known))
    for line in (
        f"Report:          {written.path}",
        "Recommendations: .venv/bin/penchant recommend --user U",
        "State:           .venv/bin/penchant status",
        "Console, Airflow, MLflow, Feast, Data Docs: `make up` prints their addresses",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def leaderboard(families: Sequence[dict[str, Any]]) -> Table:
    """The best families on the test window, with the 95 % interval, and the live ones."""
    ranked = [run for run in families if METRIC in run["metrics"].get("all", {})]
    ranked.sort(key=lambda run: -run["metrics"]["all"][METRIC]["mean"])
    shown = ranked[:TOP_FAMILIES] + [run for run in ranked[TOP_FAMILIES:] if run["roles"]]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in (f"best of {len(ranked)} families", "live as", METRIC, "95 % interval"):
        table.add_column(column, no_wrap=True)
    for run in shown:
        metric = run["metrics"]["all"][METRIC]
        table.add_row(
            run["family"],
            ", ".join(run["roles"]),
            f"{metric['mean']:.4f}",
            f"{metric['low']:.3f} to {metric['high']:.3f}",
        )
    return table


def release_line(written: Report) -> str:
    return f"Live: release {written.release_id}. The report explains the selection."


def users_table(users: Sequence[UserState], known: Mapping[str, str]) -> Table:
    """The last purchases and the recommendations of each user, side by side.

    ``known``: the source's user ids by pseudonym, for the owner's terminal.
    """
    table = Table(box=None, padding=(0, 2, 0, 0))
    ids = [known.get(user.user_id, user.user_id) for user in users]
    table.add_column("user", no_wrap=True, min_width=min(20, max(map(len, ids), default=0)))
    for column in ("recent purchases", "recommendations"):
        table.add_column(column, no_wrap=True)
    for user_id, user in zip(ids, users, strict=True):
        bought = [f"{purchase.day}  {purchase.title}" for purchase in user.purchases][:ITEMS]
        recommended = [item.title or item.item_id for item in user.recommended][:ITEMS]
        for number in range(max(len(bought), len(recommended))):
            table.add_row(
                Text(user_id if number == 0 else ""),
                Text(bought[number] if number < len(bought) else ""),
                Text(recommended[number] if number < len(recommended) else ""),
            )
    return table
