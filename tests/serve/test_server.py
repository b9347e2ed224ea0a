"""A real server process: its answers, its limits and its end."""

from __future__ import annotations

import base64
import http.server
import io
import json
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.predict import open_predictor

ROOT = Path(__file__).parents[2]
KEY = "a-key-of-this-test"


def text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def as_dict(entries: list[dict]) -> dict[str, float]:
    return {entry["label"]: entry["score"] for entry in entries}


def encoded(image: Image.Image, format_: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def several(photo) -> dict[str, bytes]:
    """The same kind of picture in files of every kind."""
    image = Image.open(io.BytesIO(photo(3))).convert("RGB")
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "png": encoded(image, "PNG"),
        "jpeg": encoded(image, "JPEG"),
        "rotated": encoded(image, "JPEG", exif=turned),
        "cmyk": encoded(image.convert("CMYK"), "JPEG"),
        "transparent": encoded(image.convert("RGBA"), "PNG"),
    }


# ---------------------------------------------------------------- answers


def test_it_says_what_predict_says_after_the_temperature_best_first(server, run, several):
    expected = open_predictor(run, "cpu").predict(list(several.values()))
    status, answer = server.score(*several.values())
    assert status == 200
    for entries, said in zip(answer, expected, strict=True):
        assert as_dict(entries) == pytest.approx(said.probabilities, abs=1e-5)
        assert [entry["label"] for entry in entries] == list(said.probabilities)
        assert sum(entry["score"] for entry in entries) == pytest.approx(1.0)


def test_a_multilabel_run_answers_with_sigmoids(multilabel_run, several, start):
    expected = open_predictor(multilabel_run, "cpu").predict(list(several.values()))
    with start(multilabel_run) as server:
        assert server.get("/model")[1]["activation"] == "sigmoid"
        answer = server.score(*several.values())[1]
    for entries, said in zip(answer, expected, strict=True):
        assert as_dict(entries) == pytest.approx(said.probabilities, abs=1e-5)
    assert not all(sum(entry["score"] for entry in entries) == pytest.approx(1.0) for entries in answer)


def test_every_form_of_a_request_gets_the_same_answer(server, photo):
    texts = [text_of(photo(i)) for i in range(2)]
    lines = [base64.encodebytes(photo(i)).decode() for i in range(2)]
    expected = server.post({"input_data": texts})
    forms = [
        [[text] for text in texts],
        {"columns": ["image"], "index": [0, 1], "data": texts},
        {"columns": ["image"], "index": [0, 1], "data": [[line] for line in lines]},
        lines,
        [f"data:image/png;base64,{text}" for text in texts],
    ]
    assert expected[0] == 200
    for form in forms:
        status, answer = server.post({"input_data": form})
        assert status == 200
        for entries, others in zip(answer, expected[1], strict=True):
            assert as_dict(entries) == pytest.approx(as_dict(others), abs=1e-6)


def test_the_three_shapes_of_an_answer_say_the_same(server, photo, run):
    request = {"input_data": [text_of(photo())]}
    (entries,) = server.post(request)[1]
    (records,) = server.post(request, "/score?response=records")[1]
    (probs,) = server.post(request, "/score?response=probs")[1]
    assert list(records) == ["0", "1", "2", "3"]
    assert list(records.values()) == entries
    assert probs["labels"] == list(open_predictor(run, "cpu").labels.names)
    assert dict(zip(probs["labels"], probs["probs"], strict=True)) == as_dict(entries)
    status, answer = server.post(request, "/score?response=other")
    assert status == 422
    assert "'labels', 'records' or 'probs'" in answer["error"]


def test_thirty_two_requests_at_once_say_what_each_says_alone(server, photo):
    contents = [photo(i) for i in range(32)]
    alone = [as_dict(server.score(content)[1][0]) for content in contents]
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(server.score, contents))
    for (status, answer), expected in zip(together, alone, strict=True):
        assert status == 200
        assert as_dict(answer[0]) == pytest.approx(expected, abs=1e-5)
    batches = server.get("/metrics")[1]
    assert 'deit_finetune_batch_images_bucket{le="1.0"}' in batches


def test_attention_is_a_picture_for_each_token(server, photo):
    status, answer = server.post({"input_data": [text_of(photo()), "%%"]}, "/attention")
    assert status == 200
    assert answer[0].keys() == {"class token"}
    head, _, data = answer[0]["class token"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (192, 192)
    assert "no base64" in answer[1]["error"]


def test_the_other_endpoints_describe_it(server):
    assert server.get("/health") == (200, {"status": "alive"})
    assert server.get("/ready") == (200, {"status": "ready"})
    status, model = server.get("/model")
    assert status == 200
    assert (model["task"], model["activation"], model["calibrated"]) == ("multiclass", "softmax", True)
    assert model["limits"]["max_images"] == 8
    status, schema = server.get("/openapi.json")
    assert status == 200
    assert {"/score", "/attention", "/health", "/ready", "/model", "/metrics"} == set(schema["paths"])
    assert {"413", "422", "429", "504"} <= set(schema["paths"]["/score"]["post"]["responses"])
    assert server.get("/docs")[0] == 200
    assert server.get("/nothing")[0] == 404
    assert server.get("/score")[0] == 405


def test_the_sample_request_is_answered(server):
    request = json.loads((ROOT / "recipes" / "sample_request.json").read_text(encoding="utf-8"))
    status, answer = server.post(request)
    assert status == 200
    assert len(answer) == len(request["input_data"])


# ---------------------------------------------------------------- limits


def test_bad_images_have_their_error_at_their_place(server, photo):
    claims = encoded(Image.new("1", (9_000, 9_000)), "PNG")
    status, answer = server.score(b"GIF89a", photo(), claims, photo(1)[:200])
    assert status == 200
    assert [isinstance(entry, list) for entry in answer] == [False, True, False, False]
    assert "too many pixels (9000×9000; the limit is 50,000,000 pixels)" in answer[2]["error"]
    assert "truncated" in answer[3]["error"]


@pytest.mark.parametrize(
    ("request_", "reason", "image"),
    [
        ({"input_data": []}, "has no image", None),
        ({"input_data": ["%%", "R0lGODlh"]}, "none of the 2 images can be scored; image 0: is no base64", 0),
        ({"input_data": ["http://example.org/can.jpg"]}, "image 0: addresses are not fetched", 0),
        ({"input_data": ["file:///etc/passwd"]}, "image 0: an address of scheme 'file'", 0),
        ({"input_data": ["/etc/passwd"]}, "image 0: is no base64", 0),
        (b"{", "the body is no JSON", None),
    ],
)
def test_a_request_without_a_good_image_is_refused(server, request_, reason, image):
    status, answer = server.post(request_)
    assert status == 422
    assert reason in answer["error"]
    assert answer.get("image") == image


def test_too_many_images_and_too_large_bodies_are_refused(server):
    status, answer = server.post({"input_data": ["a"] * 9})
    assert (status, answer["image"]) == (413, 8)
    assert "9 images in a request; the limit is 8" in answer["error"]
    status, answer = server.post({"input_data": ["a" * 2**21]})  # read to its end, so that the reason arrives
    assert status == 413
    assert "larger than 1 MiB" in answer["error"]


def raw(port: int, head: str, *parts: bytes) -> bytes:
    """What comes back for bytes as they are."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"".join(parts))
        answer = b""
        while block := connection.recv(65536):
            answer += block
            if b"\r\n\r\n" in answer and answer.endswith(b"}"):
                return answer
        return answer


def test_a_body_is_not_read_where_its_head_says_enough(server):
    answer = raw(server.port, "POST /score HTTP/1.1\nHost: x\nContent-Length: 99999999999\n\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_without_a_length_is_counted(server):
    head = "POST /score HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n"
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    assert raw(server.port, head, chunk * 20, b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


@pytest.fixture(scope="module")
def strict(tmp_path_factory, run, start):
    """A server whose options are a file's, with a key, one second for a request, and room for two images."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "key").write_text(f"{KEY}\nnot this\n")
    file = folder / "serve.yaml"
    file.write_text(f"run: {run}\nmax_queue: 7\ntimeout_s: 1.0\nallow_urls: true\napi_key_file: {folder / 'key'}\n")
    log: list[str] = []
    with start(file, "--max-queue", "2", log=log) as started:
        started.log = log
        yield started


@pytest.mark.parametrize("sent", [None, f"Bearer {KEY}x", f"Basic {KEY}", KEY, "Bearer", "Bearer not this"])
@pytest.mark.parametrize("path", ["/score", "/attention"])
def test_without_the_key_nothing_is_scored(strict, photo, path, sent):
    headers = {} if sent is None else {"Authorization": sent}
    status, answer = strict.post({"input_data": [text_of(photo())]}, path, **headers)
    assert status == 401
    assert "Authorization: Bearer KEY" in answer["error"]


def test_the_key_opens_what_is_closed_and_health_needs_none(strict, photo):
    opened = {"Authorization": f"Bearer {KEY}"}
    assert strict.post({"input_data": [text_of(photo())]}, **opened)[0] == 200
    for path in ("/model", "/metrics"):
        assert strict.get(path)[0] == 401
        assert strict.get(path, **opened)[0] == 200
    for path in ("/", "/health", "/ready"):
        assert strict.get(path)[0] == 200
    assert strict.get("/model", **opened)[1]["limits"]["max_queue"] == 2
    assert KEY not in "".join(strict.log)
    assert any("POST /score 200 images=1" in line for line in strict.log)


def test_a_full_queue_names_the_first_image_without_room(strict, photo):
    status, answer = strict.post({"input_data": [text_of(photo())] * 3}, Authorization=f"Bearer {KEY}")
    assert (status, answer["image"]) == (429, 2)
    assert "the queue of 2 images is full" in answer["error"]


def test_what_takes_too_long_is_given_up(strict, photo):
    flat = encoded(Image.new("RGB", (5_000, 5_000)), "JPEG", progressive=True)
    scan = flat[flat.rindex(b"\xff\xda") : -2]
    slow = flat[:-2] + scan * 50 + flat[-2:]  # each scan is a pass over all pixels
    opened = {"Authorization": f"Bearer {KEY}"}
    status, answer = strict.post({"input_data": [text_of(photo()), text_of(slow)]}, **opened)
    assert (status, answer["image"]) == (504, 1)
    assert "image 1: not done within 1 s" in answer["error"]
    assert strict.post({"input_data": [text_of(photo())]}, **opened)[0] == 200


def test_a_body_that_does_not_arrive_is_given_up(strict):
    head = f"POST /score HTTP/1.1\nHost: x\nAuthorization: Bearer {KEY}\nContent-Length: 100\n\n"
    assert raw(strict.port, head, b"{").startswith(b"HTTP/1.1 408 ")


def test_an_address_of_this_machine_is_never_asked(strict):
    asked = []

    class Inside(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)

    with http.server.HTTPServer(("127.0.0.1", 0), Inside) as inside:
        thread = threading.Thread(target=inside.serve_forever)
        thread.start()
        for host in (
            "127.0.0.1",
            "localhost",
            "[::ffff:127.0.0.1]",
            "2130706433",
            "0177.1",
            "169.254.169.254",
            "[::1]",
        ):
            request = {"input_data": [f"http://{host}:{inside.server_port}/can.jpg"]}
            status, answer = strict.post(request, Authorization=f"Bearer {KEY}")
            assert status == 422
            assert "not a public host" in answer["error"]
        inside.shutdown()
        thread.join()
    assert asked == []


def test_two_hundred_hostile_bodies_are_refused_and_the_next_good_request_is_answered(server, hostile, photo):
    expected = server.score(photo())
    found = {(kind, server.post(body)[0]) for kind, body in hostile(200)}
    assert len({kind for kind, _ in found}) == 16
    assert {status for _, status in found} <= {200, 413, 422}
    assert {status for kind, status in found if kind in ("bomb", "many_scans", "not_json", "address")} == {422}
    assert server.score(photo()) == expected
    assert server.process.poll() is None


# ---------------------------------------------------------------- beginning and end


def test_what_was_taken_in_is_answered_before_it_ends(run, start):
    big = text_of(encoded(Image.fromarray(np.zeros((2500, 2500, 3), dtype=np.uint8)), "JPEG"))
    requests = 16
    with start(run) as server, ThreadPoolExecutor(requests) as pool:
        answers = [pool.submit(server.post, {"input_data": [big, big]}) for _ in range(requests)]
        while taken_in(server) < 2 * requests:
            time.sleep(0.02)
        assert server.stop(signal.SIGTERM) == 0
        assert [answer.result(60)[0] for answer in answers] == [200] * requests
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.port), timeout=5)


def taken_in(server) -> int:
    """Images in hand or answered."""
    lines = dict(line.rsplit(" ", 1) for line in server.get("/metrics")[1].splitlines() if not line.startswith("#"))
    answered = float(lines.get('deit_finetune_images_total{outcome="scored"}', 0))
    return int(float(lines["deit_finetune_queued_images"]) + answered)


def test_several_workers_answer_and_count_together(run, start, photo):
    with start(run, "--workers", "2") as server:
        answers = [server.score(photo()) for _ in range(4)]
        assert [status for status, _ in answers] == [200] * 4
        assert answers[0] == answers[3]
        text = server.get("/metrics")[1]
        assert 'deit_finetune_requests_total{path="/score",status="200"} 4.0' in text
        assert server.stop(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{run}/nothing"], "nothing: "),
        (["{run}", "--max-queue", "0"], "found '0', expected a whole number from 1 up"),
        (["{run}", "--timeout-s", "0"], "serve: timeout_s: found 0.0, expected a number above 0"),
        (["{run}", "--host", "192.0.2.1"], "192.0.2.1 port 8000: cannot listen there"),
        (["{run}", "--runtime", "onnx"], "was not exported; write it by deit-finetune export"),
    ],
)
def test_what_cannot_be_served_is_said_and_exits_with_2(command, run, words, message):
    done = command("serve", *(word.format(run=run) for word in words))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("text", "reason"), [(None, "cannot be read"), (" \n\n", "is empty; expected a key")])
def test_a_key_file_without_a_key_is_refused(tmp_path, text, reason):
    from finetune.errors import RecipeError
    from finetune.serve.keys import read_key

    if text is not None:
        (tmp_path / "key").write_text(text)
    with pytest.raises(RecipeError, match=reason):
        read_key(str(tmp_path / "key"))


def test_a_missing_extra_is_named(run, monkeypatch):
    import importlib.util

    from finetune.errors import RecipeError
    from finetune.recipe.sections import Serve
    from finetune.serve import serve

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "uvicorn" else real(name, *rest)
    )
    with pytest.raises(RecipeError, match=r"uvicorn is not installed; pip install 'deit-finetune\[serve\]'"):
        serve(Serve(run=str(run)))


def test_the_shipped_options_load():
    from finetune.recipe.options import load_options
    from finetune.recipe.sections import Serve

    options = load_options(Serve, ROOT / "recipes" / "serve.yaml")
    assert options.run == "runs/fridge_multiclass"
    assert options.allow_urls is False


def test_nothing_of_the_server_is_needed_for_the_rest():
    import subprocess

    program = (
        "import sys, finetune.cli, finetune.predict, finetune.serve; print(*{'fastapi', 'uvicorn'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"
