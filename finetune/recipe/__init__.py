"""What a user writes: a recipe, one frozen tree, and every fault in it at once."""

from finetune.recipe.dump import dump_recipe
from finetune.recipe.load import default_run_name, load_recipe, offline_recipe, with_overrides
from finetune.recipe.schema import recipe_schema, schema_path
from finetune.recipe.sections import (
    Augment,
    CsvData,
    Data,
    Download,
    Evaluate,
    FolderData,
    HubData,
    JsonlData,
    Loss,
    Model,
    Optim,
    Preprocessing,
    Recipe,
    Run,
    Section,
    Split,
)

__all__ = [
    "Augment",
    "CsvData",
    "Data",
    "Download",
    "Evaluate",
    "FolderData",
    "HubData",
    "JsonlData",
    "Loss",
    "Model",
    "Optim",
    "Preprocessing",
    "Recipe",
    "Run",
    "Section",
    "Split",
    "default_run_name",
    "dump_recipe",
    "load_recipe",
    "offline_recipe",
    "recipe_schema",
    "schema_path",
    "with_overrides",
]
