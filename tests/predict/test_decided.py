"""A model decides as was tuned and saved with it."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.model import save_model
from finetune.model.decision import Decision, write_decision
from finetune.predict import Ensemble, Predictor


@pytest.fixture
def saved(make_model, tmp_path):
    """A function that saves the tiny model with a decision, and opens it."""

    def save(problem_type, decision, name="model"):
        loaded = make_model(problem_type)
        save_model(loaded.model, loaded.pixels, tmp_path / name)
        write_decision(tmp_path / name, decision, loaded.labels, {})
        return Predictor(tmp_path / name, device="cpu")

    return save


def test_each_label_has_its_threshold_and_temperature(saved, images):
    plain = saved("multi_label_classification", Decision(), "plain")
    tuned = saved("multi_label_classification", Decision((2.0, 1.0, 0.5), (0.9, 0.5, 0.1)), "tuned")
    odds = plain.logits(images) / [2.0, 1.0, 0.5]
    expected = 1 / (1 + np.exp(-odds)) >= [0.9, 0.5, 0.1]
    for prediction, row, logits in zip(tuned.predict(images), expected, odds, strict=True):
        assert prediction.predicted == [name for name, there in zip(tuned.labels.names, row, strict=True) if there]
        assert prediction.probabilities["can"] == pytest.approx(1 / (1 + np.exp(-logits[0])))


def test_a_model_that_may_abstain_says_nothing_when_unsure(saved, images):
    plain = saved("single_label_classification", Decision(), "plain").predict(images)
    below = float(np.median([prediction.top(1)[0][1] for prediction in plain]))
    found = saved("single_label_classification", Decision(abstain_below=below), "tuned").predict(images)
    assert 0 < sum(not prediction.predicted for prediction in found) < len(images)
    for prediction, one in zip(found, plain, strict=True):
        assert prediction.probabilities == one.probabilities
        assert prediction.predicted == (one.predicted if one.top(1)[0][1] >= below else [])


def test_models_together_calibrate_each_and_share_the_mean_of_their_thresholds(saved, images):
    one = saved("multi_label_classification", Decision((2.0, 2.0, 2.0), (0.2, 0.4, 0.6)), "one")
    other = saved("multi_label_classification", Decision(), "other")
    together = Ensemble([one, other])
    assert together.decision == Decision(None, pytest.approx((0.35, 0.45, 0.55)))
    own = one.predict(images), other.predict(images)
    for prediction, first, second in zip(together.predict(images), *own, strict=True):
        mean = (first.probabilities["can"] + second.probabilities["can"]) / 2
        assert prediction.probabilities["can"] == pytest.approx(mean, abs=1e-6)
