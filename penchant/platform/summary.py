"""Summary of the demo: leaderboard, live release, recommendations of three users."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from penchant.platform.chain import Chain
from penchant.platform.tasklog import log_file, skip_reason
from penchant.report.report import Report, UserState, report
from penchant.serving.status import families_table
from penchant.settings import Settings


def print_summary(
    settings: Settings, console: Console, chain: Chain, seconds: float, idle: float
) -> None:
    """Print the live release's report, failed tasks, and the duration of the main job."""
    written = report(settings)
    console.print(families_table(written.families))
    for task in chain.skipped:
        if reason := skip_reason(log_file(settings, task)):
            console.print(f"{task.label}: {reason}", style="yellow", markup=False)
    for task in chain.failed:
        console.print(f"{task.label} failed and was not compared.", style="yellow")
    console.print(release_line(written), highlight=False)
    for user in written.users:
        console.print(user_table(user))
    console.print(f"Report: {written.path}", highlight=False, soft_wrap=True)
    console.print(
        f"The main job took {seconds:.0f} s; no task ran in {idle:.0%} of that time.",
        highlight=False,
    )
    console.print(
        "Next: `make up` starts the platform in the background and prints its addresses;"
        " `.venv/bin/penchant recommend --user U` prints recommendations.",
        highlight=False,
        soft_wrap=True,
    )


def release_line(written: Report) -> str:
    selection = written.state["selection"]
    because = "".join(f"\n  {reason}" for reason in selection["reasons"]) if selection else ""
    return f"Live: release {written.release_id}{because}"


def user_table(user: UserState) -> Table:
    """A user's last purchases and recommendations, side by side."""
    table = Table(
        title=f"user {user.user_id}: {user.bought} purchases, list from {user.origin}",
        title_justify="left",
    )
    table.add_column("recent purchases")
    table.add_column("recommendations")
    bought = [f"{purchase.day}  {purchase.title}" for purchase in user.purchases]
    liked = [item.title or item.item_id for item in user.recommended]
    rows = max(len(bought), len(liked))
    for left, right in zip(padded(bought, rows), padded(liked, rows), strict=True):
        table.add_row(Text(left), Text(right))
    return table


def padded(texts: list[str], length: int) -> list[str]:
    return texts + [""] * (length - len(texts))
