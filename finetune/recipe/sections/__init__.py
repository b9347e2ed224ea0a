"""What a user writes: one frozen model per section of a recipe, every key declared once.

Descriptions are what ``deit-finetune schema`` publishes and what ``recipes/README.md`` lists.
"""

from finetune.recipe.sections.augment import Augment
from finetune.recipe.sections.data import (
    CsvData,
    Data,
    Download,
    FolderData,
    FormulaData,
    HubData,
    JsonlData,
    Split,
    SplitName,
)
from finetune.recipe.sections.model import Lora, Model, Preprocessing, Probe
from finetune.recipe.sections.optim import Distill, Loss, Optim
from finetune.recipe.sections.predict import Predict
from finetune.recipe.sections.recipe import Recipe
from finetune.recipe.sections.run import Evaluate, Run, Search, Span
from finetune.recipe.sections.section import Count, Fraction, NonNegative, Positive, Section, Text
from finetune.recipe.sections.serve import Serve

__all__ = [
    "Augment",
    "Count",
    "CsvData",
    "Data",
    "Distill",
    "Download",
    "Evaluate",
    "FolderData",
    "FormulaData",
    "Fraction",
    "HubData",
    "JsonlData",
    "Lora",
    "Loss",
    "Model",
    "NonNegative",
    "Optim",
    "Positive",
    "Predict",
    "Preprocessing",
    "Probe",
    "Recipe",
    "Run",
    "Search",
    "Section",
    "Serve",
    "Span",
    "Split",
    "SplitName",
    "Text",
]
