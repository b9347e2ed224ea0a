import functools
import hashlib
import http.server
import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from finetune.data.download import archive_record, cached_root, fetched_root
from finetune.errors import DataError, UnreachableError
from finetune.recipe.sections import Download

pytestmark = pytest.mark.usefixtures("own_cache")
FILES = {"fridge/can/1.jpg": b"one", "fridge/carton/2.jpg": b"two"}


def zipped(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


class _Handler(http.server.SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/cut.zip":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"PK")
        else:
            super().do_GET()


@pytest.fixture
def server(tmp_path):
    """A web server for `tmp_path`; gives its address and the list of paths that were asked for."""
    handler = type("Handler", (_Handler,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=tmp_path)) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", handler.asked
        httpd.shutdown()
        thread.join()


def test_an_archive_is_fetched_once_and_its_digest_recorded(tmp_path, server):
    address, asked = server
    archive = zipped(tmp_path / "fridge.zip")
    download = Download(url=f"{address}/fridge.zip")
    assert cached_root(download, "data/fridge") is None
    assert archive_record(download) == {}
    root = fetched_root(download, "data/fridge")
    assert (root / "can" / "1.jpg").read_bytes() == b"one"
    assert fetched_root(download, "data/fridge") == cached_root(download, "data/fridge") == root
    assert asked == ["/fridge.zip"]
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert archive_record(download) == {"url": download.url, "sha256": digest, "bytes": archive.stat().st_size}


def test_a_file_url_works(tmp_path):
    url = zipped(tmp_path / "my fridge.zip").as_uri()
    assert "%20" in url
    assert sorted(entry.name for entry in fetched_root(Download(url=url), "fridge").iterdir()) == ["can", "carton"]


def test_an_archive_with_the_expected_digest_is_taken(tmp_path, server):
    address, asked = server
    digest = hashlib.sha256(zipped(tmp_path / "fridge.zip").read_bytes()).hexdigest()
    assert fetched_root(Download(url=f"{address}/fridge.zip", sha256=digest), "fridge").is_dir()
    fetched_root(Download(url=f"{address}/fridge.zip"), "fridge")
    assert len(asked) == 2


def test_an_archive_fetched_without_a_digest_serves_if_it_has_the_one_asked_for_later(tmp_path, server):
    address, asked = server
    url = f"{address}/fridge.zip"
    digest = hashlib.sha256(zipped(tmp_path / "fridge.zip").read_bytes()).hexdigest()
    fetched_root(Download(url=url), "fridge")
    assert cached_root(Download(url=url, sha256=digest), "fridge") is not None
    assert cached_root(Download(url=url, sha256="0" * 64), "fridge") is None
    assert len(asked) == 1


def test_another_digest_is_refused_and_nothing_stays(tmp_path, own_cache):
    download = Download(url=zipped(tmp_path / "fridge.zip").as_uri(), sha256="0" * 64)
    with pytest.raises(
        DataError, match=r"data.download.sha256: .*/fridge.zip has [0-9a-f]{64}, the recipe expects 000"
    ):
        fetched_root(download, "fridge")
    assert cached_root(download, "fridge") is None
    assert [path.suffix for path in (own_cache / "downloads").iterdir()] in ([], [".lock"])


def test_a_partial_download_is_never_taken_for_whole(server, own_cache):
    download = Download(url=f"{server[0]}/cut.zip")
    with pytest.raises(UnreachableError, match="the connection ended after 2 of 1000 bytes; start again"):
        fetched_root(download, "x")
    assert cached_root(download, "x") is None


def test_an_address_without_the_file_says_so(server):
    with pytest.raises(UnreachableError, match=r"download.url: http://.*/none.zip cannot be fetched \(HTTP 404 .*\)"
                       "; check the address, or fetch it by other means"):  # fmt: skip
        fetched_root(Download(url=f"{server[0]}/none.zip"), "x")


def test_a_machine_that_does_not_answer_says_so():
    with pytest.raises(UnreachableError, match=r"cannot be fetched \(.*refused.*\); check the address"):
        fetched_root(Download(url="http://127.0.0.1:9/x.zip"), "x")


def test_a_missing_local_archive_says_so(tmp_path):
    with pytest.raises(UnreachableError, match=r"none.zip cannot be fetched \(.*No such file"):
        fetched_root(Download(url=(tmp_path / "none.zip").as_uri()), "x")


def test_a_page_in_the_place_of_an_archive_is_shown(tmp_path):
    (tmp_path / "page.zip").write_text("<!DOCTYPE html><html>")
    with pytest.raises(DataError, match=r"is no zip archive that can be unpacked \(.*it begins with b'<!DOCTYPE html"):
        fetched_root(Download(url=(tmp_path / "page.zip").as_uri()), "x")


@pytest.mark.parametrize(("root", "files", "found"), [
    ("fridge", ["fridge/a/1.jpg", "other/2.jpg"], "fridge"),
    ("data/fridge", ["data/fridge/a/1.jpg", "fridge/2.jpg"], "data/fridge"),
    ("data/fridge", ["fridge/a/1.jpg", "other/2.jpg"], "fridge"),
    ("/some/where/fridge", ["fridge/a/1.jpg", "x/2.jpg"], "fridge"),
    ("../fridge", ["fridge/a/1.jpg", "x/2.jpg"], "fridge"),
    ("data/pets", ["fridge/a/1.jpg", "__MACOSX/x"], "fridge"),
    ("data/pets", ["a/1.jpg", "b/1.jpg"], "."),
    ("data/pets", ["labels.csv", "images/1.jpg"], "."),
])  # fmt: skip
def test_the_root_is_looked_up_in_the_archive(tmp_path, root, files, found):
    download = Download(url=zipped(tmp_path / "x.zip", dict.fromkeys(files, b"x")).as_uri())
    files_folder = fetched_root(download, "no such root") if found == "." else fetched_root(download, root)
    assert fetched_root(download, root) == files_folder
    assert files_folder.as_posix().endswith(f"/files/{found}" if found != "." else "/files")


def test_processes_that_need_it_at_once_fetch_it_once(tmp_path, server):
    address, asked = server
    zipped(tmp_path / "fridge.zip")
    code = (
        "from finetune.recipe.sections import Download; from finetune.data.download import fetched_root;"
        f"print(fetched_root(Download(url='{address}/fridge.zip'), 'fridge'))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    roots = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert len(roots) == 1
    assert (Path(roots.pop()) / "can" / "1.jpg").read_bytes() == b"one"
    assert asked == ["/fridge.zip"]


def test_a_recipe_with_a_download_is_loaded_and_recorded(images, load, tmp_path):
    root = images(*(f"{label}/{n}.png" for label in "ab" for n in range(5)))
    files = {f"pets/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*.png")}
    url = zipped(tmp_path / "pets.zip", files).as_uri()
    splits = load(kind="folder", root=str(tmp_path / "not here" / "pets"), download={"url": url})
    assert splits.source["counts"] == {"train": 8, "validation": 2}
    assert splits.source["download"]["sha256"] == hashlib.sha256((tmp_path / "pets.zip").read_bytes()).hexdigest()
    assert splits.source["root"].endswith("/files/pets")
    assert json.dumps(splits.source)


def test_whether_data_are_here_is_answered_without_heavy_imports():
    code = "import sys, finetune.data.download; print({'numpy', 'datasets', 'torch', 'PIL'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
