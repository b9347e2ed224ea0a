"""A bar while images are scored, where somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm  # type: ignore[import-untyped]


@contextmanager
def bar(total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of images that were scored.

    Args:
        total: All there are, where that is known.
    """
    with tqdm(total=total, unit=" images", desc="scored", disable=None, leave=False) as shown:
        yield lambda count: shown.update(count)
