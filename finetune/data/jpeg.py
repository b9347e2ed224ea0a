"""How many scans a JPEG has: each is a pass over all its pixels, and a small file may claim thousands."""

from __future__ import annotations

import re

MAX_SCANS = 64
"""Of one JPEG; a progressive one has about ten."""
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # neither a stuffed zero nor a restart, which pixels are full of
_FIRST_WITH_LENGTH, _START, _END, _SCAN = 0xC0, 0xD8, 0xD9, 0xDA


def scans(content: bytes) -> int:
    """The scans up to the image's end, as libjpeg finds them; what other segments and later images hold does not count.

    Segments are stepped over by their lengths; the pixels that follow a scan's are searched for the next marker.

    >>> scans(bytes.fromhex("ffd8 ffe1 0004 ffda ffda0002 0102ff00 ffda0002 03 ffd9 ffda0002"))
    2
    """
    count, place = 0, 0
    while (marker := _MARKER.search(content, place)) is not None:
        kind, place = content[marker.end() - 1], marker.end()
        if kind == _END:
            break
        count += kind == _SCAN
        if kind >= _FIRST_WITH_LENGTH and kind != _START:
            place += max(2, int.from_bytes(content[place : place + 2], "big"))
    return count
