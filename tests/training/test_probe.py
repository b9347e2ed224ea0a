"""``model.train: probe``, whole runs: what is saved, and when the encoder works."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import pipeline

from finetune.api import Run
from finetune.api.summary import summary
from finetune.data import DecodedImages, load_splits, targets
from finetune.errors import DataError
from finetune.model import open_saved, save_model
from finetune.predict import encode, score
from finetune.recipe import load_recipe
from finetune.training import feature_cache, train
from finetune.training.linear_head import LinearHead
from finetune.training.probe import weightings

HOW = {"batch_size": 16, "device": "cpu"}


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DEIT_FINETUNE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def encoded(monkeypatch) -> list[int]:
    """How many images each call of the encoder had."""
    calls: list[int] = []

    def counted(model, images, pixels, **how):
        calls.append(len(images))
        return encode(model, images, pixels, **how)

    monkeypatch.setattr(feature_cache, "encode", counted)
    return calls


@pytest.fixture
def probe_for(recipe_for):
    """``probe_for(**{"model.probe.folds": 3})``: a recipe that fits a probe."""
    usual = dict.fromkeys(("optim.epochs", "optim.batch_size", "optim.learning_rate"))
    usual |= {"optim.preset": "auto", "model.train": "probe", "model.probe.strengths": 3, "model.probe.folds": 3}

    def make(**overrides):
        return recipe_for(**{**usual, **overrides})

    return make


def saved_logits(run, split: str = "train") -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Logits of the saved model, targets, and its features."""
    saved, images = open_saved(run.model), load_splits(run.read_recipe()).datasets[split]
    decoded = DecodedImages(images)
    logits = score(saved.model, decoded, saved.pixels, **HOW)
    return logits, targets(images), encode(saved.model, decoded, saved.pixels, **HOW)


def test_the_saved_head_is_scikit_learns_on_the_same_features(probe_for):
    run = train(probe_for())
    logits, ids, features = saved_logits(run)
    chosen = run.read_record()["probe"]["heads"]["classifier"]["C"]
    model = LogisticRegression(C=chosen, tol=1e-6, max_iter=5000)
    fitted = make_pipeline(StandardScaler(), model).fit(features["classifier"].astype(np.float64), ids)
    expected = fitted.decision_function(features["classifier"].astype(np.float64))
    np.testing.assert_allclose(logits - logits.mean(axis=1, keepdims=True), expected, atol=1e-4)
    held_out, truth, features = saved_logits(run, "validation")
    accuracy = fitted.score(features["classifier"].astype(np.float64), truth)
    assert run.read_metrics()["validation"]["accuracy"] == accuracy == (held_out.argmax(axis=1) == truth).mean()


def test_the_folder_is_a_runs_without_what_steps_leave_behind(probe_for):
    run = train(probe_for())
    names = {path.name for path in run.path.iterdir() if not path.name.startswith(".")}
    assert names == {
        "model", "recipe.yaml", "metrics.json", "predictions.jsonl", "reliability.json", "label_errors.json",
        "record.json", "digests.jsonl", "pictures", "report.html",
    }  # fmt: skip
    record = run.read_record()
    assert record["status"] == "finished"
    assert {"data", "model", "encoding", "training", "evaluation"} <= set(record["seconds"])
    assert record["probe"]["heads"]["classifier"]["features"] == [18, 32]
    assert record["probe"]["cached"] is False
    assert record["images_per_second"] > 0
    with pytest.raises(DataError, match="nothing was evaluated during training, so there are no curves"):
        Run(run).plots.curves()


def test_the_summary_says_what_was_fitted_and_where_the_features_came_from(probe_for):
    first, second = (summary(train(probe_for())) for _ in range(2))
    assert "saved: classifier with C " in first
    assert "features computed in " in first
    assert "features found in the cache on cpu (fp32)" in second


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_pipeline_of_transformers_gives_the_predicted_probabilities(probe_for, multilabel, task):
    run = train(probe_for(**(multilabel if task == "multilabel" else {})))
    classify = pipeline("image-classification", model=str(run.model), device="cpu")
    for row in list(run.read_predictions())[:3]:
        found = {said["label"]: said["score"] for said in classify(row["path"], top_k=None)}
        assert found == pytest.approx(row["probabilities"], abs=1e-5)


def test_a_second_run_encodes_nothing_and_saves_the_same_bits(probe_for, encoded):
    first = train(probe_for())
    assert encoded == [18, 6]
    second = train(probe_for())
    assert encoded == [18, 6]
    assert (first.model / "model.safetensors").read_bytes() == (second.model / "model.safetensors").read_bytes()
    assert first.metrics.read_bytes() == second.metrics.read_bytes()
    assert second.read_record()["probe"]["cached"] is True
    assert second.read_record()["images_per_second"] is None


def test_another_head_costs_no_forward_pass(probe_for, encoded):
    train(probe_for())
    for overrides in (
        {"run.seed": 7},
        {"model.probe.folds": 2},
        {"loss.class_weights": "balanced"},
        {"run.precision": "bf16"},
    ):
        train(probe_for(**overrides))
    assert encoded == [18, 6]


def test_what_features_depend_on_has_them_computed_anew(probe_for, encoded, tiny_vit, tmp_path):
    other = open_saved(tiny_vit)
    with torch.no_grad():
        other.model.vit.layernorm.bias.add_(0.5)
    save_model(other.model, other.pixels, tmp_path / "other")
    train(probe_for())
    for times, overrides in enumerate(
        [
            {"model.preprocessing": {"resize_px": 40, "crop_px": 32}},
            {"data.split.seed": 1},
            {"model.checkpoint": str(tmp_path / "other")},
            {"evaluate.precision": "bf16"},
        ],
        start=2,
    ):
        train(probe_for(**overrides))
        assert encoded == [18, 6] * times


def test_an_image_that_has_changed_is_encoded_anew(probe_for, encoded, image_folder, tmp_path):
    root = tmp_path / "images"
    shutil.copytree(image_folder, root)
    overrides = {"data.root": str(root), "data.split.validation": 0.0}
    train(probe_for(**overrides))
    Image.new("RGB", (40, 48), "red").save(root / "circle" / "0.png")
    train(probe_for(**overrides))
    assert encoded == [24, 24]


def test_more_folds_and_strengths_are_what_the_record_shows(probe_for):
    def record(**overrides):
        return train(probe_for(**overrides)).read_record()["probe"]["heads"]["classifier"]

    one, three = record(**{"model.probe.strengths": 1}), record(**{"model.probe.strengths": 3})
    assert (one["C"], one["log_losses"]) == (1.0, {})
    assert list(three["log_losses"]) == ["0.0001", "1", "1e+04"]
    assert record(**{"model.probe.folds": 2})["log_losses"] != three["log_losses"]


@pytest.fixture
def near_copies(tmp_path) -> dict:
    """A table of 24 persons with three almost equal images each and a random label, as a recipe's data section."""
    rng, root = np.random.default_rng(0), tmp_path / "people"
    (root / "images").mkdir(parents=True)
    rows = ["filename,labels,person"]
    for person, label in enumerate(rng.integers(0, 2, 24)):
        face = rng.integers(0, 200, (40, 40, 3), dtype=np.uint8)
        for i in range(3):
            near = face + rng.integers(0, 3, face.shape, dtype=np.uint8)
            Image.fromarray(near).save(root / f"images/{person}-{i}.png")
            rows.append(f"{person}-{i}.png,{'ab'[label]},{person}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return {"kind": "csv", "root": str(root), "split": {"validation": 0.0}}


def test_images_of_one_group_are_held_out_together_so_that_chance_is_not_learnt_by_heart(probe_for, near_copies):
    def chosen(**data) -> float:
        run = train(probe_for(data={**near_copies, **data}, **{"model.probe.strengths": 9}))
        return run.read_record()["probe"]["heads"]["classifier"]["C"]

    assert chosen(group_column="person") <= 0.01
    assert chosen() >= 1.0


def test_images_of_the_same_bytes_are_held_out_together_too(probe_for, near_copies, tmp_path):
    images = tmp_path / "people/images"
    for person in range(24):
        for copy in (1, 2):
            shutil.copy(images / f"{person}-0.png", images / f"{person}-{copy}.png")
    run = train(probe_for(data=near_copies, **{"model.probe.strengths": 9}))
    assert run.read_record()["probe"]["heads"]["classifier"]["C"] <= 0.01


def test_a_multilabel_probe_leaves_unknown_labels_out(probe_for, image_table, tmp_path):
    rows = ["filename,circle,cross,square"]
    rows += [f"{i}.png,{int(i % 3 == 0)},{'' if i % 2 else int(i % 3 == 1)},1" for i in range(21)]
    (tmp_path / "known.csv").write_text("\n".join(rows) + "\n")
    data = {
        "kind": "csv", "root": str(image_table), "file": str(tmp_path / "known.csv"), "split": {"validation": 0.0},
        "label_columns": ["circle", "cross", "square"],
    }  # fmt: skip
    run = train(probe_for(task="multilabel", data=data))
    logits, truth, features = saved_logits(run)
    chosen = run.read_record()["probe"]["heads"]["classifier"]["C"]
    x = StandardScaler().fit_transform(features["classifier"].astype(np.float64))
    known = truth[:, 1] >= 0
    model = LogisticRegression(C=chosen, tol=1e-6, max_iter=5000).fit(x[known], truth[known, 1])
    np.testing.assert_allclose(logits[:, 1], model.decision_function(x), atol=1e-4)
    np.testing.assert_allclose(logits[:, 2], np.log(21.5), atol=1e-5)  # present on all 21 images


def test_both_heads_of_a_distilled_model_are_fitted_on_their_own_features(probe_for, tiny_distilled, tmp_path):
    varied = open_saved(tiny_distilled)
    torch.manual_seed(1)
    torch.nn.init.normal_(varied.model.deit.embeddings.distillation_token)
    save_model(varied.model, varied.pixels, tmp_path / "varied")
    run = train(probe_for(**{"model.checkpoint": str(tmp_path / "varied")}))
    record = run.read_record()["probe"]["heads"]
    assert list(record) == ["cls_classifier", "distillation_classifier"]
    logits, ids, features = saved_logits(run)
    each = []
    for name, block in features.items():
        model = LogisticRegression(C=record[name]["C"], tol=1e-6, max_iter=5000)
        fitted = make_pipeline(StandardScaler(), model).fit(block.astype(np.float64), ids)
        each.append(fitted.decision_function(block.astype(np.float64)))
    mean = logits - logits.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(mean, np.mean(each, axis=0), atol=1e-4)


def test_one_class_is_always_predicted(probe_for, image_folder, tmp_path):
    shutil.copytree(image_folder / "circle", tmp_path / "one" / "circle")
    run = train(probe_for(**{"data.root": str(tmp_path / "one")}))
    assert run.read_metrics()["validation"]["accuracy"] == 1.0
    assert [row["probabilities"] for row in run.read_predictions()] == [{"circle": 1.0}] * 2


def test_a_killed_run_goes_on_with_the_features_it_left(probe_for, encoded, monkeypatch):
    def killed(*_, **__) -> LinearHead:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("finetune.training.probe.fit_head", killed)
        with pytest.raises(KeyboardInterrupt):
            train(probe_for())
    assert encoded == [18]
    assert train(probe_for()).path.name == "tiny"
    assert encoded == [18, 6]


def test_a_run_that_was_killed_without_a_word_is_resumed(probe_for, encoded, monkeypatch):
    recipe = probe_for()
    first = train(recipe)
    first.update_record({"status": "running"})  # as a kill leaves it
    (first.model / "config.json").unlink()
    again = train(recipe, resume=True)
    assert again.path == first.path
    assert json.loads((again.model / "config.json").read_text())["model_type"] == "vit"
    assert encoded == [18, 6]


def test_class_weights_and_pos_weights_reach_the_solver_by_class():
    from finetune.labels import LabelSpace

    labels = LabelSpace(("can", "carton"))

    def given(task: str, **loss):
        data = {"kind": "csv"}
        return weightings(load_recipe({"task": task, "data": data, "model": {"train": "probe"}, "loss": loss}), labels)

    assert given("multiclass", class_weights="balanced") == ["balanced"]
    assert given("multiclass", class_weights={"carton": 3.0}) == [{0: 1.0, 1: 3.0}]
    assert given("multilabel", pos_weight="balanced") == ["balanced", "balanced"]
    assert given("multilabel", pos_weight=2.0) == [{0: 1.0, 1: 2.0}] * 2
    assert given("multilabel", pos_weight={"carton": 3.0}) == [{0: 1.0, 1: 1.0}, {0: 1.0, 1: 3.0}]
    with pytest.raises(DataError, match="class 'cartoon' is not among the 2 classes; did you mean 'carton'"):
        given("multiclass", class_weights={"cartoon": 3.0})
