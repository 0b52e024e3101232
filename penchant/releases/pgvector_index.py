"""Nearest items by vector in Postgres, for API servers on many machines: pgvector's HNSW.

A release has a table of its own, which is read-only once it is indexed. Postgres runs one query per
connection at a time, so one pool serves all releases of a process.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.errors import PenchantError, UsageError
from penchant.releases.hnsw_index import EXPANSION_SEARCH, RECALL_AT, share_found

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

SCHEMA = "penchant_vectors"
CONNECTIONS = 8  # of one process at most
SECONDS = 5.0  # to wait for a connection
EXPANSION_ADD = 128  # as the file's index has
MOST_EXPANSION = 1000  # that pgvector allows


@dataclass(frozen=True)
class PgvectorIndex:
    """``url`` of the database; ``name`` of the table, unique to the publish attempt."""

    url: str
    name: str

    @classmethod
    def build(
        cls, url: str, name: str, item_ids: list[str], vectors: np.ndarray
    ) -> "PgvectorIndex":
        """Write and index ``vectors`` (float32, a row per item). Raises UsageError for a database
        without pgvector, PenchantError where it can't be reached."""
        from psycopg import sql

        _make_schema(url)
        table, width = _table(name), sql.Literal(vectors.shape[1])
        with _connection(url) as connection, connection.transaction():
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
            connection.execute(
                sql.SQL(
                    "CREATE TABLE {} (position bigint PRIMARY KEY, item_id text, vector vector({}))"
                ).format(table, width)
            )
            copy = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(table)
            with connection.cursor() as cursor, cursor.copy(copy) as rows:
                rows.set_types(["bigint", "text", "vector"])
                for position, (item_id, vector) in enumerate(zip(item_ids, vectors, strict=True)):
                    rows.write_row((position, item_id, vector))
            connection.execute(
                sql.SQL(
                    "CREATE INDEX ON {} USING hnsw (vector vector_cosine_ops) "
                    "WITH (ef_construction = {})"
                ).format(table, sql.Literal(EXPANSION_ADD))
            )
            connection.execute(sql.SQL("ANALYZE {}").format(table))
        return cls(url, name)

    def search(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
        """The ``k`` nearest items and their cosine to ``vector``, nearest first."""
        return self._nearest("item_id, 1 - (vector <=> %(vector)s)", vector, k)

    def rows(self, vector: np.ndarray, k: int) -> np.ndarray:
        """Where the ``k`` nearest items were when they were indexed, nearest first; int64."""
        return np.array([at for (at,) in self._nearest("position", vector, k)], np.int64)

    def recall(self, queries: np.ndarray, vectors: np.ndarray) -> float:
        """See ``share_found``; ``vectors`` are those that were indexed."""
        positions = np.full((len(queries), min(RECALL_AT, len(vectors))), -1)
        for query, row in zip(queries, positions, strict=True):
            found = self.rows(query, len(row))
            row[: len(found)] = found
        return share_found(positions, queries, vectors)

    def _nearest(self, columns: str, vector: np.ndarray, k: int) -> list[tuple]:
        from psycopg import sql

        query = sql.SQL(
            f"SELECT {columns} FROM {{}} ORDER BY vector <=> %(vector)s LIMIT %(k)s"
        ).format(_table(self.name))
        parameters = {"vector": np.asarray(vector, np.float32), "k": k}
        with _connection(self.url) as connection:
            if k <= EXPANSION_SEARCH:
                return connection.execute(query, parameters).fetchall()
            with connection.transaction():  # the number of candidates limits the results
                most = sql.Literal(min(k, MOST_EXPANSION))
                connection.execute(sql.SQL("SET LOCAL hnsw.ef_search = {}").format(most))
                return connection.execute(query, parameters).fetchall()


def drop(url: str, name: str) -> None:
    """Remove a table if it exists. Raises PenchantError where the database can't be reached."""
    from psycopg import sql

    with _alone(url) as connection:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_table(name)))


def _table(name: str) -> Any:
    from psycopg import sql

    return sql.Identifier(SCHEMA, name)


@contextmanager
def _connection(url: str) -> Iterator[Any]:
    """A connection of the pool, in autocommit mode."""
    pool = _pool(url)
    import psycopg

    try:
        with pool.connection() as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise _unreachable(error) from error


@contextmanager
def _alone(url: str) -> Iterator[Any]:
    """A connection outside of the pool: it fails at once, with the cause."""
    _require_packages()
    import psycopg

    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=int(SECONDS)) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise _unreachable(error) from error


def _make_schema(url: str) -> None:
    _require_packages()
    from psycopg import errors

    try:
        with _alone(url) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    except (errors.FeatureNotSupported, errors.UndefinedFile, errors.InsufficientPrivilege) as no:
        raise UsageError(
            f"PENCHANT_VECTOR_POSTGRES: the database has no pgvector: {no}",
            "install pgvector there, and allow its user to create an extension and a schema",
        ) from no


def _unreachable(error: Exception) -> PenchantError:
    return PenchantError(
        f"PENCHANT_VECTOR_POSTGRES: the database did not answer: {error}",
        "check that it runs and that the URL is right, then try again",
    )


def _require_packages() -> None:
    for package in ("psycopg", "psycopg_pool", "pgvector"):
        if importlib.util.find_spec(package) is None:
            raise UsageError(
                f"PENCHANT_VECTOR_POSTGRES is set, but the package {package} is not installed",
                "run `pip install 'penchant[production]'`",
            )


def close(url: str) -> None:
    """Close this process's connections; the next search opens new ones."""
    _pool(url).close()
    _pool.cache_clear()


@lru_cache(maxsize=4)
def _pool(url: str) -> "ConnectionPool":
    _require_packages()
    from pgvector.psycopg import register_vector
    from psycopg_pool import ConnectionPool

    def prepare(connection: Any) -> None:
        register_vector(connection)
        connection.execute(f"SET hnsw.ef_search = {EXPANSION_SEARCH}")

    return ConnectionPool(
        url,
        min_size=1,
        max_size=CONNECTIONS,
        timeout=SECONDS,
        kwargs={"autocommit": True, "connect_timeout": int(SECONDS)},
        configure=prepare,
        open=True,
        name=SCHEMA,
    )
