"""Group commit: writes that arrive while another is in progress are written together.

An fsync takes milliseconds, and one that flushes the rows of ten requests takes no longer than one
that flushes a single row (DeWitt et al. 1984, "group commit").
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Waiting(Generic[T]):
    piece: T
    done: bool = False
    error: Exception | None = None


class GroupCommit(Generic[T]):
    """``write`` is called by one thread at a time, with all waiting pieces in order of arrival."""

    def __init__(self, write: Callable[[Sequence[T]], None]) -> None:
        self._write = write
        self._queue: list[_Waiting[T]] = []
        self._writing = False
        self._changed = Condition()

    def commit(self, piece: T) -> None:
        """Return when the piece is written. Raises the error of its group's ``write``."""
        mine = _Waiting(piece)
        with self._changed:
            self._queue.append(mine)
            while self._writing and not mine.done:
                self._changed.wait()
            if not mine.done:  # no write in progress: this thread writes for all that wait
                self._writing = True
                group, self._queue = self._queue, []
        if not mine.done:
            self._write_all(group)
        if mine.error:
            raise mine.error

    def _write_all(self, group: list[_Waiting[T]]) -> None:
        error: Exception | None = None
        try:
            self._write([each.piece for each in group])
        except Exception as raised:  # noqa: BLE001 -- every thread of the group raises it
            error = raised
        finally:
            with self._changed:
                for each in group:
                    each.done, each.error = True, error
                self._writing = False
                self._changed.notify_all()
