"""What the stock Trainer does wrong in two processes, and that ours does it right.

When a test of the stock class fails, it has been mended, and the override that ``finetune/training/trainer.py`` has
for it may go.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune.recipe import dump_recipe

SIDE_BY_SIDE = Path(__file__).with_name("side_by_side.py")


@pytest.fixture(scope="module")
def found(tmp_path_factory, torchrun, tiny_vit, image_folder, image_table):
    """What either Trainer found, by task: the evaluation loss, the first gradient, and how far processes drift."""
    from finetune.recipe import load_recipe

    # 12 images to train on; 11 and 9 to validate on
    folder = {"kind": "folder", "root": str(image_folder), "split": {"validation": 0.46, "test": 0.04}}
    table = {"kind": "csv", "root": str(image_table), "split": {"validation": 0.43}}
    roots = {}
    for task, data in (("multiclass", folder), ("multilabel", table)):
        root = roots[task] = tmp_path_factory.mktemp(task)
        plain = {
            "task": task,
            "data": data,
            "model": {"checkpoint": str(tiny_vit)},
            "optim": {"preset": "plain", "optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.05,
                      "schedule": "constant",
                      "batch_size": 12, "max_steps": 1, "max_grad_norm": 0.0},
            "evaluate": {"batch_size": 3},
            "run": {"root": str(root), "name": "run", "precision": "fp32", "device": "cpu", "tracking": []},
        }  # fmt: skip
        (root / "run.yaml").write_text(dump_recipe(load_recipe(plain)))
    done = torchrun(2, str(SIDE_BY_SIDE), *(str(root / "run.yaml") for root in roots.values()))
    assert done.returncode == 0, done.stderr
    return {task: json.loads((root / "found.json").read_text()) for task, root in roots.items()}


# ---------------------------------------------------------------- 11 images, in batches of 3, by 2 processes


def test_the_stock_trainer_reports_another_evaluation_loss_than_the_images_have(found):
    loss = found["multiclass"]["evaluation_loss"]
    assert abs(loss["stock"] - loss["true"]) > 0.01


def test_ours_reports_the_loss_that_the_images_have(found):
    loss = found["multiclass"]["evaluation_loss"]
    assert loss["ours"] == pytest.approx(loss["true"], rel=1e-6)


# ---------------------------------------------------------------- an evaluation before training


def test_the_stock_trainer_lets_its_processes_learn_apart_after_an_evaluation(found):
    assert found["multiclass"]["apart"]["stock"] > 0.1


def test_ours_keeps_its_processes_together_after_an_evaluation(found):
    assert found["multiclass"]["apart"]["ours"] == 0.0


# ---------------------------------------------------------------- the gradient of a batch that two processes share


def test_the_stock_trainer_multiplies_the_multilabel_gradient_by_the_processes(found):
    gradient = found["multilabel"]["gradient"]
    assert gradient["stock"] / gradient["true"] == pytest.approx(2.0, rel=1e-4)


def test_the_stock_trainer_has_the_right_gradient_where_each_image_has_one_label(found):
    gradient = found["multiclass"]["gradient"]
    assert gradient["stock"] == pytest.approx(gradient["true"], rel=1e-4)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_ours_has_the_gradient_of_the_whole_batch(found, task):
    gradient = found[task]["gradient"]
    assert gradient["ours"] == pytest.approx(gradient["true"], rel=1e-4)
