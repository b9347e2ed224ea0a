"""The options of ``deit-finetune serve``, from the command line or from YAML."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from finetune.recipe.sections.section import Count, Positive, Section, Text

MEBIBYTE = 2**20


class Serve(Section):
    """What to serve, where, and within which limits, which hold for each worker process."""

    run: Text
    """Run folder, or a cross-validation's folder, whose models predict together."""
    host: Text = "127.0.0.1"
    """Where to listen; 0.0.0.0 for all networks."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """0 takes a free one."""
    workers: Count = 1
    """Processes, each with its own copy of the model."""
    runtime: Literal["torch", "onnx"] = "torch"
    """onnx: serve what deit-finetune export RUN --to onnx wrote, on the CPU; it shows no attention."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the forward pass."""
    batch_size: Count | None = None
    """Most images of one forward pass; null for 16 on a CPU and 64 elsewhere."""
    max_body_mb: Positive = 32.0
    """Largest request body, and largest image behind an address, in MiB."""
    max_images: Count = 64
    """Most images of one request."""
    max_pixels: Count = 50_000_000
    """Width times height of an image, read from its header."""
    max_queue: Count = 256
    """Most images that are taken in and not answered."""
    timeout_s: Positive = 30.0
    """Seconds from a request's head to its answer."""
    allow_urls: bool = False
    """Fetch images from public http and https addresses."""
    api_key_file: Text | None = None
    """A file whose first line every request to the model must bring."""
    access_log: bool = True
    """A line on stderr for each request."""

    @property
    def max_body(self) -> int:
        """Bytes of the largest body."""
        return int(self.max_body_mb * MEBIBYTE)
