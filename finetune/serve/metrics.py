"""What Prometheus is told."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable that names a folder where worker processes add up; prometheus_client reads it on import."""
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one server; of several worker processes, each answers for all."""

    def __init__(self) -> None:
        own = CollectorRegistry()
        name = "deit_finetune"
        self._requests = Counter(f"{name}_requests", "Answered requests.", ["path", "status"], registry=own)
        self._seconds = Histogram(
            f"{name}_request_seconds", "From head to answer.", ["path"], buckets=_SECONDS, registry=own
        )
        self._images = Counter(f"{name}_images", "Images by what became of them.", ["outcome"], registry=own)
        self._batch = Histogram(f"{name}_batch_images", "Images of a forward pass.", buckets=_IMAGES, registry=own)
        self._pass = Histogram(
            f"{name}_pass_seconds", "A forward pass, results on the CPU.", buckets=_SECONDS, registry=own
        )
        self._queued = Gauge(
            f"{name}_queued_images", "Taken in, not answered.", registry=own, multiprocess_mode="livesum"
        )
        self._own = own

    def answered(self, path: str, status: int, seconds: float) -> None:
        """A request."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def imaged(self, good: int, total: int) -> None:
        """Images of a request."""
        self._images.labels("scored").inc(good)
        self._images.labels("refused").inc(total - good)

    def passed(self, images: int, seconds: float) -> None:
        """A forward pass."""
        self._batch.observe(images)
        self._pass.observe(seconds)

    def queued(self, images: int) -> None:
        """How many images are in hand now."""
        self._queued.set(images)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        if SHARED not in os.environ:
            return generate_latest(self._own)
        everyones = CollectorRegistry()
        MultiProcessCollector(everyones)  # type: ignore[no-untyped-call]
        return generate_latest(everyones)
