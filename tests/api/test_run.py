"""What a user holds after fine-tuning, and after opening a run again."""

from __future__ import annotations

import json
import shutil

import pytest

import finetune
from finetune.errors import RunFolderError
from finetune.run_folder import RunFolder


def test_an_opened_run_has_all_that_was_written(run):
    again = finetune.open_run(run.path)
    assert again.path == run.path
    assert 0 <= again.metrics["validation"]["accuracy"] <= 1
    assert [line["step"] for line in again.history] == [3, 6]
    assert again.labels.names == ("can", "carton")
    assert again.recipe.task == "multiclass"
    assert again.record["status"] == "finished"
    assert again.data.labels == again.labels


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_predicting_the_validation_images_again_gives_the_recorded_predictions(run, multilabel_run, task):
    again = finetune.open_run({"multiclass": run, "multilabel": multilabel_run}[task].path)
    recorded = list(again.predictions)
    found = again.predict([row["path"] for row in recorded], batch_size=16)
    assert [prediction.path for prediction in found] == [row["path"] for row in recorded]
    assert [prediction.predicted for prediction in found] == [row["predicted"] for row in recorded]
    for prediction, row in zip(found, recorded, strict=True):
        assert prediction.probabilities == pytest.approx(row["probabilities"], abs=1e-6)


def test_a_split_of_the_run_s_own_data_can_be_predicted(run):
    found = run.predict(run.data.datasets["validation"])
    assert [prediction.path for prediction in found] == [row["path"] for row in run.predictions]


def test_predictions_can_be_read_more_than_once(run):
    assert list(run.predictions) == list(run.predictions)
    assert list(next(run.predictions)) == ["split", "path", "true", "predicted", "probabilities"]


def test_the_threshold_is_the_recipe_s(multilabel_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(multilabel_run.path, folder)
    text = (folder / "recipe.yaml").read_text()
    assert "thresholds: 0.5" in text
    (folder / "recipe.yaml").write_text(text.replace("thresholds: 0.5", "thresholds: 0.0"))
    (prediction,) = finetune.open_run(folder).predict(next(multilabel_run.predictions)["path"])
    assert sorted(prediction.predicted) == ["can", "carton"]


def test_the_data_are_found_from_another_working_directory(make_run, photos, monkeypatch, tmp_path):
    monkeypatch.chdir(photos)
    run = make_run()
    relative = finetune.recipe.with_overrides(run.recipe, {"data.root": "folders"})
    run.folder.write_recipe(relative)
    monkeypatch.chdir(tmp_path)
    assert len(finetune.open_run(run.path).data.datasets["train"]) == 6


def test_a_run_shows_where_it_is_and_what_it_scored(run):
    accuracy = run.metrics["validation"]["accuracy"]
    assert repr(run).startswith(f"<Run {run.folder}: validation accuracy {accuracy:.3f}, mAP ")


def test_a_run_without_validation_shows_where_it_is(make_run):
    run = make_run()
    run.folder.write_metrics({})
    assert repr(finetune.open_run(run.path)) == f"<Run {run.folder}>"
    run.folder.metrics.unlink()  # as after a kill between saving the model and scoring it
    killed = finetune.open_run(run.path)
    assert repr(killed) == f"<Run {run.folder}>"
    with pytest.raises(RunFolderError, match=r"this run has no metrics\.json"):
        _ = killed.metrics


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="is not a run folder"):
        finetune.open_run(tmp_path)


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"no model yet \(it is running\)"):
        finetune.open_run(RunFolder.create(tmp_path, "a").path)


def test_the_run_s_json_is_read_as_it_stands(run):
    assert json.loads((run.path / "metrics.json").read_text()) == run.metrics
