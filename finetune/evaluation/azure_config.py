"""Azure's evaluation config: ``{"metrics": ["accuracy", "f1_score_macro", …], "threshold": 0.5}``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from finetune.errors import DataError, did_you_mean
from finetune.metrics.azure_names import AZURE_NAMES


@dataclass(frozen=True)
class AzureConfig:
    """What a config asks for.

    Args:
        metrics: Azure's names, in the order of the config; all of them where it names none.
        threshold: Probability from which a label is predicted; None where the config does not say.
    """

    metrics: tuple[str, ...]
    threshold: float | None = None


def read_azure_config(path: str | Path) -> AzureConfig:
    """Read a config.

    Raises:
        DataError: it cannot be read, or names what there is not; all faults that were found.
    """
    try:
        content = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f'{path}: found {type(content).__name__}, expected {{"metrics": […], "threshold": 0.5}}')
    faults = [
        f"{path}: {key}: unknown key{did_you_mean(key, ('metrics', 'threshold'))}; expected metrics and threshold"
        for key in content
        if key not in ("metrics", "threshold")
    ]
    metrics, threshold = content.get("metrics"), content.get("threshold")
    if metrics is not None and not (isinstance(metrics, list) and all(isinstance(name, str) for name in metrics)):
        faults.append(f"{path}: metrics: found {metrics!r}, expected a list of names")
        metrics = None
    known = tuple(AZURE_NAMES)
    faults += [
        f"{path}: metrics: {name!r} is no metric of Azure's image classification{did_you_mean(name, known)}"
        for name in metrics or ()
        if name not in AZURE_NAMES
    ]
    number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if threshold is not None and not (number and 0 <= threshold <= 1):
        faults.append(f"{path}: threshold: found {threshold!r}, expected a number from 0 to 1")
    if faults:
        raise DataError("\n".join(faults))
    return AzureConfig(tuple(metrics or known), None if threshold is None else float(threshold))
