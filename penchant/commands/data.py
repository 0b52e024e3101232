"""Subcommands of data: landing, mapping, marts, checks, features."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from penchant.commands.answer import AsJson, SnapshotId, answer
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.settings import Settings

data = typer.Typer()


@data.command()
def ingest(
    source: Annotated[str | None, typer.Option(help="default: PENCHANT_SOURCE")] = None,
    path: Annotated[Path | None, typer.Option(help="folder of the source's files")] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="YAML column mapping of the source `files`")
    ] = None,
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="land the file of this day only")
    ] = None,
    users: Annotated[int, typer.Option(help="simulator: number of users")] = 200,
    items: Annotated[int, typer.Option(help="simulator: number of items")] = 300,
    days: Annotated[int, typer.Option(help="simulator: number of days")] = 180,
    styles: Annotated[int, typer.Option(help="simulator: styles that only images show")] = 0,
    as_json: AsJson = False,
) -> None:
    """Land a source's files as batches; quarantine files that violate their contract."""
    from penchant.ingestion.ingest import ingest as run

    day = date.date() if date else None
    sizes = {"users": users, "items": items, "days": days, "styles": styles}
    report = run(Settings(), source, path, mapping, day, now=None, **sizes)
    for file in report.quarantined:
        tell_of_quarantine(file)
    if not report.landed:
        raise NothingToDo(f"nothing new: {report.summary()}", "nothing, or correct what is named")
    answer(report.summary(), report.as_dict(), as_json)


@data.command()
def embed(
    images: Annotated[Path, typer.Argument(help="folder of images named by their item's id")],
    encoder: Annotated[Path, typer.Option(help="ONNX file of the image encoder")],
    out: Annotated[Path, typer.Option(help="folder of the vectors")] = Path("vectors"),
    kind: Annotated[str, typer.Option(help="name of the vectors")] = "image",
    as_json: AsJson = False,
) -> None:
    """Compute vectors of images, to land as the table item_embeddings."""
    from penchant.ingestion.embedding.embed import embed as run

    report = run(images, encoder, kind, out, Settings().threads)
    answer(report.summary(), report.as_dict(), as_json)


def tell_of_quarantine(file: dict[str, Any]) -> None:
    """Send an alert for a quarantined file, once."""
    from penchant.alerts.alert import Alert, send

    reason = file["reasons"][0]
    text = f"{file['table']}: {file['original_name']}: {reason['detail']}; see {file['path']}."
    send(Settings(), Alert("quarantine", text, f"{file['sha256']} {reason['code']}"))


@data.command()
def quarantine(
    batch: Annotated[str, typer.Argument(help="SHA-256 of a landed batch, or its beginning")],
    why: Annotated[str, typer.Option(help="kept as the reason")] = "set aside by hand",
    as_json: AsJson = False,
) -> None:
    """Move a landed batch to quarantine, so that builds leave it out."""
    from penchant.ingestion.set_aside import set_aside

    report = set_aside(Settings(), batch, why)
    answer(report.summary(), report.as_dict(), as_json)


mapping_commands = typer.Typer(help="Work on a mapping of own files.", no_args_is_help=True)
data.add_typer(mapping_commands, name="mapping")


@mapping_commands.command("check")
def check_mapping(
    mapping: Annotated[Path | None, typer.Option(help="default: PENCHANT_MAPPING")] = None,
    path: Annotated[Path | None, typer.Option(help="folder of the files")] = None,
    as_json: AsJson = False,
) -> None:
    """Show ten rows of each file as they would land, and what would be rejected."""
    from penchant.ingestion.preview import preview

    report = preview(Settings(), mapping, path)
    answer(report.summary(), report.as_dict(), as_json)


@mapping_commands.command("suggest")
def suggest_mapping(
    files: Annotated[list[Path], typer.Argument(help="files of the shop, one of each kind")],
    as_json: AsJson = False,
) -> None:
    """Draft a mapping from files, with what was guessed as comments; write it to a file with >."""
    from penchant.ingestion.suggest import suggest

    drafted = suggest(files)
    answer(drafted.rstrip(), {"mapping": drafted}, as_json)


@data.command()
def build(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Keep no rows of the previous build.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build the marts with dbt from all landed batches, as a new snapshot."""
    from penchant.artifacts import Snapshot
    from penchant.building.build import build as run
    from penchant.lineage import stages
    from penchant.lineage.events import lineage

    settings = Settings()
    with lineage(settings, "build") as stage:
        report = run(settings, full_refresh)
        snapshot = Snapshot.open(settings, report.snapshot_id)
        stage.inputs, stage.outputs = stages.landed(snapshot), stages.marts(snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@data.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
)
def dbt(context: typer.Context) -> None:
    """Run a dbt command on a database beside production's, such as `dbt build --select …`."""
    from penchant.building.by_hand import run_by_hand

    raise SystemExit(run_by_hand(Settings(), context.args))


@data.command()
def preview(as_json: AsJson = False) -> None:
    """Show what an edit of the dbt project would change, without making anything live.

    Exit status 65 if a check would fail, as a CI job needs it.
    """
    from penchant.previewing import shown
    from penchant.previewing.preview import preview as run
    from penchant.storage import write_atomic

    settings = Settings()
    found = run(settings)
    page = settings.site / "preview" / "index.html"
    write_atomic(page, shown.page(found))
    answer(f"{shown.text(found)}\nas a page: {page}", found.as_dict(), as_json)
    if found.would_fail:
        raise typer.Exit(DataError.exit_code)


@data.command()
def promote(as_json: AsJson = False) -> None:
    """Build, check and materialize the dbt project as it is now, and make it live."""
    from penchant.previewing.promote import promote as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)


@data.command()
def check(
    snapshot: SnapshotId,
    all_rows: Annotated[
        bool, typer.Option("--all-rows", help="Validate rows that have passed before, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Validate a snapshot with Great Expectations; make it live if it passes."""
    from penchant.quality.check import check as run

    report = run(Settings(), snapshot, all_rows)
    answer(report.summary(), report.as_dict(), as_json)


@data.command()
def materialize(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Materialize a snapshot's features to a new Feast online store and make it live."""
    from penchant.features.materialize import materialize as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@data.command()
def training_sets(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Build point-in-time training sets with Feast's historical retrieval."""
    from penchant.features.training_sets import training_sets as run

    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@data.command()
def pseudonym(
    user: Annotated[str, typer.Argument(help="user id, as the source has it")],
) -> None:
    """Print what the home holds in place of a user id, such as for Feast's own client."""
    from penchant.identities import Identities
    from penchant.pseudonyms import Pseudonyms

    coder = Pseudonyms(Settings()).coder
    if coder is None:
        raise UsageError(
            f"{Settings().home} holds user ids, not pseudonyms",
            "use the id as it is; `penchant pseudonymize` migrates the home",
        )
    typer.echo(Identities(Settings()).current().user(coder.of_given(user)))


@data.command()
def pseudonymize(as_json: AsJson = False) -> None:
    """Migrate a home with user ids to pseudonyms; call it again after the next release."""
    from penchant.privacy.pseudonymize import pseudonymize as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)


@data.command()
def encrypt(as_json: AsJson = False) -> None:
    """Encrypt the home's files; needs the key outside of the home."""
    from penchant.privacy.encrypt import encrypt as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)


@data.command()
def rotate_key(as_json: AsJson = False) -> None:
    """Encrypt the home's files again with a new data key, while readers go on."""
    from penchant.privacy.encrypt import rotate_key as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)


@data.command()
def decrypt(
    file: Annotated[Path, typer.Argument(help="file of an encrypted home", exists=True)],
    to: Annotated[Path, typer.Option(help="file to write; - for stdout")],
) -> None:
    """Write the plain bytes of one file, such as an audit log or a mart."""
    from penchant.encryption.log_lines import read_any

    content = read_any(file)
    if str(to) == "-":
        sys.stdout.buffer.write(content)
    else:
        to.write_bytes(content)


@data.command()
def apply_retention(as_json: AsJson = False) -> None:
    """Remove landed rows that are past their end, with a signed receipt."""
    from penchant.privacy.retention import apply_retention as run

    report = run(Settings())
    answer(report.summary(), report.as_dict(), as_json)
