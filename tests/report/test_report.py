"""``report.html`` of a real run, and what a browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import finetune
from finetune.evaluation import Judge, Scored, write_outcome
from finetune.evaluation.lines import scored_of_lines
from finetune.labels import LabelSpace
from finetune.metrics import metrics_table
from finetune.model.decision import Decision
from finetune.recipe import load_recipe
from finetune.report import write_report
from finetune.report.contents import class_rows, confusions, contents, weakest
from finetune.run_folder import RunFolder
from finetune.training import train


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_distilled, image_folder) -> RunFolder:
    return train(
        load_recipe(
            plain(tmp_path_factory, tiny_distilled, "multiclass", {"kind": "folder", "root": str(image_folder)})
        )
    )


@pytest.fixture(scope="module")
def multilabel_run(tmp_path_factory, tiny_vit, image_table) -> RunFolder:
    return train(
        load_recipe(plain(tmp_path_factory, tiny_vit, "multilabel", {"kind": "csv", "root": str(image_table)}))
    )


def plain(tmp_path_factory, checkpoint: Path, task: str, data: dict) -> dict:
    return {
        "task": task,
        "data": {**data, "split": {"validation": 0.4}},
        "model": {"checkpoint": str(checkpoint)},
        "optim": {"preset": "plain", "epochs": 2, "batch_size": 8, "learning_rate": 1e-3},
        "run": {"root": str(tmp_path_factory.mktemp("runs")), "name": f"{task} <run>", "tracking": []},
    }


def test_training_leaves_a_report_that_needs_nothing_else(run):
    text = run.report.read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href|url\()=?["\']?\s*(?:https?:)?//', text)
    assert "<script" not in text
    assert len(text) < 5 * 2**20


def test_a_loss_and_its_interval_are_no_percentages(run):
    scored = run.read_metrics()["validation"]
    low, high = scored["intervals"]["loss"]
    row = re.search(r'<th scope="row">loss</th>(.*?)</tr>', run.report.read_text(encoding="utf-8"))[1]
    assert re.findall(r"\d+\.\d+", row) == [f"{scored['loss']:.3f}", f"{low:.3f}", f"{high:.3f}"]


def test_names_cannot_become_markup(run):
    text = run.report.read_text(encoding="utf-8")
    assert "multiclass &lt;run&gt;" in text
    assert "<run>" not in text


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_the_weakest_class_is_named_first_and_stands_first_in_the_table(run, multilabel_run, task):
    folder = {"multiclass": run, "multilabel": multilabel_run}[task]
    per_class = folder.read_metrics()["validation"]["per_class"]
    lowest = min(row["f1"] for row in per_class.values())
    text = folder.report.read_text(encoding="utf-8")
    named = re.search(r"weakest class is <b>(\w+)</b>", text)[1]
    assert per_class[named]["f1"] == lowest
    assert re.search(r'<tbody>\s*<tr><th scope="row">(\w+)</th><td class="number">\d+', text)[1] == named


def test_a_run_without_a_mistake_says_so():
    found = {"per_class": {"a": {"f1": 1.0, "support": 3}, "b": {"f1": None, "support": 0}}}
    assert weakest(found, []) is None


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_outputs_that_are_no_numbers_are_no_perfect_score(run, multilabel_run, tmp_path, task):
    copied = RunFolder(tmp_path / "run")
    shutil.copytree({"multiclass": run, "multilabel": multilabel_run}[task].path, copied.path)
    lines = [line for line in copied.read_predictions() if line["split"] == "validation"]
    labels = LabelSpace(tuple(copied.read_metrics()["validation"]["per_class"]))
    scored = scored_of_lines(lines, labels, task, "validation")
    scored.logits[0] = np.nan
    write_outcome(copied, Judge(Decision()), [scored])
    text = write_report(copied).read_text(encoding="utf-8")
    assert "outputs for <b>1 images are not numbers</b>" in text
    assert "without a mistake" not in text


def test_of_many_classes_the_weakest_are_shown_and_the_others_folded(run, tmp_path):
    copied = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copied.path)
    labels, truth = LabelSpace(tuple(f"kind {i:02}" for i in range(30))), np.arange(60) % 30
    logits = np.random.default_rng(0).normal(size=(60, 30)) + 2 * np.eye(30)[truth]
    paths = [line["path"] for line in copied.read_predictions()][:1] * 60
    write_outcome(copied, Judge(Decision()), [Scored("validation", "multiclass", labels, paths, logits, truth)])
    text = write_report(copied).read_text(encoding="utf-8")
    before, folded = text[text.index('id="classes"') :].split("<summary>The other 10 classes</summary>")
    assert len(set(re.findall(r'<th scope="row">(kind \d+)</th>', before))) == 20
    assert len(set(re.findall(r'<th scope="row">(kind \d+)</th>', folded[: folded.index("</details>")]))) == 10


def test_a_picture_that_is_gone_is_left_out(run, tmp_path):
    copied = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copied.path)
    before = run.report.read_text(encoding="utf-8").count('class="tile"')
    for file in copied.pictures.glob("*.jpg"):
        file.unlink()
    assert before > 0
    assert 'class="tile"' not in write_report(copied).read_text(encoding="utf-8")


def test_confusions_are_counted_and_what_a_class_is_taken_for_stands_beside_it():
    said = [("a", "b"), ("a", "b"), ("a", "c"), ("b", "b")]
    rows = [{"true": [true], "predicted": [says], "said": [says], "probabilities": {}} for true, says in said]
    assert confusions(rows) == [
        {"true": "a", "predicted": "b", "images": 2},
        {"true": "a", "predicted": "c", "images": 1},
    ]
    found = {"per_class": {name: {"f1": f1, "support": 1} for name, f1 in (("b", 0.5), ("a", 0.0))}}
    assert [(row["name"], (row["taken_for"] or {}).get("predicted")) for row in class_rows(found, rows)] == [
        ("a", "b"),
        ("b", None),
    ]


def test_confusions_of_a_model_that_abstains_are_those_of_its_confusion_matrix(run, tmp_path):
    copied = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copied.path)
    path, truth = next(copied.read_predictions())["path"], np.arange(30) % 3
    logits = np.random.default_rng(1).normal(size=(30, 3)) + np.eye(3)[truth]
    scored = Scored("validation", "multiclass", LabelSpace(("a", "b", "c")), [path] * 30, logits, truth)
    write_outcome(copied, Judge(Decision(abstain_below=0.7)), [scored])
    matrix = np.array(copied.read_metrics()["validation"]["confusion_matrix"])
    assert any(not line["predicted"] for line in copied.read_predictions())
    assert sum(pair["images"] for pair in contents(copied)["confusions"]) == matrix.sum() - np.trace(matrix)


def test_the_top_k_accuracy_is_among_the_headlines_where_there_are_more_classes(run, tmp_path):
    copied = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copied.path)
    path, truth = next(copied.read_predictions())["path"], np.arange(30) % 6
    logits = np.random.default_rng(1).normal(size=(30, 6)) + np.eye(6)[truth]
    scored = Scored("validation", "multiclass", LabelSpace.numbered(6), [path] * 30, logits, truth)
    write_outcome(copied, Judge(Decision(), top_k=2), [scored])
    assert [row["name"] for row in contents(copied)["headlines"]][:2] == ["accuracy", "top2_accuracy"]
    assert "top2_accuracy" in metrics_table(copied.read_metrics())


def test_pictures_of_both_tokens_stand_in_the_gallery(run):
    text = run.report.read_text(encoding="utf-8")
    rows = list(run.read_predictions())
    mistakes = sum(row["true"] != row["predicted"] for row in rows)
    assert text.count("<small>distillation token</small>") == text.count("<small>class token</small>") == len(rows)
    gallery = (
        text[text.index('data-kind="mistakes"') : text.index('data-kind="hits"')] if mistakes < len(rows) else text
    )
    assert gallery.count('class="tile"') == mistakes


def test_the_verb_writes_it_again_without_a_model(run, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(run.path, copied)
    (copied / "report.html").unlink()
    (copied / "model" / "model.safetensors").unlink()
    call = [sys.executable, "-m", "finetune", "report", str(copied)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("report.html")
    assert (copied / "report.html").read_text() == run.report.read_text()


def test_a_later_evaluation_has_a_report_of_its_own_and_tuning_writes_the_runs_anew(run, image_folder, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(run.path, copied)
    before = (copied / "report.html").read_text()
    other = finetune.evaluate(copied, image_folder, calibrate=True)
    assert "calibration: ece" in (copied / "report.html").read_text()
    assert "calibration: ece" not in before
    text = (other.path / "report.html").read_text(encoding="utf-8")
    assert f"<h1>run on {image_folder.name}</h1>" in text
    assert f"<td>{copied}</td>" in text
    assert "scored on the all split; measured 20" in text
    assert text.count('class="tile"') == text.count("<small>distillation token</small>") > 0
    assert text.count("<figure>") == 2
    call = [sys.executable, "-m", "finetune", "report", str(other.path)]
    subprocess.run(call, capture_output=True, text=True, check=True)
    assert (other.path / "report.html").read_text(encoding="utf-8") == text


def test_a_run_that_held_nothing_out_says_what_holds_some_out(tmp_path, tiny_vit, image_folder):
    recipe = load_recipe(
        {
            "task": "multiclass",
            "data": {"kind": "folder", "root": str(image_folder), "split": {"validation": 0.0}},
            "model": {"checkpoint": str(tiny_vit)},
            "optim": {"preset": "plain", "max_steps": 1},
            "run": {"root": str(tmp_path), "name": "run", "tracking": []},
        }
    )
    assert "data.split.validation holds some out" in train(recipe).report.read_text()


def test_ten_thousand_images_take_seconds(run, tmp_path):
    copied = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copied.path)
    rows = list(run.read_predictions())
    copied.write_predictions(rows[i % len(rows)] for i in range(10_000))
    began = time.perf_counter()
    write_report(copied)
    assert time.perf_counter() - began < 60
    assert copied.report.stat().st_size < 5 * 2**20


# ------------------------------------------------------------ in a browser

MEASURE = """
<script>
addEventListener("load", () => {
  const loaded = [...document.images].every(image => image.complete && image.naturalWidth > 0);
  const free = [...document.querySelectorAll("main *")].filter(it => !it.closest(".scroll table, pre, svg"));
  const named = [...document.querySelectorAll("[id]")].map(element => element.id);
  const weakest = document.getElementById("weakest");
  document.title = JSON.stringify({
    images: document.images.length, loaded,
    right: Math.max(...free.map(element => element.getBoundingClientRect().right)),
    weakest: weakest && weakest.getBoundingClientRect().top, svgs: document.querySelectorAll("figure svg").length,
    ids: new Set(named).size === named.length,
    links: [...document.querySelectorAll("nav a")].every(link => document.querySelector(link.getAttribute("href"))),
    ink: getComputedStyle(document.body).color, page: getComputedStyle(document.body).backgroundColor,
  });
});
</script>
"""


def seen(browser: str, folder: RunFolder, tmp_path: Path, width: int, *options: str) -> dict:
    """What the browser says of the page at a width in pixels."""
    page = tmp_path / "page.html"
    narrow = f"<style>html {{ width: {width}px; }} img {{ loading: eager; }}</style>"
    text = folder.report.read_text(encoding="utf-8").replace('loading="lazy"', "")
    page.write_text(text.replace("</body>", f"{narrow}{MEASURE}</body>"), encoding="utf-8")
    call = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    call += [f"--window-size={width},900", "--virtual-time-budget=10000", "--dump-dom", *options, page.as_uri()]
    done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=120)
    title = re.search(r"<title>(.*?)</title>", done.stdout)[1]
    return json.loads(title.replace("&quot;", '"').replace("&amp;", "&"))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_browser_shows_everything_within_the_width(browser, run, multilabel_run, tmp_path, task, width):
    folder = {"multiclass": run, "multilabel": multilabel_run}[task]
    page = seen(browser, folder, tmp_path, width)
    assert page["loaded"]
    assert page["images"] >= len(list(folder.read_predictions()))
    assert page["right"] <= width
    assert page["svgs"] == (4 if task == "multiclass" else 3)
    assert page["ids"]
    assert page["links"]
    assert page["weakest"] < 900  # on the first screen


def test_it_follows_the_dark_mode(browser, run, tmp_path):
    light = seen(browser, run, tmp_path, 1280)
    dark = seen(browser, run, tmp_path, 1280, "--blink-settings=preferredColorScheme=0")
    assert (light["ink"], light["page"]) != (dark["ink"], dark["page"])
    assert sum(map(int, re.findall(r"\d+", dark["page"]))) < 120
