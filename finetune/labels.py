"""Class names and their numbers: one ordered list that data, model and metrics share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from finetune.errors import DataError, did_you_mean


@dataclass(frozen=True)
class LabelSpace:
    """The classes of a task, in the order of the model's outputs.

    Args:
        names: Distinct, non-empty class names; position is the class id.
    Raises:
        DataError: there are no names, or one is empty or occurs twice.

    >>> fridge = LabelSpace(("can", "carton"))
    >>> fridge.id("carton"), fridge.name(0), len(fridge)
    (1, 'can', 2)
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise DataError("there are no classes; at least one is needed")
        if any(not name.strip() for name in self.names):
            raise DataError(f"a class name is empty, among {list(self.names)}")
        if len(set(self.names)) != len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise DataError(f"class names occur twice: {', '.join(twice)}")

    @classmethod
    def sorted(cls, names: Iterable[str]) -> LabelSpace:
        """The distinct names in code-point order, which is the same on every machine."""
        return cls(tuple(sorted(set(names))))

    @classmethod
    def numbered(cls, count: int) -> LabelSpace:
        """``class_0`` … for tests and checkpoints without names, padded so that they sort by number.

        >>> LabelSpace.numbered(11).names[:2]
        ('class_00', 'class_01')
        """
        width = len(str(count - 1))
        return cls(tuple(f"class_{i:0{width}d}" for i in range(count)))

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.label2id

    @cached_property
    def label2id(self) -> dict[str, int]:
        """Name to id, as a transformers config stores it."""
        return {name: i for i, name in enumerate(self.names)}

    @property
    def id2label(self) -> dict[int, str]:
        """Id to name, as a transformers config stores it."""
        return dict(enumerate(self.names))

    def id(self, name: str) -> int:
        """The id of a name.

        Raises:
            DataError: the name is not a class; the nearest one is suggested.
        """
        try:
            return self.label2id[name]
        except KeyError:
            hint = did_you_mean(name, self.names)
            raise DataError(f"class {name!r} is not among the {len(self)} classes{hint}") from None

    def name(self, class_id: int) -> str:
        """The name of an id in ``0 … len(self) - 1``."""
        return self.names[class_id]
