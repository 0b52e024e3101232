"""dbt's message about a broken contract, in the words of the mart's two files."""

import re

BROKEN = "enforced contract that failed"
FILE = re.compile(r"\((\S+)\.sql\)")
ROW = re.compile(r"^\s*\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|\s*$", re.MULTILINE)
HEAD = ("column_name", "-")


def broken_contract(message: str) -> list[str]:
    """What differs between a mart's SQL and YAML, one line per column; none of another message."""
    if BROKEN not in message:
        return []
    named = FILE.search(message)
    file = named[1] if named else "the model"
    rows = [[cell.strip() for cell in row] for row in ROW.findall(message)]
    return [
        f"{file}: column {column} {_difference(in_sql.lower(), in_yaml.lower())}"
        for column, in_sql, in_yaml, _ in rows
        if not column.startswith(HEAD)
    ]


def _difference(in_sql: str, in_yaml: str) -> str:
    if not in_yaml:
        return f"is in the SQL and not in the YAML: its data_type is {in_sql}"
    if not in_sql:
        return f"is in the YAML ({in_yaml}) and not in the SQL"
    return f"is {in_sql} in the SQL and {in_yaml} in the YAML"
