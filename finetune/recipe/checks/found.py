"""What a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

Found = Iterator[tuple[str, str]]
"""Dotted keys, and what is wrong with them."""

Checks = dict[Callable[..., Found], tuple[str, ...]]
"""Each check and the keys whose values it takes. It is left out where one of them has a fault of its own."""
