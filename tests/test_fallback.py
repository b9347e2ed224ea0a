"""Whether checkpoint and data can be had, asked of a real server on this machine, and what stands in if not."""

from __future__ import annotations

import json
import pickle
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import finetune.model  # noqa: F401 - loaded beforehand, so that the time of a decision is its own
from finetune.errors import UnreachableError
from finetune.fallback import WIDTH, reach
from finetune.reachability import SECONDS, reason_against
from finetune.recipe import Recipe, load_recipe

OFFLINE = {
    "model.checkpoint": "bundled:deit-nano",
    "data.root": "bundled:fridge-objects",
    "optim.epochs": 40,
    "optim.learning_rate": 5e-4,
}


class Server:
    """Answers by path: ``answers["/x.zip"] = (status, headers)`` for HEAD and GET, or per method."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                server.asked.append(f"{self.command} {self.path}")
                status, headers = server.answers.get(
                    f"{self.command} {self.path}", server.answers.get(self.path, (404, {}))
                )
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            do_HEAD = do_GET = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture(autouse=True)
def _no_offline_switch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", closed_port())
    monkeypatch.setenv("DEIT_FINETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)


def closed_port() -> str:
    """An address of this machine that refuses connections."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def recipe_of(url: str | None, checkpoint: str = "facebook/deit-base-patch16-224", **more: Any) -> Recipe:
    data = {"kind": "folder", "root": "data/fridgeObjects", "download": {"url": url} if url else None}
    return load_recipe(
        {"task": "multiclass", "data": data, "model": {"checkpoint": checkpoint}, "offline": OFFLINE, **more}
    )


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("urllib.request.urlopen", refuse)


# ---------------------------------------------------------------- what needs no network


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("checkpoint", ["bundled:deit-nano", "here", "./not/here", "a/b/c"])
def test_bundled_and_local_checkpoints_and_paths_that_lead_nowhere_need_no_network(tmp_path, checkpoint):
    (tmp_path / "here").mkdir()
    reached = reach(recipe_of(None, checkpoint))
    assert (reached.fallback, reached.replaced, reached.notice) == (False, {}, None)
    assert reached.recipe.model.checkpoint == checkpoint


@pytest.mark.usefixtures("no_network")
def test_a_data_folder_that_exists_needs_no_download(tmp_path):
    (tmp_path / "data/fridgeObjects").mkdir(parents=True)
    assert not reach(recipe_of("https://example.org/x.zip", "bundled:deit-nano")).fallback


@pytest.mark.usefixtures("no_network")
def test_a_checkpoint_in_the_hub_cache_needs_no_network(tmp_path):
    folder = tmp_path / "hub/models--facebook--deit-base-patch16-224"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text("abc")
    (folder / "snapshots/abc").mkdir(parents=True)
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (folder / "snapshots/abc" / name).write_text("{}")
    assert not reach(recipe_of(None)).fallback


def test_an_archive_that_was_downloaded_earlier_needs_no_network(tmp_path, monkeypatch):
    from finetune.data.download import fetched_root

    archive = tmp_path / "fridgeObjects.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("fridgeObjects/can/1.jpg", b"x")
    recipe = recipe_of(archive.as_uri(), "bundled:deit-nano")
    fetched_root(recipe.data.download, recipe.data.root)
    monkeypatch.setattr("urllib.request.urlopen", None)
    assert not reach(recipe, strict=True).fallback


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["imagefolder", "parquet", "local", "owner/cached"])
def test_local_and_cached_data_sets_need_no_network(tmp_path, monkeypatch, name):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    (tmp_path / "datasets/owner___cached").mkdir(parents=True)
    (tmp_path / "local").mkdir()
    data = {"kind": "hub", "name": name}
    assert not reach(
        load_recipe({"task": "multiclass", "data": data, "model": {"checkpoint": "bundled:deit-nano"}})
    ).fallback


# ---------------------------------------------------------------- asking


def test_what_answers_is_used_as_it_is(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.answers = {"/facebook/deit-base-patch16-224/resolve/main/config.json": (200, {}), "/x.zip": (200, {})}
    recipe = recipe_of(f"{server.url}/x.zip")
    assert reach(recipe).recipe == recipe
    assert sorted(server.asked) == ["HEAD /facebook/deit-base-patch16-224/resolve/main/config.json", "HEAD /x.zip"]


def test_a_revision_and_a_data_set_are_asked_for_by_name(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{server.url}/")
    server.answers = {"/owner/model/resolve/v1/config.json": (200, {}), "/api/datasets/owner/set": (200, {})}
    tree = {"task": "multiclass", "data": {"kind": "hub", "name": "owner/set"}}
    assert not reach(load_recipe(tree | {"model": {"checkpoint": "owner/model", "revision": "v1"}})).fallback
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"/x.zip": (200, {})}, None),
        ({"/x.zip": (302, {"Location": "/y.zip"}), "/y.zip": (200, {})}, None),
        ({"HEAD /x.zip": (405, {}), "GET /x.zip": (206, {})}, None),
        ({"HEAD /x.zip": (403, {}), "GET /x.zip": (200, {})}, None),
        ({"/x.zip": (403, {})}, "127.0.0.1 answered 403 (Forbidden)"),
        ({"/x.zip": (503, {})}, "127.0.0.1 answered 503 (Service Unavailable)"),
        ({}, "127.0.0.1 answered 404 (Not Found)"),
        ({"/x.zip": (404, {"X-Error-Code": "RepoNotFound"})}, None),  # the Hub's own word: the name is wrong
    ],
)
def test_an_answer_is_judged_by_its_status(server, answers, reason):
    server.answers = answers
    assert reason_against(f"{server.url}/x.zip", 5) == reason


def test_a_refused_connection_is_no_answer():
    assert reason_against(closed_port(), 5) == "127.0.0.1 refused the connection"


# ---------------------------------------------------------------- standing in


def test_where_nothing_can_be_reached_the_whole_section_stands_in():
    reached = reach(recipe_of(f"{closed_port()}/x.zip"))
    assert reached.fallback
    assert reached.recipe.model.checkpoint == "bundled:deit-nano"
    assert reached.recipe.data.root == "bundled:fridge-objects"
    assert (reached.recipe.optim.epochs, reached.recipe.optim.learning_rate) == (40.0, 5e-4)
    assert set(reached.replaced) == set(OFFLINE)
    change = reached.replaced["model.checkpoint"]
    assert (change["from"], change["to"]) == ("facebook/deit-base-patch16-224", "bundled:deit-nano")
    assert change["why"] == "facebook/deit-base-patch16-224: 127.0.0.1 refused the connection"
    json.dumps(reached.replaced)


def test_only_data_keys_stand_in_where_only_the_data_are_missing():
    reached = reach(recipe_of(f"{closed_port()}/x.zip", "bundled:deit-nano"))
    assert set(reached.replaced) == {"data.root"}
    assert reached.recipe.optim.epochs is None


def test_all_other_keys_stand_in_where_only_the_checkpoint_is_missing(tmp_path):
    (tmp_path / "data/fridgeObjects").mkdir(parents=True)
    reached = reach(recipe_of(None))
    assert set(reached.replaced) == set(OFFLINE) - {"data.root"}
    assert reached.recipe.data.root == "data/fridgeObjects"


def test_a_key_that_says_what_is_so_anyway_is_not_called_replaced():
    reached = reach(recipe_of(f"{closed_port()}/x.zip", optim={"epochs": 40}))
    assert "optim.epochs" not in reached.replaced


def test_the_checkpoint_does_not_matter_where_only_data_are_read(tmp_path):
    (tmp_path / "data/fridgeObjects").mkdir(parents=True)
    assert not reach(recipe_of(None), strict=True, parts=("data",)).fallback


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("switch", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_a_hub_that_is_switched_off_is_not_asked(monkeypatch, tmp_path, switch):
    (tmp_path / "data/fridgeObjects").mkdir(parents=True)
    monkeypatch.setenv(switch, "1")
    reached = reach(recipe_of(None))
    assert reached.replaced["model.checkpoint"]["why"] == f"facebook/deit-base-patch16-224: {switch} is set"
    assert f"Unset {switch}; or fetch it elsewhere" in str(reached.notice)


def test_the_decision_can_be_sent_to_another_process():
    reached = reach(recipe_of(f"{closed_port()}/x.zip"))
    assert pickle.loads(pickle.dumps(reached)) == reached


def test_the_notice_is_a_plain_frame_that_says_what_why_instead_and_how_to_get_the_real_thing():
    notice = reach(recipe_of(f"{closed_port()}/x.zip")).notice or ""
    assert notice.isascii()
    lines = notice.splitlines()
    assert {len(line) for line in lines} == {WIDTH}
    assert lines[0] == lines[-1] == f"+{'-' * (WIDTH - 2)}+"
    text = " ".join(" ".join(line.strip("|+-") for line in lines).split())
    for words in (
        "THIS RUN DOES NOT USE WHAT ITS RECIPE NAMES",
        "The checkpoint cannot be reached: facebook/deit-base-patch16-224 because 127.0.0.1 refused the connection",
        "The data cannot be reached: http://127.0.0.1:",
        "model.checkpoint: bundled:deit-nano (instead of facebook/deit-base-patch16-224)",
        "optim.learning_rate: 5e-4 (instead of null)",
        "hf download facebook/deit-base-patch16-224",
        "--no-fallback",
    ):
        assert words in text, words


# ---------------------------------------------------------------- where nothing can stand in


def test_strict_refuses_to_let_anything_stand_in():
    with pytest.raises(UnreachableError, match=r"--no-fallback allows nothing to stand in") as caught:
        reach(recipe_of(f"{closed_port()}/x.zip"), strict=True)
    text = str(caught.value)
    assert "model.checkpoint: facebook/deit-base-patch16-224: 127.0.0.1 refused the connection" in text
    assert "data.download.url: http://127.0.0.1:" in text
    assert "Connect to the network; or fetch it elsewhere with `hf download facebook/deit-base-patch16-224" in text


def test_a_recipe_without_the_section_fails():
    with pytest.raises(UnreachableError, match=r"cannot be reached, and the recipe has no offline section to stand in"):
        reach(recipe_of(f"{closed_port()}/x.zip", offline={}))


def test_a_section_that_leaves_out_what_is_missing_fails():
    with pytest.raises(UnreachableError, match=r"the offline section has no model\.checkpoint to stand in"):
        reach(recipe_of(None, offline={"optim.epochs": 3}))


def test_a_stand_in_that_cannot_be_reached_either_fails():
    offline = {"model.checkpoint": "facebook/deit-tiny-patch16-224"}
    with pytest.raises(UnreachableError, match=r"what the offline section names cannot be had either") as caught:
        reach(recipe_of(None, offline=offline))
    assert "facebook/deit-tiny-patch16-224: 127.0.0.1 refused" in str(caught.value)


# ---------------------------------------------------------------- a teacher


def taught(**more: Any) -> Recipe:
    """A recipe of which only the teacher has to be fetched."""
    distill = {"teacher": "someone/wise", "kind": "soft", "temperature": 2.0}
    return recipe_of(None, "bundled:deit-nano", **{"offline": {}, "distill": distill, **more})


def test_a_teacher_is_asked_for_beside_the_others_and_not_where_only_others_are_needed(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.answers = {"/someone/wise/resolve/v1/config.json": (200, {})}
    recipe = taught(distill={"teacher": "someone/wise", "revision": "v1"})
    assert not reach(recipe).fallback
    assert server.asked == ["HEAD /someone/wise/resolve/v1/config.json"]
    reach(recipe, parts=("checkpoint", "data"))
    assert len(server.asked) == 1


@pytest.mark.parametrize("offline", [{}, {"optim.epochs": 3, "data.root": "x"}])
def test_a_teacher_that_cannot_be_reached_is_told_with_what_to_do(offline):
    with pytest.raises(UnreachableError, match=r"^cannot be reached, and the .* to stand in:") as caught:
        reach(taught(offline=offline))
    text = str(caught.value)
    assert ("offline section has no distill.teacher" if offline else "recipe has no offline section") in text
    assert "distill.teacher: someone/wise: 127.0.0.1 refused the connection" in text
    assert (
        "or fetch it elsewhere with `hf download someone/wise --local-dir wise`, copy the folder here and set "
        "distill.teacher=wise, or to the folder of a run of the same classes." in text
    )


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("teacher", ["runs/large", "./nowhere", "bundled:deit-nano"])
def test_a_teacher_in_a_folder_needs_no_network(tmp_path, teacher):
    (tmp_path / "runs/large").mkdir(parents=True)
    assert not reach(taught(distill={"teacher": teacher}), strict=True).fallback


@pytest.mark.parametrize(
    ("offline", "expected"),
    [
        ({"distill.teacher": "runs/small", "distill.temperature": 1.0}, ("runs/small", 1.0)),
        ({"distill": None}, None),
    ],
)
def test_only_the_distill_keys_of_the_section_stand_in_for_a_teacher(tmp_path, offline, expected):
    (tmp_path / "runs/small").mkdir(parents=True)
    reached = reach(taught(offline={**OFFLINE, **offline}))
    assert set(reached.replaced) == set(offline)
    assert reached.recipe.optim.epochs is None
    distill = reached.recipe.distill
    assert (distill and (distill.teacher, distill.temperature)) == expected
    assert "The teacher cannot be reached: someone/wise" in str(reached.notice)
    assert reached.recipe.offline == {**OFFLINE, **offline}


def test_a_teacher_that_comes_with_another_checkpoint_is_asked_for_too(tmp_path):
    (tmp_path / "here").mkdir()
    offline = {"model.checkpoint": "bundled:deit-nano", "distill.teacher": "someone/else"}
    with pytest.raises(UnreachableError, match="what the offline section names cannot be had either") as caught:
        reach(recipe_of(None, offline=offline, distill={"teacher": "here"}))
    assert "distill.teacher: someone/else: 127.0.0.1 refused the connection" in str(caught.value)


def test_a_run_tells_of_its_teacher_before_it_looks_at_the_data():
    from finetune.training import train

    with pytest.raises(UnreachableError, match=r"distill\.teacher: someone/wise: 127\.0\.0\.1 refused"):
        train(taught())  # there is no folder data/fridgeObjects, which would be told next


# ---------------------------------------------------------------- time


def test_a_name_look_up_that_hangs_is_left_behind_in_time(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(60))
    monkeypatch.delenv("HF_ENDPOINT")
    start = time.monotonic()
    reached = reach(recipe_of("https://example.org/x.zip"))
    seconds = time.monotonic() - start
    release.set()
    assert reached.replaced["model.checkpoint"]["why"].endswith("huggingface.co gave no answer within 4 s")
    assert reached.replaced["data.root"]["why"].endswith("example.org gave no answer within 4 s")
    assert SECONDS - 0.5 < seconds < 5


def test_a_server_that_accepts_and_says_nothing_is_given_up_on():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.zip"
        assert reason_against(url, 0.2) == "127.0.0.1 gave no answer within 0.2 s"
