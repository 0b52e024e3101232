"""The selected runs of a snapshot as the rows of a release, validated."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts import ModelSelection, RunRecord, RunReference, Snapshot
from penchant.encryption import parquet as pq
from penchant.errors import DataError
from penchant.publishing.histories import bought, has_purchases, recent_items
from penchant.publishing.key_ranges import RANGE, in_parts
from penchant.publishing.segments import segment_table
from penchant.publishing.vector_form import Form, form_of
from penchant.releases.release import (
    BOUGHT_ITEMS,
    POPULARITY_PRIOR,
    PRIOR_SCOPE,
    PUBLISHED_AT,
    RANKED_LISTS,
    RECENT_ITEMS,
    USER_SEGMENTS,
    View,
    vector_views,
)
from penchant.settings import Settings
from penchant.vectors import FLOAT, matrix

PORTRAITS = "user_portrait"
LISTS = ("item_ids", "scores")
LISTS_A_PART = 20_000
TRANSFERRED = "transferred.parquet"
"""Optional output of a run with transfer: user_id, category and share of it."""

_TYPES = {
    "vector": pa.list_(pa.float32()),
    "numbers": pa.binary(),
    "scale": pa.float32(),
    "item_ids": pa.list_(pa.string()),
    "scores": pa.list_(pa.float32()),
}


@dataclass(frozen=True)
class Run:
    """A training run by its directory."""

    id: str
    family: str
    path: Path

    @property
    def reference(self) -> RunReference:
        return RunReference(run_id=self.id, family=self.family)


@dataclass(frozen=True)
class SelectedRuns:
    """The runs to publish for ``snapshot``; ``retriever`` is None where popularity serves."""

    id: str
    snapshot: Snapshot
    retriever: Run | None
    ranker: Run
    prior: Run
    form: Form | None

    @classmethod
    def of(cls, settings: Settings, snapshot: Snapshot) -> "SelectedRuns":
        """Raises UsageError before the first selection, DataError for a selected run that is
        missing."""
        runs = settings.runs / snapshot.id
        selection = ModelSelection.of(settings, snapshot.id)
        retriever = _run(runs, selection.retriever) if selection.retriever else None
        return cls(
            selection.selection_id,
            snapshot,
            retriever,
            _run(runs, selection.ranker),
            _run(runs, selection.prior),
            form_of(settings, retriever.path) if retriever else None,
        )

    @property
    def kind(self) -> str:
        """Of the published vectors."""
        return self.form.kind if self.form else FLOAT

    @property
    def views(self) -> tuple[View, View]:
        """Of users' and of items' vectors."""
        return vector_views(self.kind)

    def lists(self) -> dict[View, Iterator[pa.Table]]:
        """The rows of the views that have a list for each user, sorted by key, in parts: all of
        them may not fit into memory. Reading them raises DataError for invalid rows."""
        lists = {RANKED_LISTS: _lists(self.ranker), RECENT_ITEMS: recent_items(self.snapshot)}
        if has_purchases(self.snapshot):
            lists[BOUGHT_ITEMS] = bought(self.snapshot)
        return {view: self._checked(view, parts) for view, parts in lists.items()}

    def tables(self) -> dict[View, pa.Table]:
        """The rows of each other view, sorted by key. Raises DataError for invalid rows."""
        tables = {POPULARITY_PRIOR: _prior(self.prior)}
        if self.retriever and self.form:
            users, items = (_vectors(self.retriever, view, self.form) for view in self.views)
            _check_equal_widths(self.retriever, users, items)
            tables |= dict(zip(self.views, (users, items), strict=True))
            tables[USER_SEGMENTS] = self._segments(self.retriever, users)
        return {view: next(self._checked(view, iter([table]))) for view, table in tables.items()}

    def _checked(self, view: View, parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """The parts with the time that rows are published as of. Raises DataError for an item that
        the snapshot doesn't have."""
        when = pa.scalar(self.snapshot.as_of, pa.timestamp("us"))
        for part in parts:
            self._check_known_items(view, part)
            yield part.append_column(PUBLISHED_AT, pa.repeat(when, part.num_rows))

    def _segments(self, retriever: Run, vectors: pa.Table) -> pa.Table:
        portraits = self.snapshot.mart(PORTRAITS)
        if not portraits.exists():
            raise DataError(
                f"snapshot {self.snapshot.id} has no mart {PORTRAITS}, which names segments",
                "restore it in dbt/models/marts/features and run `penchant build`",
            )
        outputs = (run.path / TRANSFERRED for run in (retriever, self.ranker))
        transferred = next((path for path in outputs if path.is_file()), None)
        if transferred:
            _check_shares(transferred)
        users = vectors[self.views[0].key].to_pylist()
        return _with_run_id(
            segment_table(users, matrix(vectors), portraits, transferred), retriever
        )

    def _check_known_items(self, view: View, part: pa.Table) -> None:
        ids = part["item_id"] if view.key == "item_id" else None
        if "item_ids" in part.column_names:
            ids = pc.list_flatten(part["item_ids"])
        if ids is None:
            return
        unknown = ids.filter(pc.invert(pc.is_in(ids, value_set=self._item_ids)))
        if len(unknown):
            raise _rejected(
                f"{view.name} names {len(unknown)} items that snapshot {self.snapshot.id} "
                f"does not have, such as {unknown[0].as_py()!r}"
            )

    @cached_property
    def _item_ids(self) -> pa.Array:
        items = pq.read_table(self.snapshot.mart("items"), columns=["item_id"])
        return items["item_id"].combine_chunks()


def _run(runs: Path, run_id: str) -> Run:
    path = runs / run_id
    try:
        record = RunRecord.read(RunRecord.path(path))
    except FileNotFoundError:
        raise DataError(
            f"the selected run {run_id} is not in {runs}",
            "run `penchant train` for its family, then `penchant select-models`",
        ) from None
    return Run(run_id, record.family, path)


def _read(run: Run, path: Path, key: str, columns: list[str]) -> pa.Table:
    """Rows of a run's Parquet sorted by ``key``, which is unique and never null."""
    try:
        table = pq.read_table(path, columns=[key, *columns])
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", f"train {run.family} again") from None
    table = table.cast(_schema(key, columns, table.schema.metadata))
    if table.num_rows == 0:
        raise _rejected(f"{path} has no rows")
    nulls = sum(table[column].null_count for column in table.column_names)
    if nulls or len(pc.unique(table[key])) != table.num_rows:
        raise _rejected(f"{path} has nulls or repeats a {key}")
    return table.sort_by(key)


def _vectors(run: Run, view: View, form: Form) -> pa.Table:
    """Raises DataError unless all vectors are finite, of one width and of nonzero length."""
    columns = [column for column in view.columns if column != "run_id"]
    table = _read(run, form.file(view.name), view.key, columns)
    widths = pc.list_value_length if form.kind == FLOAT else pc.binary_length
    if len(pc.unique(widths(table[columns[0]]))) != 1:
        raise _rejected(f"{view.name} of {run.id} has vectors of several widths")
    vectors = matrix(table)
    for wrong, what in (
        (~np.isfinite(vectors).all(axis=1), "NaN or infinite"),
        (~vectors.any(axis=1), "all zero"),
    ):
        if wrong.any():
            first = table[view.key][int(np.flatnonzero(wrong)[0])].as_py()
            raise _rejected(
                f"{int(wrong.sum())} of {len(vectors)} {view.name} of {run.id} are {what}, "
                f"such as that of {first!r}"
            )
    return _with_run_id(table, run)


def _schema(key: str, columns: Sequence[str], metadata: dict[bytes, bytes] | None) -> pa.Schema:
    fields = [(key, pa.string()), *((name, _TYPES[name]) for name in columns)]
    return pa.schema(fields, metadata=metadata)


def _lists(run: Run) -> Iterator[pa.Table]:
    """The ranked lists of a run, sorted by user."""
    path, key, columns = run.path / f"{RANKED_LISTS.name}.parquet", RANKED_LISTS.key, LISTS
    try:
        rows = pq.read_metadata(path).num_rows
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", f"train {run.family} again") from None
    if rows == 0:
        raise _rejected(f"{path} has no rows")
    query = f"SELECT {', '.join([key, *columns])} FROM source WHERE {key} {RANGE} ORDER BY {key}"
    read = 0
    for part in in_parts(path, key, query, LISTS_A_PART):
        table = part.cast(_schema(key, columns, None))
        lengths = pc.list_value_length(table["item_ids"])
        if table.num_rows > len(pc.unique(table[key])) or lengths.null_count:
            raise _rejected(f"{path} has nulls or repeats a {key}")
        if pc.min(lengths).as_py() == 0:
            raise _rejected(f"{RANKED_LISTS.name} of {run.id} has empty lists")
        if not lengths.equals(pc.list_value_length(table["scores"])):
            raise _rejected(
                f"{RANKED_LISTS.name} of {run.id} has different numbers of items and scores"
            )
        _check_finite(run, RANKED_LISTS.name, pc.list_flatten(table["scores"]))
        read += table.num_rows
        yield _with_run_id(table, run)
    if read != rows:
        raise _rejected(f"{path} has nulls or repeats a {key}")


def _prior(run: Run) -> pa.Table:
    """The rows of the prior, best first, as the one row that is served."""
    path = run.path / "prior.parquet"
    try:
        rows = pq.read_table(path, columns=["item_id", "score"])
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", f"train {run.family} again") from None
    if rows.num_rows == 0:
        raise _rejected(f"{path} has no rows")
    rows = rows.sort_by([("score", "descending"), ("item_id", "ascending")])
    _check_finite(run, "prior", rows["score"])
    row = {
        "scope": pa.array([PRIOR_SCOPE]),
        "item_ids": pa.array([rows["item_id"].to_pylist()], _TYPES["item_ids"]),
        "scores": pa.array([rows["score"].to_pylist()], _TYPES["scores"]),
    }
    return _with_run_id(pa.table(row), run)


def _with_run_id(table: pa.Table, run: Run) -> pa.Table:
    """Add the run id to each row."""
    return table.append_column("run_id", pa.repeat(run.id, table.num_rows))


def _check_equal_widths(run: Run, users: pa.Table, items: pa.Table) -> None:
    widths = matrix(users).shape[1], matrix(items).shape[1]
    if widths[0] != widths[1]:
        raise _rejected(
            f"users of {run.id} have {widths[0]} dimensions, its items have {widths[1]}"
        )


def _check_shares(transferred: Path) -> None:
    table = pq.read_table(transferred, columns=["user_id", "category", "share"])
    shares = table["share"].to_numpy()
    if sum(column.null_count for column in table.columns) or not (
        (shares >= 0).all() and (shares <= 1).all()
    ):
        raise _rejected(f"{transferred} has nulls, or shares that are not from 0 to 1")


def _check_finite(run: Run, name: str, scores: pa.ChunkedArray) -> None:
    if not np.isfinite(scores.to_numpy()).all():
        raise _rejected(f"{name} of {run.id} has scores that are NaN or infinite")


def _rejected(cause: str) -> DataError:
    return DataError(
        f"{cause}; nothing was published", "train that family again, or report a defect of it"
    )
