"""How much may be in hand at once. Only the event loop's thread counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from finetune.serve.refused import RefusedError


class Room:
    """Images and bytes that are taken in and not answered.

    Args:
        images: Most of them.
        bytes_: Most of all request bodies together.
    """

    def __init__(self, images: int, bytes_: int) -> None:
        self._most_images, self._most_bytes = images, bytes_
        self.images, self.bytes = 0, 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """One request's part, given back when it is answered."""
        share = Share(self)
        try:
            yield share
        finally:
            self.images -= share.images
            self.bytes -= share.bytes

    def take_bytes(self, count: int) -> None:
        if self.bytes + count > self._most_bytes:
            raise RefusedError(429, "the requests in hand hold as many bytes as may be; ask again later")
        self.bytes += count

    def take_images(self, count: int) -> None:
        free = self._most_images - self.images
        if count > free:
            raise RefusedError(
                429, f"image {free}: the queue of {self._most_images} images is full; ask again later", free
            )
        self.images += count


class Share:
    """What one request holds of a `Room`."""

    def __init__(self, room: Room) -> None:
        self._room, self.images, self.bytes = room, 0, 0

    def take_bytes(self, count: int) -> None:
        """Hold more of a body.

        Raises:
            RefusedError: 429, there is no room.
        """
        self._room.take_bytes(count)
        self.bytes += count

    def take_images(self, count: int) -> None:
        """Hold images, all or none.

        Raises:
            RefusedError: 429, there is no room; it names the first that found none.
        """
        self._room.take_images(count)
        self.images += count
