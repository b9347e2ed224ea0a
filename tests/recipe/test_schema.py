"""The schema that editors read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.recipe import recipe_schema, schema_path
from finetune.recipe.schema import OPTIONS, options_schema
from finetune.recipe.yaml_text import parse_recipe

FOLDER = Path(__file__).parents[2] / "recipes"
RECIPES = sorted(path for path in FOLDER.glob("*.yaml") if path.stem not in OPTIONS)


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(recipe_schema())
    return jsonschema.Draft202012Validator(recipe_schema())


def test_the_published_schema_is_the_one_that_the_code_gives():
    published = schema_path().read_text(encoding="utf-8")
    assert json.loads(published) == recipe_schema(), "run: deit-finetune schema > finetune/assets/recipe.schema.json"


@pytest.mark.parametrize("verb", OPTIONS)
def test_the_published_schema_of_options_is_the_one_that_the_code_gives(verb):
    published = json.loads(schema_path(verb).read_text(encoding="utf-8"))
    assert published == options_schema(verb), "run: make schema"
    assert [key for key, value in published["properties"].items() if "description" not in value] == []
    jsonschema = pytest.importorskip("jsonschema")
    shipped = parse_recipe((FOLDER / f"{verb}.yaml").read_text(encoding="utf-8"), verb)
    assert list(jsonschema.Draft202012Validator(published).iter_errors(shipped)) == []


def test_every_key_is_described():
    definitions = [recipe_schema(), *recipe_schema()["$defs"].values()]
    keys = [(name, key) for part in definitions for name, key in part.get("properties", {}).items()]
    assert len(keys) > 80
    assert [name for name, key in keys if "description" not in key and "$ref" not in key] == []
    assert all("description" in definition for definition in definitions)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_a_shipped_recipe_is_valid_by_the_schema(validator, path):
    assert list(validator.iter_errors(parse_recipe(path.read_text(encoding="utf-8"), str(path)))) == []


@pytest.mark.parametrize(
    "change",
    [{"optim": {"learning_rat": 5e-5}}, {"task": "multi"}, {"optim": {"epochs": "3"}}, {"data": {"kind": "zip"}}],
)
def test_the_schema_refuses_what_loading_refuses(validator, smallest, change):
    assert validator.is_valid(smallest)
    assert not validator.is_valid({**smallest, **change})
