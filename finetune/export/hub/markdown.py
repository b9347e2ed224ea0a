"""Names and numbers as they stand in Markdown."""

from __future__ import annotations

import re

_MARKUP = re.compile(r"[\\`*\[\]|]|(?<!\w)_|_(?!\w)")


def escaped(text: str) -> str:
    """A name that a user chose, on one line and without a meaning for Markdown or HTML, within a table too.

    >>> print(escaped("milk_bottle"), escaped("a|b *c* <d>"))
    milk_bottle a\\|b \\*c\\* &lt;d&gt;
    """
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(lambda found: f"\\{found[0]}", text)


def fraction(value: float | None) -> str:
    """A metric.

    >>> fraction(0.45678), fraction(None)
    ('0.457', '–')
    """
    return "–" if value is None else f"{value:.3f}"


def duration(seconds: float) -> str:
    """How long something took.

    >>> duration(3.2), duration(310), duration(9000)
    ('3 seconds', '5 minutes', '2.5 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
