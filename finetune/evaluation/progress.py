"""A bar while images are scored, where somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm  # type: ignore[import-untyped]


@contextmanager
def bar() -> Iterator[Callable[[int], None]]:
    """A function to call with the number of images that were scored."""
    with tqdm(unit=" images", desc="scored", disable=None, leave=False) as shown:
        yield lambda count: shown.update(count)
