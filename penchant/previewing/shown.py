"""A preview as text for a terminal and as one HTML page."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from penchant.previewing.comparison import ColumnChange, MartChange
from penchant.previewing.preview import Cost, Preview

if TYPE_CHECKING:  # imports PyTorch
    from training.commands.compare_features import Change

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}table{border-collapse:collapse;margin:1rem 0}"
    "td,th{text-align:left;padding:.2rem .8rem;border-bottom:1px solid #8886}"
)


def text(preview: Preview) -> str:
    """Lines for a terminal; the last says what to do next."""
    if not preview.edit:
        return f"nothing that is built differs from the live snapshot {preview.live}"
    lines = [f"{name}: {what} edited" for name, what in preview.edit.changed.items()]
    lines += [f"{name}: removed" for name in preview.edit.removed]
    if preview.edit.children:
        lines.append(f"read by {', '.join(preview.edit.children)}")
    lines += _dependents(preview)
    if preview.landed_since:
        lines.append(
            f"{preview.landed_since} batches landed since {preview.live}: differences may come "
            "from them"
        )
    equal = [change.mart for change in preview.marts if change.is_equal]
    for change in preview.marts:
        if not change.is_equal:
            lines += ["", _rows(change), *(f"  {_column(one)}" for one in change.columns)]
            lines.append(f"  {_cost(preview.costs[change.mart])}")
    if equal:
        lines += ["", f"equal: {', '.join(equal)}"]
    lines += ["", *_refit(preview), *_responses(preview)]
    lines += (f"would fail: {failure}" for failure in preview.failures)
    lines.append(
        "nothing is live yet: fix what would fail"
        if preview.would_fail
        else "nothing is live yet: `penchant promote` makes it so"
    )
    return "\n".join(lines)


def page(preview: Preview) -> str:
    """A page without scripts."""
    parts = [
        f"<h1>What the edit changes in {escape(preview.live)}</h1>",
        _table(
            ("model", "edited"),
            [*preview.edit.changed.items(), *((name, "removed") for name in preview.edit.removed)],
        ),
        *(f"<p>{escape(line)}</p>" for line in _dependents(preview)),
    ]
    for change in preview.marts:
        parts.append(
            f"<h2>{escape(change.mart)}</h2><p>{escape(_rows(change))}. "
            f"{escape(_cost(preview.costs[change.mart]))}</p>"
        )
        if change.columns:
            rows = [
                (one.column, one.what, str(one.before or ""), str(one.after or ""))
                for one in change.columns
            ]
            parts.append(_table(("column", "change", "before", "after"), rows))
    parts.append("<h2>Models on the edited features</h2>")
    parts += [f"<p>{escape(line)}</p>" for line in (*_refit(preview), *_responses(preview))]
    failures = "".join(f"<li>{escape(failure)}</li>" for failure in preview.failures)
    parts.append(f"<h2>Checks that would fail</h2><ul>{failures or '<li>none</li>'}</ul>")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Preview</title>'
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>"
    )


def _dependents(preview: Preview) -> list[str]:
    return [
        f"{name} depends on {', '.join(models)}" for name, models in preview.edit.exposures.items()
    ]


def _refit(preview: Preview) -> list[str]:
    refit = preview.refit
    if isinstance(refit, str):
        return [refit]
    lines = [
        f"refit of the ranking model, {refit.users:,} users of the validation window "
        f"({refit.seconds:g} s):",
        f"  NDCG@10 {_change(refit.ndcg)}",
    ]
    if refit.auc:
        lines.append(f"  AUC of candidates {_change(refit.auc)}")
    return lines


def _responses(preview: Preview) -> list[str]:
    found = preview.responses
    if found is None or isinstance(found, str):
        return [] if found is None else [found]
    return [
        f"refit of the models of ads, users of the validation window ({found.seconds:g} s):",
        *(f"  {name} {_change(change)}" for name, change in found.figures.items()),
        *found.missing,
    ]


def _change(change: "Change") -> str:
    """Both means, and their difference with its 95 % interval."""
    found, digits = change.difference, 4 if abs(change.before) < 10 else 1
    return (
        f"{change.before:.{digits}f} -> {change.after:.{digits}f}: "
        f"{found.mean:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"
    )


def _rows(change: MartChange) -> str:
    return (
        f"{change.mart}: {change.rows_before:,} rows before, {change.rows_after:,} now: "
        f"{change.added:,} added, {change.removed:,} removed, {change.changed:,} changed"
    )


def _column(one: ColumnChange) -> str:
    sides = [str(side) for side in (one.before, one.after) if side is not None]
    return f"{one.column} {one.what}: {' -> '.join(sides)}"


def _cost(cost: Cost) -> str:
    before = "" if cost.seconds_before is None else f"{cost.seconds_before:g} s -> "
    bytes_before = "" if cost.bytes_before is None else f"{cost.bytes_before:,} -> "
    return f"build {before}{cost.seconds_after:g} s, {bytes_before}{cost.bytes_after:,} bytes"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{cells}</tr>{body}</table>"
