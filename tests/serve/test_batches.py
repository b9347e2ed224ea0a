"""The model's thread: what is waiting goes in one pass, and nobody waits for others."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from finetune.data.images import decode
from finetune.predict import Ensemble, open_predictor
from finetune.serve.batches import Batches, ModelFailedError


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)


@pytest.fixture
def held(run):
    """A predictor whose forward pass waits for ``gate``, and the sizes of its passes."""
    predictor, gate, sizes = open_predictor(run, "cpu"), threading.Event(), []
    real = predictor.forward

    @contextmanager
    def forward(**options):
        with real(**options) as go:

            def waits(batch):
                sizes.append(len(batch))
                assert gate.wait(30)
                if batch.max() == 0:
                    raise RuntimeError("black")
                return go(batch)

            yield waits

    predictor.forward = forward
    return predictor, gate, sizes


def test_what_waits_while_the_model_computes_goes_in_one_pass(held, pixels):
    predictor, gate, sizes = held
    batches = Batches(predictor, batch_size=16)
    first = batches.predict(pixels[0])
    while not sizes:  # the first is taken at once, alone
        pass
    rest = [batches.predict(image) for image in pixels[1:]]
    gate.set()
    said = [answer.result(30) for answer in [first, *rest]]
    assert sizes == [1, 16, 16, 7]
    batches.close()
    with predictor.forward() as forward:
        alone = [predictor.said(forward(torch.from_numpy(image[None])).numpy(), [None])[0] for image in pixels]
    for together, single in zip(said, alone, strict=True):
        assert together.probabilities == pytest.approx(single.probabilities, abs=1e-6)


def test_models_that_predict_together_say_their_mean(run, photo):
    together = Ensemble([open_predictor(run, "cpu"), open_predictor(run, "cpu")])
    (expected,) = together.predict(photo())
    batches = Batches(together, batch_size=4)
    image = together.pixels.to_uint8(decode(photo()))
    assert batches.predict(image).result(30).probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    batches.close()


def test_an_image_that_nobody_waits_for_is_not_computed(held, pixels):
    predictor, gate, sizes = held
    batches = Batches(predictor, batch_size=16)
    first = batches.predict(pixels[0])
    while not sizes:
        pass
    left, stayed = batches.predict(pixels[1]), batches.predict(pixels[2])
    assert left.cancel()
    gate.set()
    assert first.result(30)
    assert stayed.result(30)
    batches.close()
    assert sizes == [1, 1]


def test_a_model_that_fails_says_so_to_its_batch_and_goes_on(held, pixels, caplog):
    predictor, gate, _ = held
    gate.set()
    batches = Batches(predictor, batch_size=16)
    with pytest.raises(ModelFailedError):
        batches.predict(np.zeros_like(pixels[0])).result(30)
    assert batches.predict(pixels[0]).result(30).probabilities
    assert "RuntimeError: black" in caplog.text
    batches.close()


def test_closing_answers_what_is_waiting(held, pixels):
    predictor, gate, sizes = held
    batches = Batches(predictor, batch_size=4)
    waiting = [batches.predict(image) for image in pixels[:10]]
    errand = batches.call(lambda: "done")
    while not sizes:
        pass
    threading.Timer(0.1, gate.set).start()
    batches.close()
    assert all(answer.done() for answer in waiting)
    assert errand.result(0) == "done"
    assert not batches.alive
