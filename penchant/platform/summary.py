"""What the demo says at its end: who is how good, what is live, and what three shoppers get."""

from rich.console import Console

from penchant.platform.chain import Chain
from penchant.settings import Settings


def print_summary(
    settings: Settings, console: Console, chain: Chain, seconds: float, idle: float
) -> None:
    """Print the report's figures, and how long the main job took."""
    console.print(f"Took {seconds:.0f} s; in {idle:.0%} of that no task ran. Next: `make up`.")
