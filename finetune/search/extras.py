"""Packages that only a search needs."""

from __future__ import annotations

import importlib.util

from finetune.errors import RecipeError


def need(package: str, why: str) -> None:
    """Refuse to begin without a package.

    Raises:
        RecipeError: it is not installed; the message says how to get it.
    """
    if importlib.util.find_spec(package) is None:
        raise RecipeError([f"{package} is not installed, and {why}; pip install 'deit-finetune[search]'"], "search")
