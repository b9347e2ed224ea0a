"""From a curve to a rate, on curves whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.search.descent import FIRST, half_way_down, noise_of, smoothed, suggest

RATES = [10 ** (-7 + 7 * step / 99) for step in range(100)]


def test_the_smoothed_loss_is_a_running_mean_without_the_bias_of_its_start():
    assert smoothed([4.0, 2.0], beta=0.5) == pytest.approx([4.0, (0.25 * 4 + 0.5 * 2) / 0.75])


def test_the_suggestion_lies_half_of_the_way_down():
    flat, fall, rise = [2.0] * 40, list(np.linspace(2.0, 0.5, 41)[1:]), list(np.linspace(0.5, 6.0, 20))
    found = suggest(RATES, flat + fall + rise)
    assert RATES[50] < found.learning_rate < RATES[70]
    assert "half of the way down from 2 to" in found.note


@pytest.mark.parametrize("seed", range(5))
def test_noise_does_not_move_the_suggestion_far(seed):
    clean = np.concatenate([np.full(40, 2.0), np.linspace(2.0, 0.5, 40), np.linspace(0.5, 6.0, 20)])
    noisy = clean + np.random.default_rng(seed).normal(0, 0.1, 100)
    assert abs(np.log10(suggest(RATES, noisy.tolist()).learning_rate) - np.log10(RATES[60])) < 1


@pytest.mark.parametrize("slope", [0.0, 0.01])
@pytest.mark.parametrize("seed", range(5))
def test_a_curve_without_a_clear_descent_gets_no_suggestion_but_a_word(slope, seed):
    noise = np.random.default_rng(seed).normal(0, 0.2, 100)
    found = suggest(RATES, (2.0 + slope * np.arange(100) + noise).tolist())
    assert found.learning_rate is None
    assert "no clear descent: the loss fell by" in found.note


def test_a_loss_that_is_gone_at_once_asks_for_a_lower_rate():
    assert suggest(RATES, [2.0]) == (None, "only 1 of 100 steps had a loss; start from a lower rate")


def test_the_way_down_is_told_without_the_delay_of_smoothing():
    losses = [2.0] * 40 + list(np.linspace(2.0, 0.5, 41)[1:]) + [0.5] * 20
    assert abs(half_way_down(losses, 2.0) - 60) <= 4


def test_noise_is_measured_from_neighbours_so_that_a_slope_is_none():
    assert noise_of(list(np.linspace(2, 1, 50))) == pytest.approx(0.0, abs=1e-9)
    steps = np.random.default_rng(2).normal(0, 1.0, 20_000)
    expected = np.hypot(np.std(smoothed(steps.tolist())[200:]), np.std(steps.reshape(-1, FIRST).mean(axis=1)))
    assert noise_of(steps.tolist()) == pytest.approx(expected, rel=0.05)
