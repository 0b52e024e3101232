"""The report's sections on the release: selection, example users, contents, data and checks."""

from html import escape
from typing import Any

from penchant.artifacts.snapshot import CheckStatistics
from penchant.report.parts import html_table, section


def selection_section(selection: dict[str, Any] | None) -> str:
    if selection is None:
        missing = "The record of the model selection is missing."
        return section("Why these models are live", f'<div class="soft">{missing}</div>')
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in selection["reasons"])
    return section("Why these models are live", f"<ul>{reasons}</ul>")


def users_section(users: list[dict[str, Any]]) -> str:
    return section("Example users", "".join(_user(user) for user in users))


def _user(user: dict[str, Any]) -> str:
    bought = "".join(_line(item["title"], item["day"]) for item in user["purchases"])
    liked = "".join(_line(item["title"], item["category"] or "") for item in user["recommended"])
    return (
        f'<div class="user"><h3>User {escape(user["user_id"])} '
        f'<span class="soft">{user["bought"]:,} purchases</span></h3>'
        f'<div><div class="soft">last purchases</div><ul>{bought}</ul></div>'
        f'<div><div class="soft">recommendations, by {escape(user["origin"])}</div>'
        f"<ol>{liked}</ol></div></div>"
    )


def _line(title: str, aside: str) -> str:
    return f'<li>{escape(title)} <span class="soft">{escape(aside)}</span></li>'


def release_section(release: dict[str, Any]) -> str:
    norms = [
        (f"{view.replace('_', ' ')}, length", f"{norm['min']:.3f} to {norm['max']:.3f}")
        for view, norm in sorted(release["norms"].items())
    ]
    roles = [
        (role, release[role]["run_id"] if release[role] else "none: popularity serves")
        for role in ("retriever", "ranker", "prior")
    ]
    facts = [
        *roles,
        *(
            (view.replace("_", " "), f"{rows:,}")
            for view, rows in sorted(release["counts"].items())
        ),
        *norms,
    ]
    if release["recall_at_10"] is not None:
        facts.append(("dimensions", str(release["dimensions"])))
        facts.append(("recall@10 of the vector index", f"{release['recall_at_10']:.4f}"))
        facts += _vectors(release)
    rows = [[escape(name), f"<code>{escape(value)}</code>"] for name, value in facts]
    return section("Contents of the release", html_table(["", ""], rows, headed=False))


def _vectors(release: dict[str, Any]) -> list[tuple[str, str]]:
    """The form of the published vectors, why it was selected, and its loss."""
    vectors = release["vectors"]
    if vectors is None:
        return []
    facts = [("form of vectors", f"{vectors['kind']}: {vectors['why']}")]
    facts += [
        (
            f"NDCG@10 lost, {window} window",
            f"{share['mean']:+.2%} ({share['low']:+.2%} to {share['high']:+.2%})",
        )
        for window, share in (vectors["lost"] or {}).items()
    ]
    return [*facts, ("kind of vector index", release["index"])]


def data_section(snapshot: dict[str, Any]) -> str:
    rows = [
        [f"<code>{escape(name)}</code>", f"{mart['rows']:,}"]
        for name, mart in sorted(snapshot["marts"].items())
    ]
    return section(
        "Data",
        f"<div>From {escape(', '.join(snapshot['sources']))}, up to "
        f"{escape(snapshot['as_of'][:10])}.</div>"
        f"<details><summary>rows of each table</summary>"
        f"{html_table(['table', 'rows'], rows, numbers={1})}</details>",
    )


def checks_section(live: dict[str, Any] | None, served: str) -> str:
    if live is None or live["id"] != served or live["checks"] is None:
        return section(
            "Checks",
            '<div class="soft">The live snapshot is not the one that this release serves.</div>',
        )
    results, counts = live["checks"], live["checks"]["statistics"]
    rows = [
        [
            f"<code>{escape(name)}</code>",
            str(mart["expectations"]),
            "<br>".join(_failure(failure) for failure in mart["failed"]) or "",
        ]
        for name, mart in sorted(results["marts"].items())
    ]
    style, word = ("good", "Passed") if results["passed"] else ("bad", "Failed")
    return section(
        "Checks",
        f'<div><b class="{style}">{word}</b>: {CheckStatistics(**counts).in_words()}.</div>'
        f"<details><summary>by table</summary>"
        f"{html_table(['table', 'expectations', 'failed'], rows)}</details>",
    )


def _failure(failure: dict[str, Any]) -> str:
    what = failure["rule"] or failure["expectation"]
    return f"{escape(failure['severity'])}: {escape(str(failure['column'] or ''))} {escape(what)}"
