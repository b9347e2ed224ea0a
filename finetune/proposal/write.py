"""From a folder or a table to a recipe file with its reasons in comments."""

from __future__ import annotations

import re
from pathlib import Path

from finetune.data.folder import read_folder, scan
from finetune.data.rows import SPLIT_WORDS
from finetune.errors import DataError, RecipeError
from finetune.proposal.json_lines import propose_json_lines
from finetune.proposal.proposal import Proposal, describe
from finetune.proposal.tables import propose_table
from finetune.recipe import load_recipe, schema_path
from finetune.recipe.dump import flow
from finetune.recipe.yaml_text import parse_recipe

TABLES = (".csv", ".tsv", ".txt")
MODEL = """\
model:
  checkpoint: facebook/deit-base-patch16-224
  # facebook/deit-small-patch16-224 is about 4 times less work, facebook/deit-tiny-patch16-224 about 14 times
"""


def write_proposal(source: Path, out: Path, *, overwrite: bool = False) -> str:
    """Write a recipe for a reader's own images.

    Args:
        source: A folder, a table, a .jsonl file or an MLTable.
        out: The recipe file.
        overwrite: Replace it if it exists.
    Returns:
        What was decided, and what to do next.
    Raises:
        DataError: nothing there can be made into a recipe.
        RecipeError: the recipe file exists already.
    """
    if out.exists() and not overwrite:
        raise RecipeError(["exists already; choose another with --out, or replace it with --overwrite"], str(out))
    proposal = propose(source)
    text = _text(source, out, proposal)
    load_recipe(parse_recipe(text, str(out)))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RecipeError([f"cannot be written: {error.strerror}"], str(out)) from error
    found = "\n".join(f"  {reason}" for reason in proposal.reasons)
    return f"{out} is written.\n{found}\nNext:\n  deit-finetune check {out}\n  deit-finetune {out}"


def propose(source: Path) -> Proposal:
    """Decide on a task and a data section.

    Raises:
        DataError: there is nothing, or nothing that can be decided on.
    """
    if source.is_file():
        return _propose_file(source)
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder; expected a folder of images or a table")
    annotations = _by_split(source, [p for p in sorted(source.iterdir()) if _holds_json_lines(p)])
    if annotations:
        return propose_json_lines(source, annotations)
    tables = [p for p in sorted(source.iterdir()) if p.suffix.casefold() in TABLES[:2] and p.is_file()]
    try:
        return _propose_tables(source, tables) if tables else _propose_classes(source)
    except DataError:
        if tables and _class_folders(source) > 1:  # the table is about something else
            return _propose_classes(source)
        raise


def _propose_file(path: Path) -> Proposal:
    siblings = [p for p in sorted(path.parent.iterdir()) if p.suffix == path.suffix and p.is_file()]
    chosen = _by_split(path.parent, siblings)
    file = chosen if isinstance(chosen, dict) and path.name in chosen.values() else path.name
    if path.suffix.casefold() == ".jsonl" or path.name == "MLTable":
        return propose_json_lines(path.parent, file)
    if path.suffix.casefold() in TABLES:
        return propose_table(path, file)
    kinds = ".csv, .tsv, .txt, .jsonl or MLTable"
    raise DataError(f"{path}: expected a folder, or a file that is {kinds}; an archive has to be unpacked first")


def _propose_tables(folder: Path, tables: list[Path]) -> Proposal:
    chosen = _by_split(folder, tables)
    if not chosen:
        names = ", ".join(path.name for path in tables)
        raise DataError(f"{folder}: there are several tables, {names}; name the one that is meant")
    return propose_table(folder / (chosen if isinstance(chosen, str) else chosen["train"]), chosen)


def _propose_classes(root: Path) -> Proposal:
    reasons = [f"class folders in {root}: multiclass", *describe(read_folder(root.absolute()))]
    return Proposal("multiclass", {"kind": "folder", "root": str(root)}, reasons)


def _class_folders(root: Path) -> int:
    return sum(bool(scan(str(root / name)).images) for name in scan(str(root)).folders)


def _holds_json_lines(path: Path) -> bool:
    if path.is_dir():
        return (path / "MLTable").is_file()
    return path.name == "MLTable" or path.suffix.casefold() == ".jsonl"


def _by_split(root: Path, paths: list[Path]) -> str | dict[str, str]:
    """One name, or a name per split where names say which; empty where it cannot be told."""
    if root / "MLTable" in paths:
        return "MLTable"
    if len(paths) == 1:
        return paths[0].name
    named: dict[str, str] = {}
    for path in paths:
        words = set(re.split(r"[^a-z]+", path.stem.casefold()))
        splits = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
        if len(splits) == 1:
            named.setdefault(splits.pop(), path.name)
    if "train" in named and len(named) > 1:
        return named
    usual = [path.name for path in paths if path.stem.casefold() in ("labels", "annotations")]
    return usual[0] if len(usual) == 1 else {}


def _text(source: Path, out: Path, proposal: Proposal) -> str:
    split = "  split: {validation: 0.2, test: 0.0, seed: 42}  # used where the data bring no split of their own"
    data = "\n".join(f"  {key}: {flow(value)}" for key, value in proposal.data.items())
    suggestions = "".join(f"\n  # {line}" for line in proposal.suggestions)
    reasons = "\n".join(f"#   {' '.join(reason.split())}" for reason in proposal.reasons)
    name = re.sub(r"[^\w.-]+", "_", (source if source.is_dir() else source.parent).resolve().name) or "run"
    return f"""\
# yaml-language-server: $schema={schema_path()}
# Written by `deit-finetune init {source}`. To train: deit-finetune {out}
#
# What was found:
{reasons}
#
# Every key that a recipe can have: deit-finetune schema

task: {proposal.task}

data:
{data}
{split}{suggestions}

{MODEL}
optim:
  epochs: 15
  batch_size: 16
  learning_rate: 5e-5

run:
  name: {flow(name)}
"""
