"""optim.preset: what is chosen, and that a value in the recipe wins."""

from __future__ import annotations

import dataclasses

import pytest

from finetune.errors import RecipeError
from finetune.recipe.settings import PUBLISHED, Settings, choose_settings, presets_table


def chosen(recipe_for, images: int = 500, **overrides) -> Settings:
    nothing = {f"optim.{name}": None for name in ("epochs", "batch_size", "learning_rate")}
    return choose_settings(recipe_for(**{**nothing, **overrides}), images)


def test_plain_is_fifteen_epochs_of_sixteen_images_at_a_constant_small_rate(recipe_for):
    expected = Settings(epochs=15.0, batch_size=16, learning_rate=5e-5)
    assert chosen(recipe_for, **{"optim.preset": "plain"}) == expected


@pytest.mark.parametrize(
    ("preset", "epochs", "batch_size", "learning_rate", "optimizer", "weight_decay"),
    [
        ("azure", 15.0, 60, 5e-5, "adamw", 0.0),
        ("deit", 300.0, 1024, 1e-3, "adamw", 0.05),
        ("deit_384", 30.0, 512, 5e-6, "adamw", 1e-8),
        ("deit_transfer", 1000.0, 768, 0.01, "sgd", 1e-4),
    ],
)
def test_a_published_preset_has_the_published_numbers(
    recipe_for, preset, epochs, batch_size, learning_rate, optimizer, weight_decay
):
    found = chosen(recipe_for, **{"optim.preset": preset})
    assert (found.epochs, found.batch_size, found.learning_rate) == (epochs, batch_size, learning_rate)
    assert (found.optimizer, found.weight_decay) == (optimizer, weight_decay)


@pytest.mark.parametrize("preset", ["auto", *PUBLISHED])
def test_what_the_recipe_says_wins_over_every_preset(recipe_for, preset):
    own = {"epochs": 2.5, "batch_size": 7, "learning_rate": 3e-3, "optimizer": "rmsprop", "weight_decay": 0.3}
    own |= {"warmup_fraction": 0.2, "layer_decay": 0.5}
    found = chosen(recipe_for, **{"optim.preset": preset, **{f"optim.{name}": value for name, value in own.items()}})
    assert found == Settings(**own)


def test_auto_takes_larger_batches_and_fewer_epochs_of_more_images(recipe_for):
    few, some, many = (chosen(recipe_for, images, **{"optim.preset": "auto"}) for images in (100, 5_000, 1_000_000))
    assert few.batch_size < some.batch_size < many.batch_size
    assert few.epochs > some.epochs >= many.epochs == 10.0


@pytest.mark.parametrize(
    ("batch_size", "epochs", "learning_rate"),
    [(16, 10.0, 5e-5), (64, 32.0, 1e-4), (256, 50.0, 2e-4), (None, 10.0, 5e-5)],
)
def test_auto_fits_rate_and_epochs_to_the_batch_that_the_recipe_writes(recipe_for, batch_size, epochs, learning_rate):
    # 500 steps of 64 of 1,000 images are 32 epochs, of 256 more than the 50 that are the most
    found = chosen(recipe_for, 1_000, **{"optim.preset": "auto", "optim.batch_size": batch_size})
    assert (found.batch_size, found.epochs) == (batch_size or 16, epochs)
    assert found.learning_rate == pytest.approx(learning_rate)


def test_auto_fits_random_weights_to_the_batch_that_the_recipe_writes(recipe_for):
    found = chosen(recipe_for, 6_400, **{"optim.preset": "auto", "model.weights": "random", "optim.batch_size": 256})
    assert (found.learning_rate, found.epochs) == (pytest.approx(2e-3), 120.0)  # 3,000 steps of 25 an epoch


@pytest.mark.parametrize("train", ["head", "lora"])
def test_auto_has_one_rate_for_a_head_and_one_for_adapters_whatever_the_batch(recipe_for, train):
    small, large = (
        chosen(recipe_for, **{"optim.preset": "auto", "model.train": train, "optim.batch_size": size})
        for size in (16, 256)
    )
    assert small.learning_rate == large.learning_rate


@pytest.mark.parametrize(
    ("preset", "batch_size", "learning_rate"),
    [
        ("deit", 64, 6.25e-5),  # 5e-4 for each 512 images
        ("deit", 4096, 4e-3),
        ("deit_384", 64, 6.25e-7),  # 5e-6 for each 512 images
        ("deit_transfer", 96, 1.25e-3),  # 0.01 for each 768 images
        ("plain", 64, 5e-5),
        ("azure", 64, 5e-5),
    ],
)
def test_deits_rates_are_in_proportion_to_the_batch_and_the_others_fixed(recipe_for, preset, batch_size, learning_rate):
    found = chosen(recipe_for, **{"optim.preset": preset, "optim.batch_size": batch_size})
    assert (found.batch_size, found.learning_rate) == (batch_size, pytest.approx(learning_rate))


def test_auto_moves_weights_that_know_nothing_faster(recipe_for):
    rates = [
        chosen(recipe_for, **{"optim.preset": "auto", **overrides}).learning_rate
        for overrides in ({}, {"model.train": "lora"}, {"model.train": "head"})
    ]
    assert rates == sorted(set(rates))
    assert chosen(recipe_for, **{"optim.preset": "auto", "model.weights": "random"}).learning_rate > rates[0]


def test_a_warm_up_in_steps_replaces_the_presets_share(recipe_for):
    assert chosen(recipe_for, **{"optim.preset": "auto", "optim.warmup_steps": 5}).warmup_fraction == 0.0


def test_a_batch_that_a_preset_chose_and_that_cannot_be_cut_so_often_is_refused(recipe_for):
    with pytest.raises(
        RecipeError, match=r"optim\.accumulation_steps: found 99, but the batch that preset plain chose"
    ):
        chosen(recipe_for, **{"optim.preset": "plain", "optim.accumulation_steps": 99})


def test_the_table_has_a_row_for_every_value_and_a_column_for_every_preset():
    head, _, *rows = presets_table().splitlines()
    assert head == "| optim. | auto | plain | azure | deit | deit_384 | deit_transfer |"
    assert [row.split("`")[1] for row in rows] == [field.name for field in dataclasses.fields(Settings)]
    assert rows[2].endswith("| 5e-5 | 5e-5 | 1e-3 · batch / 1024 | 5e-6 · batch / 512 | 0.01 · batch / 768 |")
