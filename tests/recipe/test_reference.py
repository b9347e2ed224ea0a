"""recipes/README.md, and that nothing a user may look for is forgotten in it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from finetune.errors import RecipeError
from finetune.recipe import load_recipe
from finetune.recipe.augmentation import PRESETS as AUGMENT_PRESETS
from finetune.recipe.elsewhere import AZURE, OTHER_NAMES, TRAINING_ARGUMENTS
from finetune.recipe.keys import leaf_keys
from finetune.recipe.reference import reference
from finetune.recipe.settings import PUBLISHED as OPTIM_PRESETS

README = Path(__file__).parents[2] / "recipes" / "README.md"


def test_the_readme_is_the_one_that_the_code_gives():
    text = README.read_text(encoding="utf-8")
    assert text == reference(), "run: python -m finetune.recipe.reference > recipes/README.md"


def test_the_readme_has_a_row_for_every_key():
    text = reference()
    words = {
        key.removeprefix("data.") if key.startswith("data.") else key.partition(".")[2] or key for key in leaf_keys()
    }
    assert [word for word in words - {"kind", "distill", "offline"} if f"| `{word}` |" not in text] == []


@pytest.mark.parametrize(
    ("heading", "names", "words"),
    [
        (
            "augment",
            AUGMENT_PRESETS,
            ("wins over the preset", "`null` takes the preset's value", "bicubic", "Colour jitter"),
        ),
        (
            "optim",
            ("auto", *OPTIM_PRESETS),
            ("wins over the preset", "`null` takes the preset's value", "`derived.optim`"),
        ),
    ],
)
def test_every_preset_is_spelled_out_and_what_overrides_it_is_said(heading, names, words):
    section = reference().partition(f"### {heading}\n")[2].partition("\n### ")[0]
    (titles,) = [line for line in section.splitlines() if line.startswith(f"| {heading}. |")]
    assert titles.split("|")[2:-1] == [f" {name} " for name in names]
    assert all(f"{name}:" in section for name in names)  # in the words of the key preset
    assert [word for word in words if word not in section] == []


def test_the_table_has_every_field_of_training_arguments_and_no_other():
    from transformers import TrainingArguments

    assert set(TRAINING_ARGUMENTS) == {field.name for field in dataclasses.fields(TrainingArguments)}


@pytest.mark.parametrize("places", [TRAINING_ARGUMENTS, AZURE, OTHER_NAMES])
def test_every_key_that_is_named_exists_and_what_has_no_key_has_a_reason(places):
    assert {key for place in places.values() for key in place.keys} <= set(leaf_keys())
    assert [name for name, place in places.items() if not place.keys and len(place.note) < 10] == []


@pytest.mark.parametrize("name", sorted({*TRAINING_ARGUMENTS, *AZURE} - set(leaf_keys()) - {"max_steps"}))
def test_a_name_from_elsewhere_is_answered_by_a_key_or_a_reason(smallest, name):
    own = {key.rpartition(".")[2] for key in leaf_keys()}
    with pytest.raises(RecipeError, match=r"did you mean|it has none here") as caught:
        load_recipe({**smallest, "loss": {name: 1}})
    place = TRAINING_ARGUMENTS.get(name) or AZURE[name]
    if name not in own and place.keys:
        assert any(key in str(caught.value) for key in place.keys)
