import os
import stat
import zipfile
from types import SimpleNamespace

import pytest

from finetune.data.unpack import unpack
from finetune.errors import DataError


def member(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def archive(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for info, content in members:
            opened.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def test_files_and_folders_are_unpacked_also_with_backslashes(tmp_path):
    file = archive(
        tmp_path / "a.zip", (member("a/b/1.jpg"), b"one"), (member("c\\2.jpg"), b"two"), (member("d/", 0o40755), b"")
    )
    unpack(file, tmp_path / "out", "a.zip")
    assert (tmp_path / "out" / "a" / "b" / "1.jpg").read_bytes() == b"one"
    assert (tmp_path / "out" / "c" / "2.jpg").read_bytes() == b"two"
    assert (tmp_path / "out" / "d").is_dir()


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "\\x", "C:\\x", "c:x", "a\\..\\..\\x"])
def test_a_name_that_leads_out_of_the_folder_is_refused_before_anything_is_written(tmp_path, name):
    file = archive(tmp_path / "a.zip", (member("good.jpg"), b"x"), (member(name), b"x"))
    with pytest.raises(DataError, match=r"a.zip: .* in the archive leads out of its folder; nothing was unpacked"):
        unpack(file, tmp_path / "out", "a.zip")
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644])
def test_links_and_devices_are_refused(tmp_path, mode):
    file = archive(tmp_path / "a.zip", (member("x", mode), b"/etc/passwd"))
    with pytest.raises(DataError, match=r"a.zip: 'x' in the archive is a link or a device"):
        unpack(file, tmp_path / "out", "a.zip")


def test_an_archive_that_grows_beyond_measure_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("finetune.data.unpack._RATIO_FROM", 1000)
    file = archive(tmp_path / "a.zip", (member("zeros"), bytes(10**6)))
    with pytest.raises(
        DataError, match=r"would unpack to 1,000,000 bytes from [\d,]+, more than 100 to 1; nothing was un"
    ):
        unpack(file, tmp_path / "out", "a.zip")


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("finetune.data.unpack.MAX_FILES", 2)
    file = archive(tmp_path / "a.zip", *((member(str(n)), b"") for n in range(3)))
    with pytest.raises(DataError, match="3 files in the archive, more than 2; nothing was unpacked"):
        unpack(file, tmp_path / "out", "a.zip")


def test_more_than_the_disk_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5))
    file = archive(tmp_path / "a.zip", (member("x"), b"123456"))
    with pytest.raises(DataError, match=r"unpacks to 6 bytes, and .* has 5 free; set DEIT_FINETUNE_CACHE"):
        unpack(file, tmp_path / "out", "a.zip")


def test_no_more_is_written_than_the_archive_declares(tmp_path):
    file = archive(tmp_path / "a.zip", (member("x"), bytes(5000)))
    content = file.read_bytes()
    size = (5000).to_bytes(4, "little")
    assert content.count(size) >= 2
    file.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(DataError, match="is no zip archive that can be unpacked"):
        unpack(file, tmp_path / "out", "a.zip")
    assert (tmp_path / "out" / "x").stat().st_size <= 10


def test_a_damaged_archive_is_refused(tmp_path):
    file = archive(tmp_path / "a.zip", (member("x"), os.urandom(500)))
    content = bytearray(file.read_bytes())
    content[100] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(DataError, match="is no zip archive that can be unpacked"):
        unpack(file, tmp_path / "out", "a.zip")


def test_an_encrypted_file_is_refused(tmp_path):
    file = archive(tmp_path / "a.zip", (member("x"), b"secret"))
    content = bytearray(file.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"'x' in the archive is encrypted; unpack it and name the folder in data.root"):
        unpack(file, tmp_path / "out", "a.zip")


def test_a_name_that_occurs_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        file = archive(tmp_path / "a.zip", (member("x"), b"1"), (member("x"), b"2"))
    with pytest.raises(DataError, match="is no zip archive that can be unpacked"):
        unpack(file, tmp_path / "out", "a.zip")
