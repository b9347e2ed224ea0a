"""A run behind HTTP: Azure's requests and responses, a page for people, numbers for Prometheus.

    POST /score       scores of every label for each image
    POST /attention   where the model looked on each image
    GET  /            a page where pictures are dropped
    GET  /health /ready /model /metrics /docs /openapi.json

A request is read and parsed on the event loop, its images are decoded and resized in threads, and one thread has the
model and takes all that is waiting, up to a batch, at once.
"""

from __future__ import annotations

import importlib.util

from finetune.errors import RecipeError
from finetune.recipe.sections import Serve

__all__ = ["serve"]
_NEEDED = ("fastapi", "uvicorn", "prometheus_client")


def serve(options: Serve) -> None:
    """Serve a run until Ctrl-C or SIGTERM.

    Raises:
        FinetuneError: a package of the extra ``serve`` is missing, the run cannot be opened, or the port is taken.
    """
    for package in _NEEDED:
        if importlib.util.find_spec(package) is None:
            raise RecipeError([f"{package} is not installed; pip install 'deit-finetune[serve]'"], "serve")
    from finetune.serve.server import run_server

    run_server(options)
