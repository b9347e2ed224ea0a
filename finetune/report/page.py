"""``report.html``: one file that needs nothing else, made from what a run folder holds."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from finetune.report.contents import contents
from finetune.run_folder import ResultFolder


def write_report(folder: ResultFolder) -> Path:
    """Write a report again.

    Args:
        folder: A finished run, a cross-validation, or a later evaluation.
    Returns:
        ``report.html`` in it.
    Raises:
        RunFolderError: the folder has no metrics, no record or no predictions.
    """
    environment = Environment(
        loader=PackageLoader("finetune", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    text = environment.get_template("report.html.j2").render(contents(folder))
    folder.report.write_text(text, encoding="utf-8")
    return folder.report


def percent(value: float | None) -> str:
    """A fraction for people.

    >>> percent(0.4567), percent(None)
    ('45.7 %', '–')
    """
    return "–" if value is None else f"{100 * value:.1f} %"
