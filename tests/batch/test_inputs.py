"""What a user names, as one stream of rows."""

from __future__ import annotations

import base64
import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.batch import Inputs, in_parts
from finetune.errors import DataError


def names(*words, **options) -> list[str]:
    return [row.name for row in Inputs([str(word) for word in words], **options)]


def encoded(path) -> str:
    return base64.encodebytes(path.read_bytes()).decode()  # with line breaks, as Azure's samples have them


def test_files_folders_and_globs_come_in_the_order_given_and_a_folder_in_the_order_of_its_names(photos):
    (photos / "deep" / "er").mkdir(parents=True)
    for name in ("b.png", "a.PNG", "notes.txt", ".hidden.png"):
        (photos / "deep" / "er" / name).write_bytes(b"")
    folder = [str(photos / f"000{i}.png") for i in range(7)] + [
        str(photos / "deep/er/a.PNG"),
        str(photos / "deep/er/b.png"),
    ]
    assert names(photos / "0003.png", photos, photos / "000[45].png") == [
        str(photos / "0003.png"),
        *folder,
        str(photos / "0004.png"),
        str(photos / "0005.png"),
    ]
    assert names(photos / "**" / "*.png") == [name for name in sorted(folder) if name.endswith("png")]


def test_a_table_of_paths_starts_from_its_own_folder_or_from_another(photos, tmp_path):
    (tmp_path / "a.csv").write_text("\ufefffilename;label\nphotos/0001.png;can\n\nphotos/0000.png;x\n", "utf-8")
    assert names(tmp_path / "a.csv") == [str(photos / "0001.png"), str(photos / "0000.png")]
    (tmp_path / "b.tsv").write_text(f"x\tpath\n1\t0002.png\n2\t{photos}/0003.png\n3\tfile://{photos}/0004.png\n")
    found = names(tmp_path / "b.tsv", paths_from=str(photos))
    assert found == [str(photos / f"000{i}.png") for i in (2, 3, 4)]
    pq.write_table(pa.table({"n": [1], "where": ["photos/0001.png"]}), tmp_path / "c.parquet")
    assert names(tmp_path / "c.parquet", column="where") == [str(photos / "0001.png")]
    (tmp_path / "d.jsonl").write_text('{"image_url": "photos/0001.png"}\n\n{"path": "photos/0000.png"}\n')
    assert names(tmp_path / "d.jsonl") == [str(photos / "0001.png"), str(photos / "0000.png")]


def test_images_within_tables_are_the_same_images(photos, tmp_path):
    good, raw = photos / "0000.png", (photos / "0000.png").read_bytes()
    big = encoded(good) + "\n" * 200_000  # more than csv's own limit of a cell
    (tmp_path / "a.csv").write_text(
        f'image\n"{big}"\nData:image/png;base64,{base64.b64encode(raw).decode()}\nphotos/0000.png\n'
    )
    (tmp_path / "b.jsonl").write_text(json.dumps({"image": encoded(good)}) + "\n")
    pq.write_table(pa.table({"image": [{"bytes": raw, "path": None}]}), tmp_path / "c.parquet")
    pq.write_table(pa.table({"image": [raw]}), tmp_path / "d.parquet")
    rows = list(Inputs([str(tmp_path / name) for name in ("a.csv", "b.jsonl", "c.parquet", "d.parquet")]))
    assert [row.image().tobytes() for row in rows] == [rows[2].image().tobytes()] * 6
    assert [row.name for row in rows[:3]] == [f"{tmp_path}/a.csv#1", f"{tmp_path}/a.csv#2", str(good)]
    assert [(row.file, row.number) for row in rows[:3]] == [("a.csv", 0), ("a.csv", 1), ("0000.png", 0)]


@pytest.mark.parametrize(
    ("name", "text", "faults"),
    [
        ("a.csv", "path,x\n1.png\n,\nhttps://a/b.png,1\n", ["has 1 cells", "path is empty", "is not on this machine"]),
        (
            "a.jsonl",
            '{"path"\n[1]\n{"path": 7}\n',
            ["is not JSON", "has no image or image_url", "path is 7, which is no"],
        ),
        (
            "a.csv",
            "image\nabc\ndata:image/png;base64,\ndata:text/plain,x\n",
            ["is no base64", "is empty", "a data: URL that is not ;base64;"],
        ),
    ],
)
def test_a_row_that_says_nothing_of_use_is_a_row_with_a_fault(tmp_path, name, text, faults):
    (tmp_path / name).write_text(text)
    rows = list(Inputs([str(tmp_path / name)]))
    assert len(rows) == len(faults)
    for number, (row, fault) in enumerate(zip(rows, faults, strict=True), start=1):
        assert row.name == f"{tmp_path / name}#{number}"
        with pytest.raises(DataError, match=fault):
            row.image()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            b"kind,photo\ncan,1.png\n",
            r"a\.csv: there is no column image or .*--column; columns found: kind, photo",
        ),
        ("a.csv", b'path\n"1.png\n', r"a\.csv line \d: unexpected end of data; is a quote not closed\?"),
        ("a.csv", b"path\n\xff\n", r"a\.csv: is not UTF-8; save it as UTF-8"),
        ("a.parquet", b"no", r"a\.parquet: cannot be read as Parquet"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        names(tmp_path / name)


def test_all_that_is_missing_is_said_at_once_and_before_anything_is_read(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.csv").write_text("kind\ncan\n")
    with pytest.raises(DataError) as caught:
        Inputs(
            [
                str(path)
                for path in (tmp_path / "photo", photos, photos / "*.jpg", tmp_path / "empty", tmp_path / "a.csv")
            ]
        )
    first, second, third, fourth = str(caught.value).splitlines()
    assert first.endswith("there is no such file or folder; did you mean 'photos'?")
    assert second.endswith("there is no such file, and as a glob it matches nothing")
    assert third.endswith("there is no image in this folder, nor below it")
    assert fourth.endswith("columns found: kind")
    with pytest.raises(DataError, match="--paths-from no: there is no such folder"):
        Inputs([str(photos)], paths_from="no")


def test_a_set_that_comes_with_the_package_is_a_folder():
    found = names("bundled:digits")
    assert len(found) == 1797
    assert found[0].endswith("/0/0000.png")


def test_images_in_a_table_are_held_a_part_at_a_time(tmp_path):
    row = "QUJD" * 250_000  # a megabyte
    with (tmp_path / "a.csv").open("w") as file:
        file.write("image\n")
        file.writelines(f"{row}\n" for _ in range(200))
    tracemalloc.start()
    sizes = [len(part) for part in in_parts(Inputs([str(tmp_path / "a.csv")]), 512)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sizes == [68, 68, 64]  # 64 MiB each
    assert peak < 160 * 2**20
