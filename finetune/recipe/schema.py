"""The recipe's JSON schema, by which an editor completes and checks recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from finetune.recipe.sections import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _WithoutTitles(GenerateJsonSchema):
    """``title: Epochs`` beside ``epochs`` says nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def recipe_schema() -> dict[str, Any]:
    """The schema of a recipe, JSON Schema 2020-12, every key with its description and default."""
    schema = Recipe.model_json_schema(schema_generator=_WithoutTitles)
    return {"$schema": DIALECT, **schema, "title": "deit-finetune recipe"}


def schema_path() -> Path:
    """The schema file that ships with the package."""
    return Path(__file__).parent.parent / "assets" / "recipe.schema.json"
