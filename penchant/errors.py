"""The errors a user sees: what went wrong and what to do about it."""


class PenchantError(Exception):
    """A failure with a cause and a remedy, printed by the CLI without a traceback.

    ``exit_code`` is the process's exit status: 1 is worth a retry, 65 is not.
    """

    exit_code = 1

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}\n  what to do: {remedy}")
        self.cause = cause
        self.remedy = remedy


class DataError(PenchantError):
    """The data itself is refused: running again on the same data gives the same answer."""

    exit_code = 65  # EX_DATAERR of sysexits.h


class NothingToDo(PenchantError):
    """Nothing is there for what was asked, and that is no fault: a day when the shop was shut."""

    exit_code = 66  # EX_NOINPUT of sysexits.h


class UsageError(PenchantError):
    """The command was asked for something that cannot be: a bad id, a missing setting."""

    exit_code = 64  # EX_USAGE of sysexits.h
