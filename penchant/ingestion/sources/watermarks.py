"""The watermark of a batch of a database's table, which is in the batch's name."""


def named(table: str, mark: str) -> str:
    """The name of a batch with the rows up to a watermark."""
    return f"{table} up to {mark.replace('/', '-')}"


def mark_of(name: str, table: str) -> str | None:
    """The watermark in the name of a landed batch; None of another's."""
    start, end = f"{table} up to ", ".csv"
    return name[len(start) : -len(end)] if name.startswith(start) and name.endswith(end) else None
