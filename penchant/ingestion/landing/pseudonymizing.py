"""Pseudonyms in place of user ids, in the rows that land."""

from dataclasses import replace

import duckdb
from duckdb.func import PythonUDFType

from penchant.ingestion.landing.contract import Code, Contract, Reason
from penchant.ingestion.landing.reading import identifier, literal
from penchant.pseudonyms import FORM, Coder

FUNCTION = "penchant_pseudonym"
SESSION = "session_id"


class Pseudonymizer:
    """Replaces user ids in queries. ``people``: pseudonym -> user id, of what was replaced."""

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._known: dict[str, str] = {}
        self.people: dict[str, str] = {}

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Define the function of ``sql`` in a database.

        It is called with each row: with columns of PyArrow a million rows take as long, and a day's
        take half a second more, in which DuckDB imports pandas.
        """
        connection.create_function(
            FUNCTION, self._of, ["VARCHAR"], "VARCHAR", type=PythonUDFType.NATIVE
        )

    def forget(self) -> None:
        """Forget the people of the file before."""
        self._known, self.people = {}, {}

    def contract(self, contract: Contract) -> Contract:
        """The contract of what lands: pseudonyms are text."""
        columns = tuple(
            replace(column, type="VARCHAR") if column.name in contract.user_columns else column
            for column in contract.columns
        )
        return replace(contract, columns=columns)

    def sql(self, contract: Contract, query: str) -> str:
        """The rows of a query, in its order, with pseudonyms.

        A guest's user id is that of the session, also with ``session:`` before it: then the session
        has the pseudonym too.
        """
        if contract.user_column is None:
            return query
        user = f"CAST(given.{identifier(contract.user_column)} AS VARCHAR)"
        made = f"{FUNCTION}({user})"
        replaced = [
            f"{FUNCTION}(CAST(given.{identifier(name)} AS VARCHAR)) AS {identifier(name)}"
            for name in contract.user_columns
        ]
        if any(column.name == SESSION for column in contract.columns):
            session = f"given.{SESSION}"
            guests = f"{user} IN ({session}, 'session:' || {session})"
            guest = f"CASE WHEN {guests} THEN {made} ELSE {session} END"
            replaced.append(f"{guest} AS {SESSION}")
        return f"SELECT * REPLACE ({', '.join(replaced)}) FROM ({query}) AS given"

    def shown(self, contract: Contract, reason: Reason) -> Reason:
        """A reason to reject a file, with the pseudonym of the user that it names."""
        if reason.column not in contract.user_columns or not (reason.value or "").strip():
            return reason
        return replace(reason, value=self._coder.of(str(reason.value)))

    def foreign(
        self, connection: duckdb.DuckDBPyConnection, contract: Contract, query: str
    ) -> tuple[Reason, ...]:
        """The reason to reject rows with pseudonyms of another home: its people would be others."""
        if contract.user_column is None:
            return ()
        user = f"CAST(given.{identifier(contract.user_column)} AS VARCHAR)"
        of_form = (
            f"FROM ({query}) AS given WHERE regexp_full_match({user}, {literal(FORM.pattern)})"
        )
        found = connection.execute(f"SELECT {user}, count(*) {of_form} GROUP BY ALL").fetchall()
        rows = sum(count for user_id, count in found if self._coder.is_foreign(user_id))
        if not rows:
            return ()
        detail = "a pseudonym of another home; deliver the user ids of the source"
        return (Reason(Code.NOT_ALLOWED, contract.user_column, detail, rows),)

    def _of(self, user_id: str) -> str:
        found = self._known.get(user_id)
        if found is None:
            found = self._known[user_id] = self._coder.of(user_id)
            if found != user_id:
                self.people[found] = user_id
        return found
