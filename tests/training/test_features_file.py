"""``deit-finetune features``: what stands in the file."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from finetune.cli import OK, USERS_MISTAKE, main
from finetune.data import DecodedImages, load_splits, targets
from finetune.model import open_saved
from finetune.predict import encode
from finetune.recipe import dump_recipe
from finetune.training import features_file
from finetune.training.features_file import write_features


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DEIT_FINETUNE_CACHE", str(tmp_path / "cache"))


def expected(recipe, checkpoint, split: str) -> np.ndarray:
    loaded = open_saved(checkpoint)
    images = DecodedImages(load_splits(recipe).datasets[split])
    (features,) = encode(loaded.model, images, loaded.pixels, batch_size=16, device="cpu").values()
    return features


def test_parquet_has_a_row_per_image_of_every_split(recipe_for, tiny_vit, tmp_path, monkeypatch):
    monkeypatch.setattr(features_file, "ROWS", 7)  # several row groups
    recipe, out = recipe_for(), tmp_path / "features.parquet"
    said = write_features(recipe, out)
    assert said.startswith(f"{out}: features 24 x 32 (fp32) in ")
    rows = pq.read_table(out).to_pylist()
    assert pq.ParquetFile(out).num_row_groups == 4
    assert [row["split"] for row in rows] == ["train"] * 18 + ["validation"] * 6
    assert all(row["path"].split("/")[-2] == row["label"] for row in rows)
    for split in ("train", "validation"):
        found = [row["features"] for row in rows if row["split"] == split]
        np.testing.assert_array_equal(np.array(found, dtype=np.float32), expected(recipe, tiny_vit, split))


def test_parquet_of_labels_lists_those_that_are_present_and_those_that_are_unknown(recipe_for, multilabel, tmp_path):
    recipe = recipe_for(**multilabel)
    write_features(recipe, tmp_path / "features.parquet")
    table = pq.read_table(tmp_path / "features.parquet")
    assert table.column_names == ["split", "path", "labels", "unknown", "features"]
    splits = load_splits(recipe)
    names = [[splits.labels.name(i) for i in np.flatnonzero(row)] for row in targets(splits.datasets["train"])]
    assert table["labels"].to_pylist()[: len(names)] == names
    assert table["unknown"].to_pylist() == [[]] * 21


def test_npz_has_the_same_as_arrays(recipe_for, tiny_vit, tmp_path):
    recipe, out = recipe_for(), tmp_path / "features.npz"
    write_features(recipe, out)
    with np.load(out) as found:
        assert set(found) == {"splits", "paths", "labels", "classes", "features"}
        assert found["classes"].tolist() == ["circle", "cross", "square"]
        assert found["features"].dtype == np.float32
        train = found["splits"] == "train"
        np.testing.assert_array_equal(found["features"][train], expected(recipe, tiny_vit, "train"))
        assert found["labels"][train].tolist() == targets(load_splits(recipe).datasets["train"]).tolist()
        assert len(found["paths"]) == 24


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_a_distilled_model_has_features_of_both_tokens(recipe_for, tiny_distilled, tmp_path, suffix):
    out = tmp_path / f"features{suffix}"
    said = write_features(recipe_for(**{"model.checkpoint": str(tiny_distilled)}), out)
    assert "features 24 x 32 and 24 x 32" in said
    names = pq.read_table(out).column_names if suffix == ".parquet" else list(np.load(out))
    assert names[-2:] == ["features", "features_distillation"]


def test_the_verb_prints_the_file_and_finds_the_features_again(recipe_for, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets.yaml").write_text(dump_recipe(recipe_for()))
    assert main(["features", "pets.yaml"]) == OK
    assert capsys.readouterr().out.startswith("features.parquet: features 24 x 32 (fp32) in ")
    assert main(["features", "pets.yaml", "--out", "again.npz", "--set", "run.seed=3"]) == OK
    assert capsys.readouterr().out.endswith("found in the cache\n")


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("features.csv", "--out features.csv: ends in '.csv'; expected a name that ends in .parquet or .npz"),
        ("features", "--out features: has no suffix; expected a name that ends in .parquet or .npz"),
        ("nowhere/features.npz", "--out nowhere/features.npz: there is no folder "),
        ("there.npz", "--out there.npz: exists already; choose another name, or write --overwrite"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_anything_is_read(out, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.npz").touch()
    (tmp_path / "pets.yaml").write_text("task: multiclass\ndata: {kind: folder, root: photos}\n")
    assert main(["features", "pets.yaml", "--out", out]) == USERS_MISTAKE
    assert capsys.readouterr().err.startswith(f"deit-finetune: {message}")
