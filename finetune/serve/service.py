"""Images as text to what the model says of them: decoded in threads, batched for the model, bounded in time."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from finetune.predict import Prediction, Predictor, decoding_threads, overlays
from finetune.recipe.sections import Serve
from finetune.serve.batches import Batches, ModelFailedError
from finetune.serve.fetch import Fetcher
from finetune.serve.images import BadImageError, decoded, scheme_of
from finetune.serve.metrics import Metrics
from finetune.serve.refused import RefusedError

T = TypeVar("T")
_UNBOUNDED = 1 << 30


class Service:
    """A model behind threads, for the event loop to ask.

    Args:
        predictor: What predicts.
        options: Limits, batch size and precision.
        metrics: Told of passes and images.
    """

    def __init__(self, predictor: Predictor, options: Serve, metrics: Metrics) -> None:
        self.predictor, self._options, self._metrics = predictor, options, metrics
        self._pool = ThreadPoolExecutor(decoding_threads(), thread_name_prefix="decode")
        self._fetcher = Fetcher(options.max_body, options.timeout_s) if options.allow_urls else None
        self._warm_up()
        self.batches = Batches(
            predictor,
            batch_size=predictor.batch_size(_UNBOUNDED, options.batch_size),
            precision=options.precision,
            on_pass=metrics.passed,
        )

    def close(self) -> None:
        """Answer what is waiting, then end all threads."""
        self.batches.close()
        self._pool.shutdown(cancel_futures=True)

    async def score(self, texts: Sequence[str], seconds: float) -> list[Prediction | BadImageError]:
        """What is on each image.

        Args:
            texts: base64, data: URLs or addresses.
            seconds: How long it may take.
        Raises:
            RefusedError: 503, the model failed; 504, it took longer.
        """
        return await self._each(texts, self._predicted, seconds)

    async def look(self, texts: Sequence[str], seconds: float) -> list[dict[str, str] | BadImageError]:
        """Where the model looked on each image: by token, a JPEG as a data: URL. Arguments as of `score`."""
        return await self._each(texts, self._looked, seconds)

    async def _each(
        self, texts: Sequence[str], ask: Callable[[str], Awaitable[T]], seconds: float
    ) -> list[T | BadImageError]:
        async def outcome(text: str) -> T | BadImageError:
            try:
                return await ask(text)
            except BadImageError as fault:
                return fault

        tasks = [asyncio.ensure_future(outcome(text)) for text in texts]
        _, late = await asyncio.wait(tasks, timeout=max(0.0, seconds))
        for task in late:
            task.cancel()
        if late:
            first = next(index for index, task in enumerate(tasks) if task in late)
            reason = (
                f"image {first}: not done within {self._options.timeout_s:g} s; ask again later, or for fewer images"
            )
            raise RefusedError(504, reason, first)
        try:
            outcomes = [task.result() for task in tasks]
        except ModelFailedError:
            raise RefusedError(503, "the model failed on this request; the server's log has more") from None
        self._metrics.imaged(sum(not isinstance(outcome, BadImageError) for outcome in outcomes), len(outcomes))
        return outcomes

    async def _predicted(self, text: str) -> Prediction:
        pixels = await self._prepared(text, self._pixels)
        return await asyncio.wrap_future(self.batches.predict(pixels))

    async def _looked(self, text: str) -> dict[str, str]:
        image = await self._prepared(text, self._image)
        inside = self.predictor.inside
        assert inside is not None, "nobody asks where there is no attention"
        drawn = await asyncio.wrap_future(self.batches.call(lambda: overlays(image, inside)))
        return {token: _data_url(picture) for token, picture in drawn.items()}

    async def _prepared(self, text: str, prepare: Callable[[str | bytes], T]) -> T:
        content = text if (scheme := scheme_of(text)) is None else await self._fetched(scheme, text)
        return await asyncio.get_running_loop().run_in_executor(self._pool, prepare, content)

    async def _fetched(self, scheme: str, url: str) -> bytes:
        if scheme not in ("http", "https"):
            raise BadImageError(f"an address of scheme {scheme!r}; expected base64")
        if self._fetcher is None:
            raise BadImageError("addresses are not fetched; send base64, or start the server with --allow-urls")
        return await self._fetcher.fetch(url)

    def _image(self, content: str | bytes) -> Image.Image:
        return decoded(content, self._options.max_pixels)

    def _pixels(self, content: str | bytes) -> np.ndarray:
        return self.predictor.pixels.to_uint8(self._image(content))

    def _warm_up(self) -> None:
        """The first pass is the slowest; nobody should wait for it."""
        side = self.predictor.pixels.size_px
        with self.predictor.forward(precision=self._options.precision) as forward:
            forward(torch.zeros((1, 3, side, side), dtype=torch.uint8)).cpu()


def _data_url(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
