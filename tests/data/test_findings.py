import json
from array import array

from finetune.data.findings import Findings, image_sizes
from finetune.data.verify import BadImage, Verified


def findings(classes: int, **more: object) -> Findings:
    names = [f"class {number:04d}" for number in range(classes)]
    return Findings(
        source="/data/pets",
        images={"train": 8 * classes, "validation": 2 * classes},
        classes={
            "train": {name: 8 + number for number, name in enumerate(names)},
            "validation": dict.fromkeys(names, 2),
        },
        sizes=((10, 20), (499, 666), (4000, 3000)),
        looks={"JPEG RGB": 9 * classes, "PNG RGBA": classes},
        **more,
    )


def test_a_few_classes_are_all_shown():
    bad = [BadImage("/data/pets/a.jpg", "truncated", "truncated (2 bytes missing)")]
    text = findings(
        2, dropped=bad, notes=["a note"], faults=["a fault"], unknown={"class 0001": 7}, unlabelled=3
    ).render()
    assert text == (
        "/data/pets: 20 images, 16 train, 4 validation\n"
        "\n"
        "class          train  validation  unknown\n"
        "class 0000         8           2        0\n"
        "class 0001         9           2        7\n"
        "(no label: 3)\n"
        "images            16           4\n"
        "\n"
        "sizes   smallest 10×20, median 499×666, largest 4000×3000 pixels\n"
        "formats JPEG RGB 18, PNG RGBA 2\n"
        "\n"
        "left out: 1 images\n"
        "  - /data/pets/a.jpg: truncated (2 bytes missing)\n"
        "\n"
        "notes\n"
        "  - a note\n"
        "\n"
        "faults\n"
        "  - a fault"
    )


def test_of_a_thousand_classes_the_largest_and_the_smallest_are_shown():
    lines = findings(1000).render().splitlines()
    assert len(lines) < 30
    assert lines[3].split() == ["class", "0999", "1007", "2"]
    assert "… 984 more" in lines
    assert "class 0000      8           2" in lines
    assert lines[-1] == "no faults"


def test_of_many_images_left_out_the_first_are_named():
    bad = [BadImage(f"/x/{number}.jpg", "missing", "missing (there is no such file)") for number in range(500)]
    text = findings(2, dropped=bad).render()
    assert "left out: 500 images\n  - /x/0.jpg: missing" in text
    assert "… 490 more" in text
    assert "/x/10.jpg" not in text


def test_images_of_one_size_say_so_once():
    assert "sizes   all 499×666 pixels" in Findings(sizes=((499, 666),) * 3).render()


def test_nothing_found_can_be_shown():
    assert "0 images" in Findings().render()


def test_the_record_is_plain_json_with_everything_in_it():
    record = findings(1000, dropped=[BadImage("/x", "missing", "missing (…)")]).as_dict()
    assert json.loads(json.dumps(record)) == record
    assert len(record["classes"]["train"]) == 1000
    assert record["dropped"] == [{"path": "/x", "reason": "missing (…)"}]


def test_sizes_are_the_smallest_the_median_and_the_largest_by_area():
    verified = Verified([b""] * 4, array("l", [10, 1, 30, 20]), array("l", [10, 500, 30, 4]), [""] * 4)
    assert image_sizes(verified) == ((20, 4), (10, 10), (30, 30))
    assert image_sizes(Verified()) == ()
