"""A run's recipe as others may read it: without places on the user's machine, and without secrets in addresses."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from finetune.recipe import dump_recipe, load_recipe
from finetune.run_folder import RunFolder

REPLACED = "replaced-path"

# An absolute path of any system, one from a home folder, or one that leaves the working directory.
_PLACE = re.compile(r"[/\\~]|[A-Za-z]:[/\\]|\.\.([/\\]|$)")
_NO_PLACES = ("delimiter", "label_separator")  # keys whose value may well be a slash


def public_recipe(run: RunFolder) -> tuple[str, list[str]]:
    """The recipe's text, itself a valid recipe, and the dotted keys whose values had to be replaced."""
    replaced: list[str] = []
    tree = _public_tree(run.read_recipe().model_dump(mode="json"), "", replaced)
    text = dump_recipe(load_recipe(tree))
    if replaced:
        keys = ", ".join(replaced)
        text = f"# Without places of the machine that trained the model, and without secrets: {keys}\n{text}"
    return text, replaced


def public_value(value: str) -> str:
    """A value of a recipe without what others must not see. What has nothing of the kind stays as it is.

    >>> [public_value(value) for value in ("photos", "/home/anna/photos", "../photos", r"D:\\photos", "me/photos")]
    ['photos', 'replaced-path', 'replaced-path', 'replaced-path', 'me/photos']
    >>> public_value("https://anna:key@example.org/photos.zip?sig=secret")
    'https://example.org/photos.zip'
    """
    if "://" in value:
        parts = urlsplit(value)
        if parts.scheme == "file":
            return f"file:///{REPLACED}"
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return REPLACED if _PLACE.match(value) else value


def _public_tree(value: Any, key: str, replaced: list[str]) -> Any:
    if isinstance(value, dict):
        return {name: _public_tree(item, f"{key}.{name}".lstrip("."), replaced) for name, item in value.items()}
    if isinstance(value, list):
        return [_public_tree(item, key, replaced) for item in value]
    if not isinstance(value, str) or key.endswith(_NO_PLACES):
        return value
    public = public_value(value)
    if public != value and key not in replaced:
        replaced.append(key)
    return public
