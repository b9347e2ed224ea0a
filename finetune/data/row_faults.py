"""Faults of single rows, gathered by kind, so that a table's every kind of fault is said at once."""

from __future__ import annotations

from finetune.errors import DataError


class RowFaults:
    """The first fault of each kind in full, and how many are like it.

    >>> faults = RowFaults()
    >>> for line in (3, 7, 9):
    ...     faults.add("no label", f"labels.csv line {line}: there is no label")
    >>> faults.messages()
    ['labels.csv line 3: there is no label (and 2 more rows like it)']
    """

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, message: str) -> None:
        """Note a fault; only the first message of a kind is kept."""
        self._first.setdefault(kind, message)
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def messages(self) -> list[str]:
        """One line per kind, in the order in which they came."""
        return [message + _more(self._counts[kind] - 1) for kind, message in self._first.items()]

    def raise_any(self) -> None:
        """Stop here if there was a fault.

        Raises:
            DataError: all kinds of fault, one a line.
        """
        if self._first:
            raise DataError("\n".join(self.messages()))


def _more(count: int) -> str:
    return f" (and {count} more row{'s' if count > 1 else ''} like it)" if count else ""
