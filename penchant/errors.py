"""Errors shown to users: a cause and a remedy."""


class PenchantError(Exception):
    """A failure with a cause and a remedy, printed by the CLI without a traceback.

    ``exit_code`` is the exit status of the process. Airflow retries status 1 only.
    """

    exit_code = 1

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}\n  what to do: {remedy}")
        self.cause = cause
        self.remedy = remedy


class DataError(PenchantError):
    """The data is invalid. A retry on the same data fails in the same way."""

    exit_code = 65  # EX_DATAERR of sysexits.h


class NothingToDo(PenchantError):
    """There is no input, which is not a fault: for example no file for a day without trade."""

    exit_code = 66  # EX_NOINPUT of sysexits.h


class UsageError(PenchantError):
    """Invalid arguments or settings: an unknown id, a missing setting."""

    exit_code = 64  # EX_USAGE of sysexits.h


class UnknownId(UsageError):
    """There is no user, item or event of this id."""


class BudgetExceeded(PenchantError):
    """A run took more time or memory than allowed. A retry would take as much."""

    exit_code = 69  # EX_UNAVAILABLE of sysexits.h
