"""``search.space``: what may stand in it, and what is drawn."""

from __future__ import annotations

import pytest

from finetune.errors import RecipeError
from finetune.search.space import check_space, draw


def faults(recipe_for, space):
    with pytest.raises(RecipeError) as caught:
        check_space(recipe_for(**{"search.space": space}))
    return str(caught.value)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "search.space: is empty, so there is nothing to vary; write for example search: {space: {optim.learning"),
        ({"optim.learning_rat": [1e-3]}, "search.space: optim.learning_rat: unknown key; did you mean learning_rate?"),
        (
            {"optim.learning_rate": {"low": -1.0, "high": 1.0}},
            "search.space: optim.learning_rate: found -1.0, expected a number above 0",
        ),
        ({"augment.preset": ["light", "lihgt"]}, "search.space: augment.preset: found 'lihgt', expected none, light"),
        (
            {"optim.batch_size": {"low": 4, "high": 8}},
            "search.space: optim.batch_size: found 4.0, expected a whole number",
        ),
        (
            {"optim.batch_size": {"low": 4.5, "high": 8, "whole": True}},
            "optim.batch_size: found low 4.5 and high 8, expected whole numbers, as whole is true",
        ),
        ({"augment.preset": []}, "search.space: augment.preset: found [], expected at least one value, each once"),
        ({"data.split.seed": [1, 2]}, "search.space: data.split.seed: may not vary: trials are compared on the same"),
        ({"run.name": ["a", "b"]}, "search.space: run.name: may not vary"),
    ],
)
def test_a_space_that_no_trial_could_use_is_refused_by_words(recipe_for, space, message):
    assert message in faults(recipe_for, space)


def test_all_faults_are_told_at_once(recipe_for):
    text = faults(recipe_for, {"optim.epoch": [1], "run.seed": [1, 2], "optim.epochs": [0, 1]})
    assert "3 faults" in text


NO_PAIR = {"optim.warmup_steps": [50, 60], "optim.max_steps": [20, 30]}


def test_two_keys_that_never_go_together_are_told_before_training(recipe_for):
    assert (
        "search.space: optim.warmup_steps and optim.max_steps: no two of their values go together: "
        "optim.warmup_steps: found 50, but training ends after max_steps 20; expected fewer"
    ) in faults(recipe_for, {**NO_PAIR, "optim.weight_decay": [0.0, 0.1]})


def test_two_keys_of_which_some_values_go_together_are_left_to_the_trials(recipe_for):
    check_space(recipe_for(**{"search.space": {"optim.warmup_steps": [5, 50], "optim.max_steps": [20, 30]}}))


def test_a_value_that_is_taken_only_beside_another_key_s_is_sound(recipe_for):
    blocks = {"model.train_blocks": [1, 2]}
    check_space(recipe_for(**{"search.space": {"model.train": ["last_n_blocks", "all"], **blocks}}))
    assert "search.space: model.train_blocks: found 1" in faults(
        recipe_for, {"optim.weight_decay": [0.0, 0.1], **blocks}
    )


def test_a_sound_space_passes_whatever_its_values_are(recipe_for):
    space = {
        "optim.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
        "optim.batch_size": {"low": 4, "high": 8, "whole": True},
        "optim.betas": [[0.9, 0.999], [0.9, 0.95]],
        "data.sampling": ["shuffled", "balanced"],
        "optim.layer_decay": [None, 0.75],
    }
    recipe = recipe_for(**{"search.space": space})
    check_space(recipe)
    fixed = {
        "optim.learning_rate": 1e-3,
        "optim.batch_size": 5,
        "optim.betas": "[0.9, 0.95]",
        "data.sampling": "balanced",
    }
    optuna = pytest.importorskip("optuna")
    values = draw(optuna.trial.FixedTrial({**fixed, "optim.layer_decay": "null"}), recipe.search.space)
    assert values == {**fixed, "optim.betas": [0.9, 0.95], "optim.layer_decay": None}
