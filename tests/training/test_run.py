"""A whole run, in one process: what lies in the folder when it is over."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.errors import RecipeError, RunFolderError
from finetune.recipe import load_recipe
from finetune.run_folder import RunFolder
from finetune.training import train


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_vit, image_folder):
    """A run with a validation and a test split."""
    root = tmp_path_factory.mktemp("finished")
    recipe = load_recipe(
        {
            "task": "multiclass",
            "data": {"kind": "folder", "root": str(image_folder), "split": {"validation": 0.25, "test": 0.25}},
            "model": {"checkpoint": str(tiny_vit)},
            "optim": {"epochs": 3, "batch_size": 4, "learning_rate": 2e-3},
            "run": {"root": str(root), "name": "whole", "precision": "fp32"},
        }
    )
    return train(recipe)


def test_the_folder_holds_what_the_readme_promises(finished):
    names = {path.name for path in finished.path.iterdir() if not path.name.startswith(".")}
    assert names == {
        "model", "recipe.yaml", "metrics.json", "history.jsonl", "predictions.jsonl", "reliability.json",
        "label_errors.json", "record.json", "digests.jsonl", "checkpoints", "tensorboard", "pictures", "report.html",
    }  # fmt: skip
    assert list(finished.tensorboard.glob("events.*"))


def test_metrics_stand_for_each_held_out_split(finished):
    metrics = finished.read_metrics()
    assert set(metrics) == {"validation", "test"}
    assert {"accuracy", "mAP", "f1_macro", "loss"} <= set(metrics["validation"])


def test_the_saved_recipe_is_the_recipe(finished):
    assert finished.read_recipe() == load_recipe(finished.recipe)
    assert finished.read_recipe().optim.epochs == 3


def test_predictions_hold_a_line_per_held_out_image_in_the_promised_form(finished):
    rows = list(finished.read_predictions())
    assert [row["split"] for row in rows] == ["validation"] * 6 + ["test"] * 6
    for row in rows:
        assert set(row) == {"split", "path", "true", "predicted", "probabilities"}
        assert row["path"].startswith("/")
        assert sum(row["probabilities"].values()) == pytest.approx(1.0)
        assert row["predicted"] == [max(row["probabilities"], key=row["probabilities"].get)]


def test_accuracy_is_that_of_the_predictions(finished):
    rows = [row for row in finished.read_predictions() if row["split"] == "validation"]
    hits = np.mean([row["true"] == row["predicted"] for row in rows])
    assert finished.read_metrics()["validation"]["accuracy"] == pytest.approx(hits)


def test_history_has_a_line_per_epoch_and_the_best_is_what_was_saved(finished):
    history = finished.read_history()
    assert [line["step"] for line in history] == [3, 6, 9]
    best = finished.read_record()["best"]
    assert best["accuracy"] == max(line["validation"]["accuracy"] for line in history)
    assert best["accuracy"] == finished.read_metrics()["validation"]["accuracy"]


def test_the_record_says_what_was_really_used(finished, image_folder):
    record = finished.read_record()
    assert record["status"] == "finished"
    assert record["fallback"] is False
    assert record["hardware"]["precision"] == "fp32"
    assert record["derived"]["steps_per_epoch"] == 3
    assert record["data"]["root"] == str(image_folder)
    assert record["bad_images"] == []
    assert {"data", "model", "training", "evaluation"} <= set(record["seconds"])
    assert record["versions"]["transformers"]


def test_the_saved_model_learned_the_mark(finished):
    """The classes differ by the place of a bright band: far above the one in three of chance."""
    assert finished.read_metrics()["validation"]["mAP"] > 0.6


def test_a_second_run_of_the_name_gets_a_number(recipe_for):
    recipe = recipe_for(**{"optim.max_steps": 1})
    assert [train(recipe).path.name for _ in range(2)] == ["tiny", "tiny-2"]


def test_overwrite_replaces_the_run(recipe_for):
    recipe = recipe_for(**{"optim.max_steps": 1})
    train(recipe)
    assert train(recipe, overwrite=True).path.name == "tiny"


def test_without_a_validation_split_the_last_weights_are_saved(recipe_for):
    run = train(recipe_for(**{"data.split.validation": 0.0, "optim.max_steps": 2}))
    assert run.read_metrics() == {}
    assert run.read_record()["best"] == {"step": 2}
    assert (run.model / "model.safetensors").is_file()


def test_keys_that_compare_evaluations_are_refused_where_the_data_bring_no_validation_split(recipe_for, image_folder):
    recipe = recipe_for(**{"data.split.validation": 0.0, "evaluate.patience": 3, "evaluate.best_metric": "mAP"})
    with pytest.raises(RecipeError) as caught:
        train(recipe)
    assert [fault.partition(", but")[0] for fault in caught.value.faults] == [
        "evaluate.best_metric: found mAP", "evaluate.patience: found 3",
    ]  # fmt: skip
    assert "the data bring no validation split" in str(caught.value)
    assert list(Path(recipe.run.root).iterdir()) == []


def test_patience_is_heard_where_the_data_bring_the_validation_split(recipe_for, image_folder, tmp_path):
    for split in ("train", "val"):
        shutil.copytree(image_folder, tmp_path / "split" / split)
    for image in (tmp_path / "split" / "val").rglob("*.png"):
        with Image.open(image) as one:
            one.rotate(180).save(image)
    whole = {"data.root": str(tmp_path / "split"), "data.split.validation": 0.0, "optim.max_steps": 1}
    assert "validation" in train(recipe_for(**whole, **{"evaluate.patience": 3})).read_metrics()


def test_a_multilabel_run_scores_label_sets(recipe_for, multilabel):
    run = train(recipe_for(**multilabel))
    metrics = run.read_metrics()["validation"]
    assert {"accuracy", "mAP", "f1_macro", "hamming_accuracy"} <= set(metrics)
    config = json.loads((run.model / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"


def test_weights_that_were_balanced_stand_in_the_record(recipe_for, multilabel):
    run = train(recipe_for(**multilabel, **{"loss.pos_weight": "balanced", "loss.class_weights": {"cross": 2.0}}))
    derived = run.read_record()["derived"]
    assert derived["class_weights"] == [1.0, 2.0, 1.0]
    assert len(derived["pos_weight"]) == 3
    assert all(0.2 < weight < 5 and weight != 1.0 for weight in derived["pos_weight"])


def test_a_weight_for_an_unknown_class_is_refused_and_leaves_no_folder(recipe_for, tmp_path):
    with pytest.raises(
        RecipeError, match=r"loss\.class_weights\.croos: not among the 3 classes .*; did you mean 'cross'"
    ):
        train(recipe_for(**{"loss.class_weights": {"croos": 2.0}}))
    assert not (tmp_path / "runs" / "tiny").exists()


def test_evaluation_by_steps(recipe_for):
    run = train(recipe_for(**{"evaluate.every": "steps", "evaluate.every_steps": 2, "optim.max_steps": 5}))
    assert [line["step"] for line in run.read_history()] == [2, 4, 5]  # the last step too


def test_checkpoints_are_kept_as_asked(recipe_for):
    run = train(recipe_for(**{"optim.epochs": 4, "run.keep_checkpoints": 1, "optim.learning_rate": 1e-9}))
    kept = {path.name for path in run.checkpoints.iterdir()}
    assert 1 <= len(kept) <= 2  # the newest, and the best where it is another
    assert f"checkpoint-{run.read_record()['best']['step']}" in kept


def test_resuming_without_an_interrupted_run_says_what_there_is(recipe_for):
    recipe = recipe_for(**{"optim.max_steps": 1})
    train(recipe)
    with pytest.raises(RunFolderError, match=r"no interrupted run to resume .*tiny is finished"):
        train(recipe, resume=True)


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_again_in_its_folder(recipe_for):
    recipe = recipe_for(**{"optim.max_steps": 1})
    run = train(recipe)
    run.update_record({"status": "running"})
    for path in sorted(run.checkpoints.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert train(recipe, resume=True).path == run.path
    assert RunFolder.open(run.path).status == "finished"


def test_a_changed_recipe_is_not_resumed(recipe_for):
    recipe = recipe_for(**{"optim.max_steps": 1})
    train(recipe).update_record({"status": "interrupted"})
    changed = recipe_for(**{"optim.max_steps": 2})
    with pytest.raises(RunFolderError, match=r"the recipe has changed since it began: optim\.max_steps"):
        train(changed, resume=True)


def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_loaded(recipe_for, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"mlflow is not installed; pip install 'deit-finetune\[mlflow\]'"):
        train(recipe_for(**{"run.tracking": ["mlflow"]}))


def test_bf16_training_on_a_cpu_reports_fp32_metrics(recipe_for):
    run = train(recipe_for(**{"run.precision": "bf16", "optim.max_steps": 1}))
    record = run.read_record()
    assert record["hardware"]["precision"] == "bf16"
    assert record["attention"] == "eager"
    assert run.read_history()[0]["precision"] == "bf16"


def test_flip_averages_the_final_metrics_and_what_the_run_predicts_and_leaves_the_model_alone(recipe_for):
    from finetune.api import Run

    plain, flipped = (train(recipe_for(**{"optim.max_steps": 2, "evaluate.flip": flip})) for flip in (False, True))
    assert (plain.model / "model.safetensors").read_bytes() == (flipped.model / "model.safetensors").read_bytes()
    line = next(flipped.read_predictions())
    assert line["probabilities"] != next(plain.read_predictions())["probabilities"]
    for run, flip in ((Run(flipped), None), (Run(plain), True)):
        (said,) = run.predict([line["path"]], flip=flip, batch_size=16)
        assert said.probabilities == pytest.approx(line["probabilities"], abs=1e-6)
