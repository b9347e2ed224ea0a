"""What was found in the data, for people and for the run's record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Findings:
    """Notes so far."""

    notes: list[str] = field(default_factory=list)

    def render(self) -> str:
        """The text that ``deit-finetune check`` prints."""
        return "\n".join(self.notes)

    def as_dict(self) -> dict[str, Any]:
        """For record.json."""
        return {"notes": self.notes}
