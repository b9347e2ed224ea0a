import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import finetune.data.verify as verify
from finetune.data.rows import Rows
from finetune.data.sight.glance import GLANCE
from finetune.data.verify import verify_rows


@pytest.fixture
def counted(own_cache, monkeypatch):
    """How many images were decoded: a list that grows."""
    decoded = []
    real = verify._examine
    monkeypatch.setattr(verify, "_examine", lambda *asked: decoded.append(1) or real(*asked))
    return decoded


def rows_below(root: Path) -> Rows:
    paths = sorted(root.rglob("*.png"))
    return Rows(paths=[str(path) for path in paths], names=[path.name for path in paths], labels=[("a",)] * len(paths))


def test_header_and_content_of_every_image_are_known(images, counted):
    rows = rows_below(images("1.png", "2.png", "3.png"))
    shutil.copy(rows.paths[0], rows.paths[2])
    found = verify_rows(rows, "here")
    assert (list(found.widths), list(found.heights), found.looks) == ([6] * 3, [5] * 3, ["PNG RGB"] * 3)
    assert found.contents[0] == found.contents[2] != found.contents[1]
    assert found.faults == {}


def test_results_are_remembered_faults_too(images, counted):
    root = images("1.png", "2.png")
    (root / "2.png").write_text("no")
    rows = rows_below(root)
    first = verify_rows(rows, "here")
    assert first.faults == {1: ("not an image", "it begins with b'no'")}
    assert verify_rows(rows, "here") == first
    assert len(counted) == 2


def test_a_changed_image_is_verified_again_though_its_size_and_time_are_kept(images, counted):
    rows = rows_below(images("1.png", "2.png"))
    verify_rows(rows, "here")
    status = os.stat(rows.paths[0])
    content = bytearray(Path(rows.paths[0]).read_bytes())
    content[-20] ^= 0xFF
    Path(rows.paths[0]).write_bytes(content)
    os.utime(rows.paths[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    verify_rows(rows, "here")
    assert len(counted) == 3


def test_another_place_another_decoder_or_a_damaged_memory_begins_anew(images, counted, own_cache, monkeypatch):
    rows = rows_below(images("1.png"))
    verify_rows(rows, "here")
    verify_rows(rows, "there")
    assert len(counted) == 2
    for file in (own_cache / "verified").iterdir():
        file.write_text(file.read_text()[:-9])
    verify_rows(rows, "here")
    assert len(counted) == 3
    monkeypatch.setitem(verify._DEPENDS_ON, "pillow", "1.0")
    verify_rows(rows, "here")
    assert len(counted) == 4


def test_nothing_is_left_behind_but_one_file_per_place(images, counted, own_cache):
    rows = rows_below(images("1.png"))
    for _ in range(2):
        verify_rows(rows, "here")
    assert [file.suffix for file in (own_cache / "verified").iterdir()] == [".jsonl"]


def test_what_was_found_before_an_interruption_is_kept(images, counted, monkeypatch):
    rows = rows_below(images(*(f"{n}.png" for n in range(6))))
    verify_rows(rows.take([0, 1, 2]), "here")
    monkeypatch.setattr(verify, "_PIECE", 1)
    real = verify.Verified.add

    def interrupt(self, *answer):
        real(self, *answer)
        if len(self.contents) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(verify.Verified, "add", interrupt)
    with pytest.raises(KeyboardInterrupt):
        verify_rows(rows.take([5, 4, 3, 2, 1, 0]), "here")
    monkeypatch.setattr(verify.Verified, "add", real)
    before = len(counted)
    verify_rows(rows, "here")
    assert len(counted) == before


def test_a_cache_that_cannot_be_written_costs_only_time(images, own_cache, monkeypatch, caplog):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(verify.tempfile, "NamedTemporaryFile", refuse)
    assert len(verify_rows(rows_below(images("1.png")), "here").contents) == 1
    assert "verified images cannot be remembered in" in caplog.text


def test_a_path_that_no_file_can_have_is_missing(own_cache):
    rows = Rows(paths=["/x/\0.png"], names=["\0.png"], labels=[("a",)])
    assert verify_rows(rows, "here").faults == {0: ("missing", "there is no such file")}


def test_many_rows_keep_their_order(images, own_cache):
    one = rows_below(images("1.png", "2.png"))
    rows = one.take([0, 1, 1] * 100)
    contents = verify_rows(rows, "here").contents
    assert len(set(contents)) == 2
    assert contents == contents[:3] * 100


def test_processes_may_verify_the_same_place_at_once(images, own_cache):
    root = images(*(f"{n}.png" for n in range(20)))
    code = (
        f"from pathlib import Path; from finetune.data.folder import walk; from finetune.data.rows import Rows\n"
        f"from finetune.data.verify import verify_rows\n"
        f"paths = [str(path) for path in sorted(Path({str(root)!r}).iterdir())]\n"
        f"print(len(verify_rows(Rows(paths, paths, [('a',)] * 20), 'here').contents))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["20\n", "20\n"]
    assert len(list((own_cache / "verified").iterdir())) == 1


def test_a_glance_is_taken_once_and_only_where_it_is_asked_for(images, counted):
    root = images("1.png", "2.png", "3.png")
    (root / "3.png").write_text("no")
    rows = rows_below(root)
    assert verify_rows(rows, "here").glances == [b""] * 3
    looked = verify_rows(rows, "here", look=True)
    assert [len(glance) for glance in looked.glances] == [GLANCE.itemsize, GLANCE.itemsize, 0]
    assert len(counted) == 3 + 2  # a file that is no image needs no second look
    assert verify_rows(rows, "here", look=True) == looked
    assert verify_rows(rows, "here").glances == [b""] * 3
    assert verify_rows(rows, "here", look=True) == looked
    assert len(counted) == 5


def test_a_first_look_verifies_and_decodes_once(images, counted):
    rows = rows_below(images("1.png", "2.png"))
    looked = verify_rows(rows, "here", look=True)
    plain = verify_rows(rows, "here")
    assert len(counted) == 2
    assert (plain.contents, plain.widths, plain.looks) == (looked.contents, looked.widths, looked.looks)


def test_another_kind_of_glance_begins_anew(images, counted, monkeypatch):
    rows = rows_below(images("1.png"))
    verify_rows(rows, "here", look=True)
    monkeypatch.setitem(verify._DEPENDS_ON, "glance", "another")
    verify_rows(rows, "here", look=True)
    assert len(counted) == 2
