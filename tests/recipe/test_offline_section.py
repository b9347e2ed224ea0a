"""The offline section: overrides that are checked by applying them."""

from __future__ import annotations

import pytest

from finetune.errors import RecipeError
from finetune.recipe import load_recipe, offline_recipe

SECTION = {
    "model.checkpoint": "bundled:deit-nano",
    "optim.epochs": 40,
    "data.root": "bundled:fridge-objects",
}


def faults_of(tree: dict[str, object], offline: dict[str, object]) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load_recipe({**tree, "offline": offline})
    return caught.value.faults


@pytest.mark.parametrize(
    ("checkpoint", "data", "expected"),
    [
        (True, False, ("bundled:deit-nano", 40.0, "photos")),
        (False, True, ("facebook/deit-base-patch16-224", None, "bundled:fridge-objects")),
        (True, True, ("bundled:deit-nano", 40.0, "bundled:fridge-objects")),
        (False, False, ("facebook/deit-base-patch16-224", None, "photos")),
    ],
)
def test_data_keys_stand_in_for_data_and_all_others_for_the_checkpoint(smallest, checkpoint, data, expected):
    recipe = load_recipe({**smallest, "offline": SECTION})
    applied = offline_recipe(recipe, checkpoint=checkpoint, data=data)
    assert (applied.model.checkpoint, applied.optim.epochs, applied.data.root) == expected
    assert applied.offline == SECTION


@pytest.mark.parametrize(
    ("offline", "fault"),
    [
        ({"optim.epoch": 3}, "offline.optim.epoch: unknown key; did you mean epochs?"),
        ({"optm.epochs": 3}, "offline: optm: unknown key; did you mean optim?"),
        ({"optim.epochs": "many"}, "offline.optim.epochs: found 'many', expected a number above 0, or null"),
        ({"data.root": ""}, "offline.data.root: found '', expected text that is not empty"),
        (
            {"data.download": {"url": "x"}},
            "offline.data.download.url: found 'x', expected an address that begins with http://, https:// or file://",
        ),
        (
            {"model": {"checkpoint": "x"}},
            "offline.model: a whole section; set its keys one by one, such as model.checkpoint",
        ),
        (
            {"evaluate.every": "steps"},
            "offline: evaluate.every_steps: missing; evaluate.every is steps, so say how many",
        ),
    ],
)
def test_a_fault_in_the_section_is_found_though_it_is_not_applied(smallest, offline, fault):
    assert faults_of(smallest, offline) == [fault]


def test_a_combination_that_can_be_applied_in_part_must_hold_in_every_part(smallest):
    table = {"data": {"kind": "csv", "root": "tables"}, "task": "multilabel"}
    (fault,) = faults_of(smallest, table)
    assert fault.startswith("offline.task: found multilabel with data.kind folder")


def test_a_fault_of_the_recipe_is_not_repeated_for_its_section(smallest):
    smallest["optim"] = {"epochs": 0}
    assert faults_of(smallest, SECTION | {"optim.batch_size": 8, "optim.epochs": 0}) == [
        "optim.epochs: found 0, expected a number above 0, or null"
    ]


def test_faults_of_the_section_name_their_line(write):
    path = write("task: multiclass\ndata: {kind: folder, root: x}\noffline:\n  run.seed: 1\n  optim.epoch: 3\n")
    with pytest.raises(RecipeError, match=r"offline\.optim\.epoch: unknown key; did you mean epochs\? \(line 5\)"):
        load_recipe(path)
