"""A plot of a portrait's interests."""

from penchant.plots.bar_plot import Bar, bar_plot
from penchant.serving.portrait import Interest


def interests_plot(interests: tuple[Interest, ...]) -> str:
    """A bar for each interest, with interval, trend and half-life."""
    return bar_plot([_bar(each) for each in interests], "interests of a user", "{:.0%}".format)


def _bar(each: Interest) -> Bar:
    moved = f", {each.transferred:.0%} transferred" if each.transferred else ""
    return Bar(
        label=each.category.split(" > ")[-1],
        value=each.weight,
        low=each.low,
        high=each.high,
        note=f"{each.arrow} {each.half_life_days:.0f} d{moved}",
        style="bar-all" if each.evidence else "bar-rest",
        tip=f"{each.category}: {each.weight:.1%}, 90 % interval {each.low:.1%} to {each.high:.1%}",
    )
