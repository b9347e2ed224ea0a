"""The model's own thread: images of all requests, batched by load."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import torch

from finetune.predict import Precision, Prediction, Predictor

_LOG = logging.getLogger("finetune.serve")


class ModelFailedError(Exception):
    """The model raised; its traceback is in the log."""


@dataclass
class _Waiting:
    pixels: np.ndarray
    answer: Future[Prediction] = field(default_factory=Future)


class Batches:
    """Predicts images that come one by one, as many in one pass as are waiting.

    The model takes what is there as soon as it is free: an image that finds it idle never waits for others, and under
    load batches grow by themselves. An image waits for the pass that runs and for those before it in the queue.

    Args:
        predictor: Only this thread touches its model.
        batch_size: Most images of one pass.
        on_pass: Told the images and the seconds of each pass.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        batch_size: int,
        precision: Precision = "fp32",
        on_pass: Callable[[int, float], None] | None = None,
    ) -> None:
        self.predictor, self.batch_size, self._precision, self._on_pass = predictor, batch_size, precision, on_pass
        self._images: deque[_Waiting] = deque()
        self._errands: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._changed, self._closing = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether images are still predicted."""
        return self._thread.is_alive() and not self._closing

    def predict(self, pixels: np.ndarray) -> Future[Prediction]:
        """What is on one image.

        Args:
            pixels: (3, height, width) uint8, as the predictor's ``pixels.to_uint8`` makes them.
        Returns:
            Has a `ModelFailedError` where the model raised. An image whose future is cancelled in time is not computed.
        """
        waiting = _Waiting(pixels)
        with self._changed:
            self._images.append(waiting)
            self._changed.notify()
        return waiting.answer

    def call(self, errand: Callable[[], Any]) -> Future[Any]:
        """Do something else with the model, on its thread, between two passes."""
        answer: Future[Any] = Future()
        with self._changed:
            self._errands.append((errand, answer))
            self._changed.notify()
        return answer

    def close(self) -> None:
        """Do what is waiting, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        with self.predictor.forward(precision=self._precision) as forward:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._images or self._errands or self._closing)
                    count = min(self.batch_size, len(self._images))
                    batch = [self._images.popleft() for _ in range(count)]
                    errands = [self._errands.popleft()] if self._errands else []
                if not batch and not errands:
                    return
                batch = [waiting for waiting in batch if waiting.answer.set_running_or_notify_cancel()]
                if batch:
                    with _told([waiting.answer for waiting in batch]):
                        self._pass(forward, batch)
                for errand, answer in errands:
                    if answer.set_running_or_notify_cancel():
                        with _told([answer]):
                            answer.set_result(errand())

    def _pass(self, forward: Callable[[torch.Tensor], torch.Tensor], batch: list[_Waiting]) -> None:
        began = perf_counter()
        logits = forward(torch.from_numpy(np.stack([waiting.pixels for waiting in batch])))
        said = self.predictor.said(logits.cpu().double().numpy(), [None] * len(batch))
        if self._on_pass is not None:
            self._on_pass(len(batch), perf_counter() - began)
        for waiting, prediction in zip(batch, said, strict=True):
            waiting.answer.set_result(prediction)


@contextmanager
def _told(answers: list[Future[Any]]) -> Iterator[None]:
    """Whoever waits is told of a failure, and the thread lives on."""
    try:
        yield
    except Exception as error:
        _LOG.exception("the model failed on %d images", len(answers))
        for answer in answers:
            if not answer.done():
                answer.set_exception(ModelFailedError(type(error).__name__))
