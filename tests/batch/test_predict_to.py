"""Predictions of many images as a file."""

from __future__ import annotations

import ast
import base64
import csv
import json
import os
import shutil

import pyarrow.parquet as pq
import pytest

import finetune
from finetune.errors import DataError, RecipeError, RunFolderError
from finetune.model.decision import Decision, write_decision
from finetune.run_folder import RunFolder, write_members

CLASSES = ("can", "carton", "water bottle")


def lines_of(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_image_has_its_row_in_order_with_what_predict_says_of_it(run, photos, tmp_path):
    out = tmp_path / "out.parquet"
    written = run.predict_to(photos, out, top_k=2, all_labels=True)
    assert (written.images, written.errors, written.before) == (7, 1, 0)
    rows = pq.read_table(out).to_pylist()
    assert [row["path"] for row in rows] == [str(photos / f"000{i}.png") for i in range(7)]
    good = [row for row in rows if row["error"] is None]
    for row, said in zip(good, run.predict([row["path"] for row in good]), strict=True):
        (first, score), (second, other) = said.top(2)
        found = [row[key] for key in ("predicted", "score", "top_1", "top_1_score", "top_2", "top_2_score")]
        assert found == [first, pytest.approx(score), first, pytest.approx(score), second, pytest.approx(other)]
        assert {name: row[f"score_{name}"] for name in CLASSES} == pytest.approx(said.probabilities)
    bad = rows[2]
    assert bad.pop("error") == "not an image (it begins with b'not an image')"
    assert set(bad.values()) == {str(photos / "0002.png"), None}


def test_the_three_formats_hold_the_same(multilabel_run, photos, tmp_path):
    for suffix in ("parquet", "csv", "jsonl"):
        multilabel_run.predict_to(photos, tmp_path / f"out.{suffix}", threshold=0.4)
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert list(table[0]) == ["path", "predicted", "scores", "error"]
    assert lines_of(tmp_path / "out.jsonl") == table
    with (tmp_path / "out.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    for row, expected in zip(read, table, strict=True):
        assert (row["path"], row["error"] or None) == (expected["path"], expected["error"])
        for key in ("predicted", "scores"):
            assert (json.loads(row[key]) if row[key] else None) == expected[key]


def test_a_threshold_takes_the_place_of_the_models_own(make_run, photos, tmp_path):
    run = make_run("multilabel", seed=3)
    write_decision(run.folder.model, Decision(thresholds=(1.0, 1.0, 1.0)), run.labels, {})
    run = finetune.open_run(run.path, device="cpu")
    run.predict_to(photos, tmp_path / "own.jsonl")
    run.predict_to(photos, tmp_path / "all.jsonl", threshold=0.0)
    assert [line["predicted"] for line in lines_of(tmp_path / "own.jsonl") if not line["error"]] == [[]] * 6
    assert [line["predicted"] for line in lines_of(tmp_path / "all.jsonl") if not line["error"]] == [list(CLASSES)] * 6


def test_a_model_that_abstains_predicts_nothing_and_says_how_likely_it_was(make_run, photos, tmp_path):
    run = make_run(seed=4)
    write_decision(run.folder.model, Decision(abstain_below=1.0), run.labels, {})
    finetune.open_run(run.path, device="cpu").predict_to(photos / "0000.png", tmp_path / "out.jsonl")
    (line,) = lines_of(tmp_path / "out.jsonl")
    assert line["predicted"] is None
    assert 1 / 3 < line["score"] < 1


def test_azures_file_has_no_header_and_a_row_number_in_each_file(run, photos, tmp_path):
    cells = [base64.b64encode((photos / f"000{i}.png").read_bytes()).decode() for i in (0, 2, 1)]
    (tmp_path / "batch.csv").write_text("image\n" + "\n".join(cells) + "\n")
    run.predict_to([tmp_path / "batch.csv", photos / "0003.png"], tmp_path / "predictions.csv", format="azure")
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert [(row[0], row[3]) for row in rows] == [*((str(i), "batch.csv") for i in range(3)), ("0", "0003.png")]
    assert rows[1][1:3] == ["[]", "[]"]
    (said,) = run.predict([photos / "0000.png"])
    assert ast.literal_eval(rows[0][1]) == pytest.approx(list(said.probabilities.values()))
    assert ast.literal_eval(rows[0][2]) == list(said.probabilities)


def test_each_image_is_drawn_beside_its_scores(run, photos, tmp_path):
    run.predict_to([photos / "0002.png", photos / "0005.png"], tmp_path / "out.csv", pictures=str(tmp_path / "seen"))
    (picture,) = (tmp_path / "seen").iterdir()  # the other is no image
    assert picture.name == "000002-0005.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", [b"n" * 248, b"\xff", "缶".encode()], ids=["long", "not UTF-8", "not in the font"])
def test_pictures_are_named_after_images_of_any_name(run, photos, tmp_path, name):
    odd = tmp_path / "odd"
    odd.mkdir()
    shutil.copy(photos / "0000.png", os.path.join(os.fsencode(odd), name + b".png"))
    run.predict_to(odd, tmp_path / "out.csv", pictures=str(tmp_path / "seen"))
    (picture,) = (tmp_path / "seen").iterdir()
    assert picture.name.startswith("000001-")
    assert picture.suffix == ".png"


def test_a_pipe_is_a_bad_image_and_nothing_waits_for_it(run, tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    run.predict_to(tmp_path / "pipe.jpg", tmp_path / "out.jsonl")
    (row,) = lines_of(tmp_path / "out.jsonl")
    assert row["error"] == "cannot be read (it is no regular file)"


def test_a_line_of_pixels_that_would_fill_the_memory_is_a_bad_image(make_run, tmp_path):
    from PIL import Image

    from finetune.pixels import PixelPipeline

    run = make_run(seed=5)
    run.predictor.pixels = PixelPipeline("shortest_edge", 256, 32, "bicubic", (0.5,) * 3, (0.5,) * 3)
    Image.new("RGB", (1, 50_000)).save(tmp_path / "line.png")
    run.predict_to(tmp_path / "line.png", tmp_path / "out.jsonl")
    (line,) = lines_of(tmp_path / "out.jsonl")
    assert line["error"].startswith("an image of 1×50000 pixels would be 256×12800000")


def test_the_models_of_a_cross_validation_predict_together(make_run, photos, tmp_path):
    root = RunFolder.create(tmp_path, "folds")
    for fold in (1, 2):
        shutil.copytree(make_run(seed=fold).path, root.path / f"fold-{fold}")
    write_members(root.path, ["fold-1", "fold-2"])
    folds = finetune.open_run(root.path, device="cpu")
    folds.predict_to(photos / "0000.png", tmp_path / "out.jsonl", all_labels=True)
    (line,) = lines_of(tmp_path / "out.jsonl")
    each = [fold.predict(photos / "0000.png")[0].probabilities for fold in folds.folds]
    assert {name: line[f"score_{name}"] for name in CLASSES} == pytest.approx(
        {name: (each[0][name] + each[1][name]) / 2 for name in CLASSES}, abs=1e-6
    )


# ---------------------------------------------------------------- going on


@pytest.fixture
def interrupted(run, photos, tmp_path):
    """A prediction in parts of two images that stopped after the second part: the third image of the fifth."""
    out, seen = tmp_path / "out.csv", []

    def stop(count):
        seen.append(count)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.predict_to(photos, out, part_images=2, on_batch=stop)
    assert not out.exists()
    assert len(list((tmp_path / "out.csv.parts").glob("0*.jsonl"))) == 2
    return out


def test_it_goes_on_where_it_was_interrupted_and_leaves_only_the_file(run, photos, tmp_path, interrupted):
    written = run.predict_to(photos, interrupted, part_images=2)
    assert (written.images, written.before, written.errors) == (7, 4, 1)
    run.predict_to(photos, tmp_path / "whole.csv", part_images=2)
    assert interrupted.read_text() == (tmp_path / "whole.csv").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "photos", "whole.csv"]


@pytest.mark.parametrize(
    ("change", "options", "differ"),
    [
        ("model", {}, "model"),
        ("none", {"top_k": 1}, "top_k"),
        ("inputs", {"all_labels": True}, "inputs and all_labels"),
    ],
)
def test_parts_of_another_prediction_are_not_mixed_in(make_run, run, photos, interrupted, change, options, differ):
    other = make_run(seed=9) if change == "model" else run
    inputs = photos / "*.png" if change == "inputs" else photos
    with pytest.raises(
        RunFolderError, match=rf"holds parts of another prediction, whose {differ} differ;.*--overwrite"
    ):
        other.predict_to(inputs, interrupted, part_images=2, **options)
    other.predict_to(inputs, interrupted, part_images=2, overwrite=True, **options)
    assert len(interrupted.read_text().splitlines()) == 8


@pytest.mark.parametrize("change", ["changed", "added", "fewer"])
def test_images_that_changed_meanwhile_are_not_mixed_in(run, photos, interrupted, change):
    if change == "changed":
        shutil.copy(photos / "0005.png", photos / "0001.png")
    elif change == "added":
        shutil.copy(photos / "0005.png", photos / "0000-2.png")
    else:
        for number in range(2, 7):
            (photos / f"000{number}.png").unlink()
    with pytest.raises(RunFolderError, match=r"restore them, or begin anew by --overwrite"):
        run.predict_to(photos, interrupted, part_images=2)


def test_an_overwriting_that_was_interrupted_goes_on_by_the_command_without_it(run, photos, tmp_path):
    out, seen = tmp_path / "out.csv", []
    out.write_text("old")

    def stop(count):
        seen.append(count)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(RunFolderError, match="exists already; choose another name, or write --overwrite"):
        run.predict_to(photos, out, part_images=2)
    with pytest.raises(KeyboardInterrupt):
        run.predict_to(photos, out, part_images=2, overwrite=True, on_batch=stop)
    assert out.read_text() == "old"
    assert run.predict_to(photos, out, part_images=2).before == 2
    assert len(out.read_text().splitlines()) == 8


def test_a_folder_of_somebody_else_is_left_alone(run, photos, tmp_path):
    theirs = tmp_path / "out.csv.parts" / "letter.txt"
    theirs.parent.mkdir()
    theirs.write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(RunFolderError, match="is in the way, and not of this program"):
            run.predict_to(photos, tmp_path / "out.csv", overwrite=overwrite)
    assert [path.name for path in theirs.parent.iterdir()] == ["letter.txt"]


# ---------------------------------------------------------------- refused at once


@pytest.mark.parametrize(
    ("out", "options", "error", "message"),
    [
        ("out.txt", {}, DataError, r"ends in '\.txt'; expected a name that ends in \.parquet, \.csv or \.jsonl"),
        ("no/out.csv", {}, DataError, "there is no folder .*no; make it first"),
        ("out.csv", {"threshold": 0.5}, DataError, "of one label an image the most probable is predicted"),
        ("out.parquet", {"format": "azure"}, DataError, r"the azure format is CSV"),
        ("out.csv", {"format": "azure", "top_k": 1}, RecipeError, "top_k: has no meaning with format azure"),
        ("out.csv", {"format": "azure", "threshold": 0.5}, RecipeError, "threshold: has no meaning with format azure"),
        ("out.csv", {"pictures": __file__}, DataError, "cannot be made a folder"),
        ("out.csv", {"top_key": 1}, RecipeError, r"predict_to: top_key: unknown key; did you mean top_k\?"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(run, photos, tmp_path, out, options, error, message):
    with pytest.raises(error, match=message):
        run.predict_to(photos, tmp_path / out, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
