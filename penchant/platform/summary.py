"""What the demo says at its end: who is how good, what is live, and what three shoppers get."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from penchant.platform.chain import Chain
from penchant.report.report import Report, Shopper, report
from penchant.serving.status import families_table
from penchant.settings import Settings


def print_summary(
    settings: Settings, console: Console, chain: Chain, seconds: float, idle: float
) -> None:
    """Print the live generation's report, what was skipped, and how long the main job took."""
    written = report(settings)
    console.print(families_table(written.families))
    for task in chain.failed:
        console.print(f"{task.label} failed and is missing from the choice.", style="yellow")
    console.print(generation_line(written), highlight=False)
    for shopper in written.shoppers:
        console.print(shopper_table(shopper))
    console.print(f"Report: {written.path}", highlight=False, soft_wrap=True)
    console.print(
        f"The main job took {seconds:.0f} s; in {idle:.0%} of them no task ran.", highlight=False
    )
    console.print(
        "Next: `make up` keeps the platform running and prints its addresses;"
        " `.venv/bin/penchant recommend --user U` asks it.",
        highlight=False,
        soft_wrap=True,
    )


def generation_line(written: Report) -> str:
    choice = written.state["choice"]
    because = "".join(f"\n  {reason}" for reason in choice["reasons"]) if choice else ""
    return f"Live: generation {written.generation_id}{because}"


def shopper_table(shopper: Shopper) -> Table:
    """A shopper's last purchases beside what is recommended to them."""
    table = Table(
        title=f"shopper {shopper.user_id}: {shopper.bought} purchases, list from {shopper.origin}",
        title_justify="left",
    )
    table.add_column("bought lately")
    table.add_column("would like")
    bought = [f"{purchase.day}  {purchase.title}" for purchase in shopper.purchases]
    liked = [item.title or item.item_id for item in shopper.recommended]
    rows = max(len(bought), len(liked))
    for left, right in zip(padded(bought, rows), padded(liked, rows), strict=True):
        table.add_row(Text(left), Text(right))
    return table


def padded(texts: list[str], length: int) -> list[str]:
    return texts + [""] * (length - len(texts))
