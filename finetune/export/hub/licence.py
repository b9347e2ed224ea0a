"""Under which licence a run's model may be passed on, as far as its base says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Of checkpoints whose card was not downloaded with their weights: how their names begin, and what their cards say.
KNOWN = {"facebook/deit-": "apache-2.0", "google/vit-": "apache-2.0", "bundled:": "apache-2.0"}


def base_licence(checkpoint: Mapping[str, Any]) -> str | None:
    """The Hub's identifier of the licence that a run's checkpoint is under, or None where nobody says so.

    The card that lies with the checkpoint is believed first, then `KNOWN`. Of a checkpoint whose architecture alone was
    taken (``model.weights: random``) nothing is passed on.

    Args:
        checkpoint: As of a run's record.
    """
    if checkpoint.get("weights") == "random":
        return None
    return _of_card(Path(checkpoint["path"]) / "README.md") or next(
        (licence for start, licence in KNOWN.items() if checkpoint["checkpoint"].startswith(start)), None
    )


def base_on_the_hub(checkpoint: Mapping[str, Any]) -> str | None:
    """The name on the Hub of the checkpoint that a run's weights began from; None where they came from elsewhere."""
    from_hub = checkpoint["kind"] == "hub" and checkpoint.get("weights") != "random"
    return str(checkpoint["checkpoint"]) if from_hub else None


def _of_card(card: Path) -> str | None:
    from huggingface_hub import metadata_load

    try:
        found = metadata_load(card) if card.is_file() else None
    except Exception:  # somebody else's card: what cannot be read says nothing
        return None
    licence = (found or {}).get("license")
    return licence if isinstance(licence, str) else None
