"""What the command line's modules share: common options, and how a subcommand answers."""

import json
from typing import Annotated, Any

import typer
from structlog.contextvars import bind_contextvars

from penchant.artifacts.snapshot import SNAPSHOT_ID
from penchant.commands.user import echoed, with_given_ids
from penchant.settings import Settings
from penchant.storage import hold

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object as the last line")]


def held(snapshot_id: str) -> str:
    """Keep the snapshot from being pruned until this process ends; log lines name it."""
    bind_contextvars(snapshot_id=snapshot_id)
    if SNAPSHOT_ID.fullmatch(snapshot_id):  # else the subcommand rejects it
        hold(Settings().snapshot_lock(snapshot_id))
    return snapshot_id


SnapshotId = Annotated[
    str,
    typer.Option("--snapshot", callback=held, help="snapshot id, as printed by `penchant build`"),
]


def answer(line: str, result: dict[str, Any], as_json: bool) -> None:
    """Print the summary line, then the JSON object if requested."""
    typer.echo(echoed(line))
    if as_json:
        typer.echo(json.dumps(with_given_ids(result), sort_keys=True, default=str))
