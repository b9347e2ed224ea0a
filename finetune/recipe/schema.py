"""The recipe's JSON schema, by which an editor completes and checks recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from finetune.recipe.sections import Predict, Recipe, Section, Serve

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OPTIONS: dict[str, type[Section]] = {"predict": Predict, "serve": Serve}
"""Verbs whose options can stand in a YAML file."""


class _WithoutTitles(GenerateJsonSchema):
    """``title: Epochs`` beside ``epochs`` says nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def recipe_schema() -> dict[str, Any]:
    """The schema of a recipe, JSON Schema 2020-12, every key with its description and default."""
    schema = Recipe.model_json_schema(schema_generator=_WithoutTitles)
    return {"$schema": DIALECT, **schema, "title": "deit-finetune recipe"}


def options_schema(verb: str) -> dict[str, Any]:
    """The schema of a verb's options, as of its YAML file.

    Args:
        verb: One of `OPTIONS`.
    """
    schema = OPTIONS[verb].model_json_schema(schema_generator=_WithoutTitles)
    return {"$schema": DIALECT, **schema, "title": f"options of deit-finetune {verb}"}


def schema_path(name: str = "recipe") -> Path:
    """The schema file that ships with the package, of recipes or of a verb's options."""
    return Path(__file__).parent.parent / "assets" / f"{name}.schema.json"
