import io
import json
import re
import tarfile
from pathlib import Path

import datasets
import pytest
from PIL import Image

from finetune.data import DecodedImages, targets
from finetune.data.load import look_over
from finetune.data.sight.sheets import write_sheets
from finetune.errors import DataError, UnreachableError


@pytest.fixture(autouse=True)
def quiet_and_apart(tmp_path_factory, monkeypatch):
    """A cache of its own for `datasets`, and no bars."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("hf_datasets"))
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def embedded(
    root: Path, names: list[str], label: object, values: list[object], **columns: list[object]
) -> datasets.Dataset:
    """A dataset with the images' bytes within."""
    rows = {
        "image": [{"bytes": (root / name).read_bytes(), "path": Path(name).name} for name in names],
        "label": values,
    }
    features = {"image": datasets.Image(), "label": label, **{name: datasets.Value("string") for name in columns}}
    return datasets.Dataset.from_dict(rows | columns, features=datasets.Features(features))


TEN = [f"{n}.png" for n in range(10)]
ANIMALS = datasets.ClassLabel(names=["dog", "cat", "owl"])


def parquet(images, label=ANIMALS, values=(0, 1) * 5, **columns):
    root = images(*TEN)
    embedded(root, TEN, label, list(values), **columns).to_parquet(root / "t.parquet")
    return str(root / "t.parquet")


def test_an_imagefolder_gives_paths_and_the_split_of_class_folders(images, load):
    root = images(*(f"{label}/{n}.png" for label in "ab" for n in range(10)))
    hub = load(kind="hub", name="imagefolder", data_dir=str(root))
    folder = load(kind="folder", root=root)
    assert {name: sorted(table["path"]) for name, table in hub.datasets.items()} == {
        name: sorted(table["path"]) for name, table in folder.datasets.items()
    }
    assert hub.labels == folder.labels


def test_images_within_a_data_set_are_looked_at_and_shown(tmp_path, images, recipe, own_cache):
    root = images(*TEN)
    Image.new("RGB", (6, 5), "white").save(root / "3.png")
    embedded(root, TEN, ANIMALS, [0, 1] * 5).to_parquet(root / "t.parquet")
    over = look_over(recipe(kind="hub", name="parquet", data_files=str(root / "t.parquet")))
    (plain, *_) = over.findings.seen
    assert (plain.kind, [image.name for image in plain.images]) == ("plain", ["train/3"])
    assert write_sheets(over.findings, over.rows, tmp_path / "out")[0].name == "plain.png"


def test_parquet_keeps_images_encoded_within_and_names_them(images, load):
    splits = load(kind="hub", name="parquet", data_files=parquet(images))
    assert splits.source["counts"] == {"train": 8, "validation": 2}
    row = splits.datasets["validation"][0]
    assert re.fullmatch(r"parquet/train/\d", row["path"])
    assert row["image"]["bytes"] == (Path(parquet(images)).parent / row["image"]["path"]).read_bytes()
    assert splits.labels.names == ("cat", "dog")
    expected = [1 - int(path.rsplit("/", 1)[1]) % 2 for path in splits.datasets["train"]["path"]]
    assert targets(splits.datasets["train"]).tolist() == expected
    assert DecodedImages(splits.datasets["train"], 1)[3].size == (6, 5)
    assert splits.findings.notes[0] == "1 of 3 declared class names belong to no image and are left out, first: owl"


def test_text_labels_lists_and_groups(images, load):
    values = [["cat"], ["cat", "dog"], [], *([["dog"]] * 7)]
    file = parquet(images, datasets.List(datasets.Value("string")), values, who=[*"aabbccddee"])
    splits = load(
        "multilabel", kind="hub", name="parquet", data_files=file, group_column="who", split={"validation": 0.4}
    )
    assert splits.labels.names == ("cat", "dog")
    held_out = {int(path.rsplit("/", 1)[1]) // 2 for path in splits.datasets["validation"]["path"]}
    assert len(held_out) == 2


def test_lists_of_class_ids(images, load):
    file = parquet(images, datasets.List(ANIMALS), [[0], [0, 2], []] + [[2]] * 7)
    splits = load("multilabel", kind="hub", name="parquet", data_files=file, split={"validation": 0.0})
    assert targets(splits.datasets["train"]).tolist()[:3] == [[1, 0], [1, 1], [0, 0]]


def test_whole_numbers_become_names_with_a_note(images, load):
    splits = load(kind="hub", name="parquet", data_files=parquet(images, datasets.Value("int64"), [7, 10] * 5))
    assert splits.labels.names == ("10", "7")
    assert "the column 'label' holds whole numbers, which become the names of the classes" in splits.findings.notes


def test_webdataset_and_arrow_are_read(images, load):
    root = images(*TEN)
    with tarfile.open(root / "w.tar", "w") as tar:
        for number, name in enumerate(TEN):
            for suffix, content in (("png", (root / name).read_bytes()), ("cls", str(number % 2).encode())):
                member = tarfile.TarInfo(f"{number:04d}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    web = load(kind="hub", name="webdataset", data_files=str(root / "w.tar"), image_column="png", label_column="cls")
    embedded(root, TEN, ANIMALS, [0, 1] * 5).save_to_disk(root / "saved")
    arrow = load(kind="hub", name="arrow", data_files=str(root / "saved" / "*.arrow"))
    assert web.source["counts"] == arrow.source["counts"] == {"train": 8, "validation": 2}


def test_a_column_of_paths_is_read(images, load):
    root = images(*TEN)
    lines = [{"file": str(root / name), "label": "a"} for name in TEN]
    (root / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    splits = load(kind="hub", name="json", data_files=str(root / "t.jsonl"), image_column="file")
    assert {Path(path).name for table in splits.datasets.values() for path in table["path"]} == set(TEN)


def test_splits_of_usual_names_are_taken_and_others_can_be_named(images, load):
    root = images(*TEN)
    for number, split in enumerate(("train", "valid", "extra")):
        embedded(root, TEN[3 * number : 3 * number + 3], ANIMALS, [0, 0, 1]).to_parquet(root / f"{split}.parquet")
    files = {split: str(root / f"{split}.parquet") for split in ("train", "valid", "extra")}
    assert load(kind="hub", name="parquet", data_files=files).source["counts"] == {"train": 3, "validation": 3}
    named = load(
        kind="hub",
        name="parquet",
        data_files=files,
        splits={"train": "extra", "test": "valid"},
        split={"validation": 0.0},
    )
    assert named.source["counts"] == {"train": 3, "test": 3}
    with pytest.raises(
        DataError, match=r"data.splits: 'parquet' has the splits extra; say which is for training, as in"
    ):
        load(kind="hub", name="parquet", data_files={"extra": files["extra"]})
    with pytest.raises(
        DataError, match=r'datasets.load_dataset cannot read .parquet. \(ValueError: Unknown split "none"'
    ):
        load(kind="hub", name="parquet", data_files=files, splits={"train": "none"})


@pytest.fixture
def two_configurations(images):
    """A dataset's folder whose README declares the configurations cats (6 images) and dogs (4)."""
    root = images(*TEN)
    embedded(root, TEN[:6], ANIMALS, [1] * 6).to_parquet(root / "cats.parquet")
    embedded(root, TEN[6:], ANIMALS, [0] * 4).to_parquet(root / "dogs.parquet")
    declared = [f"- config_name: {name}\n  data_files: {name}.parquet\n" for name in ("cats", "dogs")]
    (root / "README.md").write_text(f"---\nconfigs:\n{''.join(declared)}---\n")
    return str(root)


@pytest.mark.parametrize(("config", "label", "count"), [("cats", "cat", 6), ("dogs", "dog", 4)])
def test_the_configuration_that_is_named_is_read(two_configurations, load, config, label, count):
    splits = load(kind="hub", name=two_configurations, config=config)
    assert splits.labels.names == (label,)
    assert sum(splits.source["counts"].values()) == count
    assert splits.source["config"] == config


def test_a_configuration_that_has_to_be_named_is_asked_for(two_configurations, load):
    with pytest.raises(DataError, match=r"(?s)Config name is missing.*\['cats', 'dogs'\]"):
        load(kind="hub", name=two_configurations)


@pytest.mark.parametrize(("options", "words"), [
    ({"image_column": "img"}, "data.image_column: 'parquet' has no column 'img'; did you mean 'image'?; columns"),
    ({"label_column": "labels"}, "data.label_column: 'parquet' has no column 'labels'; did you mean 'label'?"),
    ({"group_column": "who"}, "data.group_column: 'parquet' has no column 'who'"),
    ({"image_column": "label"}, "data.image_column: 'label' holds ClassLabel"),
    ({"label_column": "image"}, "data.label_column: 'image' holds Image"),
])  # fmt: skip
def test_columns_that_do_not_fit_are_named(images, load, options, words):
    with pytest.raises(DataError, match=re.escape(words)):
        load(kind="hub", name="parquet", data_files=parquet(images), **options)


def test_an_imagefolder_without_labels_says_why(images, load):
    root = images("a/1.png", "a/b/2.png", "c/3.png")
    with pytest.raises(
        DataError, match=r"has no column 'label'; imagefolder gives labels only where all class folders are"
    ):
        load(kind="hub", name="imagefolder", data_dir=str(root))


@pytest.mark.parametrize(("label", "value", "shown"), [
    (datasets.Value("string"), None, "null"),
    (datasets.ClassLabel(names=["a"]), -1, "-1"),
    (datasets.List(datasets.Value("string")), ["a", None], "null"),
])  # fmt: skip
def test_a_label_that_is_no_class_is_named_by_its_row(images, load, label, value, shown):
    good = 0 if isinstance(label, datasets.ClassLabel) else ["a"] if isinstance(label, datasets.List) else "a"
    file = parquet(images, label, [good, value, value] + [good] * 7)
    with pytest.raises(
        DataError, match=rf"train/1: the label is {shown}; expected a class; .* \(and 1 more row like it\)"
    ):
        load("multilabel", kind="hub", name="parquet", data_files=file)


def test_a_bad_image_within_a_dataset_is_named_and_dropped(images, load):
    root = images(*TEN)
    (root / "3.png").write_bytes(b"no image")
    embedded(root, TEN, ANIMALS, [0, 1] * 5).to_parquet(root / "t.parquet")
    data = {"kind": "hub", "name": "parquet", "data_files": str(root / "t.parquet")}
    with pytest.raises(DataError, match=r"1 of 10 images cannot be read \(1 not an image\), first: train/3 "):
        load(**data)
    splits = load(**data, on_bad_image="drop")
    assert [bad.path for bad in splits.dropped] == ["parquet/train/3"]
    assert sum(splits.source["counts"].values()) == 9
    assert "parquet/train/3" not in [path for table in splits.datasets.values() for path in table["path"]]


def test_a_dataset_that_is_not_there_says_what_was_tried(load, tmp_path):
    with pytest.raises(
        DataError, match=r"data: datasets.load_dataset cannot read 'parquet' \(FileNotFoundError: Unable"
    ):
        load(kind="hub", name="parquet", data_files=str(tmp_path / "none.parquet"))


def test_a_folder_of_save_to_disk_says_how_to_read_it(images, load):
    root = images(*TEN)
    embedded(root, TEN, ANIMALS, [0, 1] * 5).save_to_disk(root / "saved")
    with pytest.raises(DataError, match=r"; name: arrow with data_files: FOLDER/\*.arrow reads it"):
        load(kind="hub", name=str(root / "saved"))


def test_a_hub_that_cannot_be_reached_is_another_kind_of_error(load, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(
        UnreachableError, match=r"data.name: 'someone/pets' cannot be fetched from the Hub \(no network\)"
    ):
        load(kind="hub", name="someone/pets")
