"""What goes wrong behind the endpoints."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from finetune.predict import open_predictor
from finetune.recipe.sections import Serve
from finetune.serve.access import Access
from finetune.serve.metrics import Metrics
from finetune.serve.refused import RefusedError
from finetune.serve.room import Room
from finetune.serve.service import Service


def test_a_model_that_fails_is_a_503(run, photo, monkeypatch, caplog):
    predictor = open_predictor(run, "cpu")
    service = Service(predictor, Serve(run=str(run)), Metrics())
    monkeypatch.setattr(predictor, "said", lambda *_: 1 / 0)
    with pytest.raises(RefusedError, match="the model failed") as caught:
        asyncio.run(service.score([base64.b64encode(photo()).decode()], 30.0))
    assert caught.value.status == 503
    assert "ZeroDivisionError" in caplog.text
    service.close()


def test_a_fault_of_ours_reaches_the_log_and_not_the_client(caplog):
    sent = []

    async def broken(scope, receive, send):
        raise RuntimeError("secret")

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/score\nforged", "method": "POST", "client": ("1.2.3.4", 5)}
    with caplog.at_level("INFO"):
        asyncio.run(Access(broken, Metrics(), frozenset())(scope, None, send))
    assert [message.get("status") for message in sent] == [500, None]
    assert json.loads(sent[1]["body"]) == {"error": "a fault of the server; its log has more"}
    assert "RuntimeError: secret" in caplog.text
    assert "1.2.3.4 POST /score%0Aforged 500" in caplog.text


def test_room_is_given_back_and_taken_whole():
    room = Room(images=3, bytes_=100)
    with room.share() as first:
        first.take_images(2)
        first.take_bytes(60)
        with room.share() as second:
            with pytest.raises(RefusedError, match=r"image 1: the queue of 3 images is full") as caught:
                second.take_images(2)
            assert (caught.value.status, caught.value.image) == (429, 1)
            with pytest.raises(RefusedError, match="as many bytes as may be"):
                second.take_bytes(41)
            second.take_images(1)
    assert (room.images, room.bytes) == (0, 0)
