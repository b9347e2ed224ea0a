import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from finetune.data import check_data, load_splits
from finetune.data.bundled import bundled_root
from finetune.data.formula import draw_named, read_formula
from finetune.data.load import look_over
from finetune.data.sight import copies, unlike
from finetune.data.sight.sheets import KINDS, sheet, write_sheets
from finetune.errors import DataError
from finetune.recipe.sections import Recipe


def checked(task="multiclass", **data):
    return look_over(Recipe(task=task, data={name: str(v) if isinstance(v, Path) else v for name, v in data.items()}))


def kinds(over):
    return {seen.kind: [image.name for image in seen.images] for seen in over.findings.seen}


def said(over, words):
    (note,) = [note for note in over.findings.notes if re.search(words, note)]
    return note


@pytest.mark.parametrize(("task", "data", "images"), [
    ("multiclass", {"kind": "folder", "root": "bundled:fridge-objects"}, 134),
    ("multilabel", {"kind": "csv", "root": "bundled:multilabel-fridge-objects"}, 128),
    ("multiclass", {"kind": "folder", "root": "bundled:digits"}, 1797),
    ("multilabel", {"kind": "csv", "root": "bundled:digits-multilabel"}, 720),
])  # fmt: skip
def test_of_sets_that_hold_nothing_wrong_nothing_is_said(task, data, images):
    over = checked(task, **data)
    assert sum(over.findings.images.values()) == images
    assert (kinds(over), over.findings.notes, over.findings.faults) == ({}, [], [])


def test_a_set_in_given_splits_is_silent_too(fridge):
    assert kinds(checked(kind="folder", root=fridge)) == {}


def test_every_fault_planted_in_the_fridge_set_is_found_and_nothing_else(fridge):
    cans, cartons, milk = (fridge / "train" / name for name in ("can", "carton", "milk_bottle"))
    test = sorted((fridge / "test" / "can").iterdir())
    shutil.copy(test[0], cans / "same.jpg")
    Image.open(test[1]).resize((300, 400)).save(cans / "smaller_copy.jpg", quality=70)
    Image.open(test[2]).save(cartons / "relabelled.png")
    Image.new("RGB", (499, 666)).save(milk / "black.jpg")
    dark, blurred, small, long, grey, negative = sorted(milk.iterdir())[:6]
    Image.open(dark).point(lambda value: value // 5).save(dark)
    Image.open(blurred).filter(ImageFilter.GaussianBlur(8)).save(blurred)
    Image.open(small).resize((100, 133)).save(small)
    Image.open(long).crop((0, 200, 499, 360)).save(long)
    Image.open(grey).convert("L").save(grey)
    Image.open(negative).point(lambda value: 255 - value).save(negative)
    over = checked(kind="folder", root=fridge, split={"validation": 0})
    assert kinds(over) == {
        "same-bytes-in-two-splits": ["train/can/same.jpg", f"test/can/{test[0].name}"],
        "near-duplicates-in-two-splits": [
            "train/can/smaller_copy.jpg", f"test/can/{test[1].name}",
            "train/carton/relabelled.png", f"test/can/{test[2].name}",
        ],
        "contradicting-labels-near": ["train/carton/relabelled.png", f"test/can/{test[2].name}"],
        "plain": ["train/milk_bottle/black.jpg"],
        "dark": [f"train/milk_bottle/{dark.name}"],
        "blurred": [f"train/milk_bottle/{blurred.name}"],
        "small": [f"train/milk_bottle/{small.name}"],
        "long": [f"train/milk_bottle/{long.name}"],
        "grey": [f"train/milk_bottle/{grey.name}"],
        "odd": [f"train/milk_bottle/{negative.name}"],
    }  # fmt: skip
    assert said(over, "held-out").startswith(
        "2 held-out images are nearly the same as an image of another split, first: train/can/smaller_copy.jpg (train) "
        f"and test/can/{test[1].name} (test); what is measured on such images is not what the model does on new ones"
    )
    assert said(over, "held-out").endswith("; remove one of each pair")  # a cut parted none of them
    assert "2 images are nearly the same but for the labels, first: " in said(over, "but for the labels")
    assert "train/carton/relabelled.png (carton)" in said(over, "but for the labels")
    assert said(over, "one colour").startswith(
        "1 image is of one colour and shows nothing: train/milk_bottle/black.jpg (black); "
    )
    assert re.search(r"the rest: .* \(brightest parts \d\d of 255\); 2\d\d in the median image", said(over, "darker"))
    assert "(100×133 pixels); the median image has 332,334 pixels" in said(over, "smaller than")
    assert over.findings.faults[0].startswith("1 image is in two splits (the same bytes), first: train/can/same.jpg")


def test_near_duplicates_of_a_set_that_is_cut_are_told_what_keeps_them_together(fridge):
    file = fridge / "train" / "can" / "copy.jpg"
    first = sorted((fridge / "train" / "can").iterdir())[0]
    Image.open(first).save(file, quality=60)
    over = checked(kind="folder", root=fridge / "train", split={"validation": 0.0})
    assert kinds(over) == {"near-duplicates": [f"can/{first.name}", "can/copy.jpg"]}
    assert said(over, "same split") == (
        f"1 image is nearly the same as another of the same split, first: can/copy.jpg and can/{first.name}; "
        "they count twice, and another cut may part them"
    )
    seeds = (checked(kind="folder", root=fridge / "train", split={"validation": 0.5, "seed": s}) for s in range(9))
    parted = next(over for over in seeds if "near-duplicates-in-two-splits" in kinds(over))
    assert said(parted, "held-out").endswith(
        "remove one of each pair, or give both one value of data.group_column (in a table), so that a cut keeps them "
        "together"
    )


def table(root: Path, lines: list[str], copies: dict[str, str]) -> Path:
    """The multi-label fridge images that the lines name below a root, others as JPEG copies of lower quality."""
    (root / "images").mkdir(parents=True)
    for line in lines[1:]:
        name = line.split(",")[0]
        source = bundled_root("multilabel-fridge-objects") / "images" / copies.get(name, name)
        if name in copies:
            Image.open(source).save(root / "images" / name, quality=50)
        else:
            shutil.copy(source, root / "images" / name)
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def test_a_table_with_splits_and_groups_of_several_labels(tmp_path):
    lines = ["filename,labels,split,home"]
    lines += [f"{number}.jpg,can carton,train,home {number}" for number in range(1, 31)]
    lines += ["90.jpg,can carton,train,home 1", "91.jpg,can,train,home 2", "92.jpg,carton can,test,"]
    root = table(tmp_path / "t", lines, {"90.jpg": "1.jpg", "91.jpg": "2.jpg", "92.jpg": "3.jpg"})
    over = checked("multilabel", kind="csv", root=root, split_column="split", group_column="home")
    assert kinds(over) == {
        "near-duplicates-in-two-splits": ["3.jpg", "92.jpg"],
        "contradicting-labels-near": ["2.jpg", "91.jpg"],
    }
    assert "labels.csv line 3 (can carton) and labels.csv line 33 (can)" in said(over, "but for the labels")


def test_a_label_that_nobody_knows_contradicts_none(tmp_path):
    lines = ["filename,can,carton", *(f"{number}.jpg,1,0" for number in range(1, 25)), "90.jpg,1,", "91.jpg,0,1"]
    root = table(tmp_path / "t", lines, {"90.jpg": "1.jpg", "91.jpg": "2.jpg"})
    over = checked("multilabel", kind="csv", root=root, label_columns=["can", "carton"], split={"validation": 0})
    assert kinds(over)["contradicting-labels-near"] == ["2.jpg", "91.jpg"]


def test_the_same_bytes_are_recorded_by_every_run_and_looked_at_by_check_alone(fridge):
    cans = sorted((fridge / "train" / "can").iterdir())
    shutil.copy(cans[0], fridge / "train" / "carton" / "same.jpg")
    Image.open(cans[1]).save(fridge / "train" / "can" / "near.jpg", quality=50)
    recipe = Recipe(task="multiclass", data={"kind": "folder", "root": str(fridge), "split": {"validation": 0}})
    record = load_splits(recipe).findings.as_dict()
    assert [seen["kind"] for seen in record["seen"]] == ["same-bytes", "contradicting-labels"]
    assert record["seen"][1]["groups"] == [[
        {"name": f"train/can/{cans[0].name}", "split": "train", "labels": ["can"], "says": ""},
        {"name": "train/carton/same.jpg", "split": "train", "labels": ["carton"], "says": ""},
    ]]  # fmt: skip
    assert json.loads(json.dumps(record)) == record
    assert "near-duplicates" in [seen.kind for seen in check_data(recipe).seen]


def test_of_the_pictures_that_formulas_draw_nothing_is_said_once_they_are_files(tmp_path):
    recipe = Recipe(task="multiclass", data={"kind": "formula", "family": "mixed", "classes": 30, "image_size_px": 64})
    rows = read_formula(recipe.data)
    rows = rows.take(range(0, len(rows), len(rows) // 200))
    for name, picture in zip(rows.names, draw_named(rows.paths), strict=True):
        file = tmp_path / "drawn" / "a" / f"{name.replace('/', ' ')}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)
    assert kinds(checked(kind="folder", root=tmp_path / "drawn")) == {}


def test_a_finding_may_be_told_of_another_split(tmp_path):
    over = checked(kind="folder", root=plain_images(tmp_path, 12), split={"validation": 0.25})
    plain = over.findings.seen[0]
    assert {image.split for image in plain.images} == {"train", "validation"}
    moved = plain.in_split("out_of_fold")
    assert {image.split for image in moved.images} == {"out_of_fold"}
    assert [image.name for image in moved.images] == [image.name for image in plain.images]


def test_images_of_formulas_are_not_looked_at():
    over = checked(kind="formula", family="contours", classes=3, instances=8, image_size_px=32)
    assert kinds(over) == {}


def test_classes_hardly_present_are_named_and_shown(tmp_path, scene):
    for name, count in (("a", 60), ("b", 70), ("c", 5), ("d", 1), ("e", 60)):
        for number in range(count):
            file = tmp_path / "set" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            scene(1000 * ord(name) + number, (32, 24)).save(file)
    over = checked(kind="folder", root=tmp_path / "set", split={"validation": 0})
    assert over.findings.notes == [
        "fewer than 5 training images of d (1): too few to learn or to measure this class well",
        "the median class has 60 training images, but there are hardly any of c (5); data.sampling: balanced shows "
        "them as often as the others",
    ]
    assert kinds(over) == {"rare-classes": [*(f"c/{number}.png" for number in range(5)), "d/0.png"]}


# ------------------------------------------------ contact sheets


def test_each_finding_has_a_sheet_and_sheets_of_what_is_no_more_are_removed(fridge, tmp_path):
    black = fridge / "train" / "can" / "black.png"
    Image.new("RGB", (40, 30)).save(black)
    over = checked(kind="folder", root=fridge)
    out = tmp_path / "look"
    assert write_sheets(over.findings, over.rows, out) == [out / "plain.png", out / "small.png"]
    assert json.loads((out / "findings.json").read_text()) == over.findings.as_dict()
    with Image.open(out / "plain.png") as sheet:
        assert sheet.width > 600
    black.unlink()
    (out / "odd.png").write_text("somebody's own")
    over = checked(kind="folder", root=fridge)
    assert write_sheets(over.findings, over.rows, out) == []
    assert sorted(file.name for file in out.iterdir()) == ["findings.json", "odd.png"]


def test_a_sheet_shows_the_images_themselves(tmp_path):
    over = checked(kind="folder", root=plain_images(tmp_path, 3), split={"validation": 0})
    plain = over.findings.seen[0]
    colours = {colour for _, colour in sheet(plain, over.rows).getcolors(1 << 16)}
    assert {(200, 0, 0), (201, 0, 0), (202, 0, 0)} <= colours


def test_a_sheet_of_many_images_shows_the_first_sixty_and_says_how_many_there_are_more(tmp_path):
    over = checked(kind="folder", root=plain_images(tmp_path, 70), split={"validation": 0})
    plain = over.findings.seen[0]
    assert plain.says.startswith("70 images are of one colour and show nothing, first: a/00.png (#c80000), a/01.png")
    picture = sheet(plain, over.rows)
    colours = {colour[0] for _, colour in picture.getcolors(1 << 16) if colour[1:] == (0, 0)}
    assert colours == set(range(200, 254)) | set(range(100, 106))


def test_an_image_that_is_gone_leaves_an_empty_tile(tmp_path):
    root = plain_images(tmp_path, 3)
    over = checked(kind="folder", root=root, split={"validation": 0})
    (root / "a" / "01.png").unlink()
    plain = over.findings.seen[0]
    colours = {colour for _, colour in sheet(plain, over.rows).getcolors(1 << 16)}
    assert (200, 0, 0) in colours
    assert (201, 0, 0) not in colours


def plain_images(folder: Path, count: int) -> Path:
    """Images of one red each, from 200 to 253, then from 100 on."""
    (folder / "plain" / "a").mkdir(parents=True)
    for number in range(count):
        red = 200 + number if number < 54 else 46 + number
        Image.new("RGB", (5, 5), (red, 0, 0)).save(folder / "plain" / "a" / f"{number:02}.png")
    return folder / "plain"


def test_a_folder_that_cannot_be_made_is_told(fridge, tmp_path):
    (tmp_path / "file").write_text("")
    over = checked(kind="folder", root=fridge)
    with pytest.raises(DataError, match=r"--out .*/file: cannot be written \(.*\); name a folder"):
        write_sheets(over.findings, over.rows, tmp_path / "file")


def test_every_kind_of_finding_has_its_sheet():
    of_rules = set(unlike._SENTENCES)
    of_copies = set(re.findall(r'"((?:same|near|contradicting)-[a-z-]+)"', Path(copies.__file__).read_text()))
    assert of_rules | of_copies | {"rare-classes"} == set(KINDS)
