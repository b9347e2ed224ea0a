"""What a cell of a table says: labels, a 0, a 1, or a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from finetune.data.row_faults import RowFaults
from finetune.data.rows import SPLIT_WORDS, LabelSets, Rows, SplitName, composed
from finetune.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from finetune.recipe.sections import CsvData

_STATES = {"1": "present", "1.0": "present", "0": "absent", "0.0": "absent", "": "unknown"}
Labels = tuple[str, ...]


class LabelCells:
    """Reads the labels of a row, in the form that the recipe names.

    Args:
        data: The recipe's section.
        header: Names of the columns.
        position: Where a column is, by the recipe's key and the column's name; it refuses those that are missing.
    """

    def __init__(self, data: CsvData, header: Sequence[str], position: Callable[[str, str], int]) -> None:
        self._data, self._header = data, header
        self._columns = [position("label_columns", name) for name in data.label_columns or ()]
        self._column = None if self._columns else position("label_column", data.label_column)
        self._names = [composed(header[column]) for column in self._columns]
        self._shared = LabelSets()
        self._known: dict[tuple[str, ...], tuple[Labels, Labels]] = {}

    def read(self, cells: Sequence[str], where: str, faults: RowFaults, multilabel: bool) -> tuple[Labels, Labels]:
        """The classes that are present, and those of which nobody knows."""
        if self._column is not None:
            cell = cells[self._column]
            return self._shared(self._split(cell) if multilabel else [cell] if cell else []), ()
        key = tuple([cells[column] for column in self._columns])
        if key not in self._known:
            self._known[key] = self._states(key, where, faults)
        return self._known[key]

    def _split(self, cell: str) -> list[str]:
        separator = self._data.label_separator
        if separator == " ":
            return cell.split()
        return [name.strip() for name in cell.split(separator) if name.strip()]

    def _states(self, cells: tuple[str, ...], where: str, faults: RowFaults) -> tuple[Labels, Labels]:
        found: dict[str, list[str]] = {"present": [], "absent": [], "unknown": []}
        for name, cell in zip(self._names, cells, strict=True):
            if cell in _STATES:
                found[_STATES[cell]].append(name)
            else:
                faults.add("state", f"{where}: column {name!r} holds {cell!r}; expected 1, 0, or nothing for unknown")
        return self._shared(found["present"]), self._shared(found["unknown"])


def read_split(cell: str, where: str, faults: RowFaults) -> SplitName | None:
    """The split that a cell names."""
    split = SPLIT_WORDS.get(cell.casefold())
    if split is None:
        hint = did_you_mean(cell, SPLIT_WORDS) or "; expected train, validation (or val) or test"
        faults.add("split", f"{where}: {cell!r} is no split{hint}")
    return split


def refuse_hidden_label_lists(rows: Rows, separator: str) -> None:
    """A multi-class table whose cells hold several labels that are classes elsewhere is a multi-label table.

    Raises:
        DataError: such a cell; the first is shown.
    """
    alone = {name for names in set(rows.labels) for name in names}
    lists = {
        name for name in alone if separator in name and all(part.strip() in alone for part in name.split(separator))
    }
    if not lists:
        return
    row = next(row for row, names in enumerate(rows.labels) if names and names[0] in lists)
    raise DataError(
        f"{rows.where(row)}: {rows.labels[row][0]!r} looks like several labels, since each of them is a class in other"
        " rows; set task: multilabel, or, if it is one class, data.label_separator to a character that no class has"
    )
