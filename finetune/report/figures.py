"""Figures of a report as SVG that stands in the page: words stay words, and black follows the page's colour."""

from __future__ import annotations

import io
import re

from matplotlib import rc_context

from finetune.plots import Drawing

_BEFORE_SVG = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_SIZE = re.compile(r' (width|height)="([0-9.]+)pt"')
_REM_PER_INCH = 5.0


def svg(drawing: Drawing, name: str) -> str:
    """A figure's ``<svg>`` element, as wide as its place in the page.

    Args:
        name: Keeps the identifiers of several figures in one page apart; the same figure gives the same text again.
    """
    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        drawing.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = _METADATA.sub("", _BEFORE_SVG.sub("", file.getvalue()))
    width = f'<svg style="max-width: {_REM_PER_INCH * drawing.get_figwidth():.1f}rem"'
    text = _SIZE.sub("", text, count=2).replace("<svg", width, 1)
    # Identifiers that matplotlib numbers from 1 in every figure.
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
