"""Imports point one way: from what knows little to what knows much."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import finetune

PACKAGE = Path(finetune.__file__).parent
LAYERS = (
    {"errors", "labels", "cache", "extras"},
    {"recipe", "metrics"},
    {"data", "pixels", "model", "run_folder", "fallback", "reachability"},
    {"predict", "evaluation", "report", "plots", "proposal"},
    {"training"},
    {"batch", "search", "serve", "export"},
    {"api"},
    {"cli"},
    {"__init__", "__main__"},
)
RANK = {unit: rank for rank, layer in enumerate(LAYERS) for unit in layer}
LIGHT = ("finetune", "finetune.cli", "finetune.recipe", "finetune.run_folder", "finetune.data.download")
HEAVY = {"torch", "transformers", "datasets", "numpy", "sklearn", "evaluate", "matplotlib", "accelerate"}


@cache
def imports() -> set[tuple[str, str]]:
    """(importer, imported) pairs of the package's units: what stands right below ``finetune``."""
    pairs = set()
    for file in PACKAGE.rglob("*.py"):
        unit = file.relative_to(PACKAGE).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            modules += [f"finetune.{name.name}" for name in node.names] if modules == ["finetune"] else []
            parts = [module.split(".") for module in modules if module.startswith("finetune.")]
            pairs |= {(unit, names[1]) for names in parts if names[1] != unit}
    return pairs


def test_every_unit_has_its_layer():
    units = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert units - set(RANK) == set()


def test_no_import_points_to_a_higher_layer():
    found = imports()
    assert len(found) > 10
    assert [(unit, other) for unit, other in sorted(found) if unit != "__init__" and RANK[other] > RANK[unit]] == []


def test_units_of_one_layer_do_not_need_each_other_in_a_circle():
    edges = {unit: {other for one, other in imports() if one == unit} for unit in RANK}
    while leaves := [unit for unit, others in edges.items() if not others & set(edges)]:
        for unit in leaves:
            del edges[unit]
    assert sorted(edges) == []


@pytest.mark.parametrize("module", LIGHT)
def test_what_must_answer_at_once_imports_nothing_heavy(module):
    program = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []
