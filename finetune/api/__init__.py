"""What a Python user calls: fine-tune, open a run again, load the data of a recipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.api.folds import Folds
from finetune.api.run import Run
from finetune.recipe import Recipe, load_recipe, with_overrides
from finetune.run_folder import RunFolder, is_ensemble, refuse_unfinished

if TYPE_CHECKING:
    from finetune.api.evaluation import Evaluation
    from finetune.data import Splits
    from finetune.evaluation.compare import Comparison
    from finetune.predict import Runtime

__all__ = ["Folds", "Run", "compare", "crossval", "evaluate", "finetune", "load_data", "open_run"]

RecipeSource = str | Path | Mapping[str, Any] | Recipe


def finetune(
    recipe: RecipeSource,
    /,
    *,
    resume: bool = False,
    overwrite: bool = False,
    fallback: bool = True,
    **overrides: Any,
) -> Run:
    """Fine-tune as a recipe says.

    Args:
        recipe: A YAML file, a mapping of the same shape, or a recipe that is loaded.
        resume: Go on with the newest interrupted run of this recipe.
        overwrite: Replace the run of that name instead of numbering a new one.
        fallback: Where checkpoint or data cannot be reached, apply the recipe's ``offline`` section.
        overrides: Dotted keys, as in ``**{"optim.epochs": 3}``.
    Raises:
        FinetuneError: something that the caller can mend.
        finetune.training.stopping.Interrupted: it was asked to stop, saved a checkpoint, and can be resumed.
    """
    from finetune.training import train

    loaded = _loaded(recipe, overrides)
    return Run(train(loaded, fallback=fallback, resume=resume, overwrite=overwrite))


def crossval(
    recipe: RecipeSource,
    /,
    folds: int = 5,
    *,
    resume: bool = False,
    overwrite: bool = False,
    fallback: bool = True,
    **overrides: Any,
) -> Folds:
    """Train once for each fold of the data, without it, and measure the model on it.

    Args:
        recipe: As of `finetune`, like ``overwrite``, ``fallback`` and ``overrides``.
        folds: At least 2, and not more than the smallest class has images (or groups).
        resume: Go on with the newest interrupted cross-validation of this recipe.
    Raises:
        FinetuneError: something that the caller can mend.
        finetune.training.stopping.Interrupted: it was asked to stop, and can be resumed.
    """
    from finetune.search import crossval as carry_out

    loaded = _loaded(recipe, overrides)
    return Folds(carry_out(loaded, folds, fallback=fallback, resume=resume, overwrite=overwrite))


def open_run(path: str | Path, *, device: str | None = None, runtime: Runtime = "torch") -> Run:
    """A run that is there, or a cross-validation, as `Folds`: its models then predict together.

    Args:
        path: The run folder, or the folder of all folds.
        device: Where to predict; by default the GPU where there is one, else the CPU.
        runtime: ``onnx`` predicts with what ``deit-finetune export RUN --to onnx`` wrote, on the CPU.
    Raises:
        RunFolderError: there is no run, or it has no model yet, or not all folds of a cross-validation are finished;
            or it was not exported, or tuned after it was.
    """
    refuse_unfinished(path)
    if runtime == "onnx":
        from finetune.predict import folder_of_graph

        folder_of_graph(path)
        return Run(RunFolder(Path(path)), device, runtime)
    return Folds(RunFolder(Path(path)), device) if is_ensemble(path) else Run(RunFolder.open(path), device)


def evaluate(
    model: str | Path | Run,
    data: str | Path | None = None,
    /,
    *,
    tune_thresholds: bool = False,
    calibrate: bool = False,
    device: str | None = None,
    **wishes: Any,
) -> Evaluation:
    """Measure a run, a cross-validation's models together, or a checkpoint on labelled images.

    Args:
        model: A run or its folder, or a checkpoint as ``model.checkpoint`` may name it.
        data: A folder, a table, ``bundled:NAME`` or a recipe file; by default the run's own held-out images.
        tune_thresholds, calibrate: First tune the run on its own validation images, and save that with its model.
        device: Where to compute; by default the GPU where there is one, else the CPU.
        wishes: As of `finetune.evaluation.wish.Wish`: ``split``, ``classes``, ``name``, ``out``, ``threshold`` …
    Raises:
        FinetuneError: something that the caller can mend.
    """
    from finetune.api.evaluation import measure
    from finetune.evaluation.wish import Wish

    path = model.path if isinstance(model, Run) else model
    return measure(path, Wish(data, **wishes), tune_thresholds=tune_thresholds, calibrate=calibrate, device=device)


def compare(*runs: str | Path | Run | Evaluation, split: str | None = None) -> Comparison:
    """Compare runs or evaluations on the images that all of them predicted; print it for the table.

    Args:
        runs: Or their folders; the others are compared with the first.
        split: By default test where all have it, else validation, else the only one of each.
    Raises:
        FinetuneError: they have other classes, or no image in common.
    """
    from finetune.evaluation.compare import compare as carry_out

    return carry_out([run if isinstance(run, str | Path) else run.path for run in runs], split)


def load_data(recipe: RecipeSource, /, *, fallback: bool = True, **overrides: Any) -> Splits:
    """The splits that a recipe would train on, verified, without training.

    Args:
        recipe: As of `finetune`, like ``overrides``.
        fallback: Where the data cannot be reached, take what the recipe's ``offline`` section names, and say so.
    Raises:
        FinetuneError: the data cannot be reached, or are not what the recipe says.
    """
    from finetune.data import load_splits
    from finetune.fallback import reach

    reached = reach(_loaded(recipe, overrides), strict=not fallback, parts=("data",))
    if reached.notice:
        print(reached.notice, file=sys.stderr)
    return load_splits(reached.recipe)


def _loaded(recipe: RecipeSource, overrides: Mapping[str, Any]) -> Recipe:
    if isinstance(recipe, Recipe):
        return with_overrides(recipe, overrides) if overrides else recipe
    return load_recipe(recipe, overrides)
