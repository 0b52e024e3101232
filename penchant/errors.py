"""Errors shown to users: a cause and a remedy."""

import errno


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


class PrivacyRefused(PenchantError):
    """A training run would exceed the privacy budget, or its family can't be trained under one."""

    exit_code = 77  # EX_NOPERM of sysexits.h


class DiskFull(PenchantError):
    """Nothing more can be written. What was being written was discarded; a retry may succeed."""


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_SAYS_FULL = ("No space left on device", "database or disk is full", "Disk quota exceeded")


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one that caused it, says that the disk can't be written.

    DuckDB and SQLite say so in their messages only.
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    if any(text in str(error) for text in _SAYS_FULL):
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and is_disk_full(cause)
