"""Contradictions between keys that are sound one by one."""

from __future__ import annotations

from typing import Any

import pytest

from finetune.errors import RecipeError
from finetune.recipe import load_recipe, with_overrides
from finetune.recipe.checks import TRAINER_OPTIMIZERS
from finetune.recipe.keys import leaf_keys

TABLE = {"kind": "csv", "root": "photos"}
PATIENT = {"evaluate.patience": 3}


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        ({"task": "multilabel"}, "task: found multilabel with data.kind folder, but a folder gives an image one label"),
        ({"evaluate.best_metric": "iou_macro"}, "evaluate.best_metric: 'iou_macro' is not a metric of multiclass"),
        ({"evaluate.best_metric": "f1_makro"}, "evaluate.best_metric: .*; did you mean 'f1_macro'?"),
        ({"evaluate.every": "steps"}, "evaluate.every_steps: missing; evaluate.every is steps, so say how many"),
        (
            {"evaluate.every_steps": 50},
            "evaluate.every_steps: found 50, but evaluate.every is epoch; write every: steps",
        ),
        (
            {"evaluate.every": "steps", "evaluate.every_steps": 5, "evaluate.every_epochs": 2},
            "evaluate.every_epochs: found 2, but evaluate.every is steps; write every: epoch, or null here",
        ),
        (
            {"evaluate.every": "never", "evaluate.patience": 3},
            "evaluate.patience: found 3, but evaluate.every is never, so nothing is compared; write every: epoch",
        ),
        (
            {"evaluate.every": "never", "evaluate.best_metric": "mAP"},
            "evaluate.best_metric: found mAP, but evaluate.every is never",
        ),
        (
            {"optim.warmup_steps": 5, "optim.warmup_fraction": 0.1},
            "optim.warmup_steps: found 5, but warmup_fraction is 0.1; write one of the two",
        ),
        (
            {"optim.warmup_steps": 5, "optim.max_steps": 5},
            "optim.warmup_steps: found 5, but training ends after max_steps 5; expected fewer",
        ),
        (
            {"optim.accumulation_steps": 32, "optim.batch_size": 16},
            "optim.accumulation_steps: found 32, but a batch of 16 cannot be cut into more than 16 pieces",
        ),
        ({"optim.optimizer": "AdamW"}, "optim.optimizer: found 'AdamW', .*; did you mean 'adamw'?"),
        (
            {"model.image_size_px": 384, "model.preprocessing": {"crop_px": 224}},
            "model.image_size_px: found 384, but model.preprocessing gives images of 224 px; write the same in both",
        ),
        (
            {"model.preprocessing": {"crop_px": 300}},
            "model.preprocessing: crop_px 300 does not fit into resize_px 256",
        ),
        (
            {"model.preprocessing": {"crop_px": None}},
            "model.preprocessing: crop_px null leaves images of different shapes; write crop_px, or resize: squash",
        ),
        (
            {"data.split.validation": 0.5, "data.split.test": 0.5},
            "data.split: validation 0.5 and test 0.5 leave nothing to train on",
        ),
        (
            {"loss.kind": "asymmetric"},
            "loss.kind: found asymmetric, but it weighs present against absent labels, .*; write cross_entropy, binary",
        ),
        (
            {"task": "multilabel", "data": TABLE, "loss.kind": "cross_entropy"},
            "loss.kind: found cross_entropy, but a softmax lets labels compete, .*; write binary_cross_entropy, focal",
        ),
        (
            {"loss.pos_weight": 2.0},
            "loss.pos_weight: found 2.0, but with task multiclass one label is always present; write class_weights",
        ),
        (
            {"loss.focal_gamma": 1.5},
            "loss.focal_gamma: found 1.5, but loss.kind is auto; write kind: focal, or leave it out",
        ),
        (
            {"task": "multilabel", "data": TABLE, "loss.kind": "focal", "loss.asymmetric_gammas": [1, 4]},
            r"loss.asymmetric_gammas: found \[1, 4\], but loss.kind is focal; write kind: asymmetric, or leave it out",
        ),
        (
            {"task": "multilabel", "data": TABLE, "loss.asymmetric_margin": 0},
            "loss.asymmetric_margin: found 0, but loss.kind is auto; write kind: asymmetric, or leave it out",
        ),
        (
            {"loss.class_weights": "balanced", "loss.effective_number_beta": 0.9},
            "loss.effective_number_beta: found 0.9, but loss.class_weights is not effective_number; write ",
        ),
        (
            {"loss.class_weights": "balanced", "data.sampling": "balanced"},
            "loss.class_weights: found balanced, but data.sampling is balanced: rare classes would count twice over",
        ),
        (
            {"task": "multilabel", "data": {**TABLE, "sampling": "balanced"}, "loss.pos_weight": "balanced"},
            "loss.pos_weight: found balanced, but data.sampling raises rare classes too; write one of the two",
        ),
        (
            {"task": "multilabel", "data": TABLE, "loss.class_weights": "balanced", "loss.pos_weight": "balanced"},
            "loss.pos_weight: found balanced, but loss.class_weights raises rare classes too; write one of the two",
        ),
        (
            {"augment.rand_augment_magnitude": 3.0},
            "augment.rand_augment_magnitude: found 3.0, but rand_augment_operations is off by preset light; set",
        ),
        (
            {"augment.preset": "none", "augment.crop_ratio": [0.5, 2.0]},
            "augment.crop_ratio: found .*, but crop_scale is off",
        ),
        ({"augment.erasing_area": [0.1, 0.2]}, "augment.erasing_area: found .*, but erasing is off by preset light"),
        (
            {"augment.mix_probability": 0.3},
            "augment.mix_probability: found 0.3, but neither mixup_alpha nor cutmix_alpha",
        ),
        (
            {"augment.mixup_alpha": 0.8, "augment.cutmix_share": 0.9},
            "augment.cutmix_share: found 0.9, but mixup_alpha and cutmix_alpha are not both above 0; set both",
        ),
        ({"augment.erasing_area": [1.0, 1.0]}, r"augment: erasing_area \[1.0, 1.0\] is the whole image"),
        (
            {"distill": {"teacher": "x", "temperature": 9.0}},
            "distill.temperature: found 9.0, but distill.kind is hard, .*; write kind: soft, or leave it out",
        ),
        (
            {"augment.preset": "deit", "augment.rand_augment_operations": 0, "augment.rand_augment_magnitude": 5.0},
            "augment.rand_augment_magnitude: found 5.0, but rand_augment_operations is off; set augment.rand_augment_",
        ),
        (
            {"model.train": "lora", "optim.layer_decay": 0.9},
            "optim.layer_decay: found 0.9, but with model.train lora the adapters of all blocks learn at one rate; ",
        ),
        ({"model.lora.targets": []}, "model.lora.targets: found .*, expected"),
        (
            {"distill": {"teacher": "x", "weight": 1.0}, "loss.label_smoothing": 0.1},
            "loss.label_smoothing: found 0.1, but distill.weight is 1, so the labels are not heard; write a weight ",
        ),
        (
            {"optim.momentum": 0.5},
            "optim.momentum: found 0.5, but it does not reach adamw, which preset auto chooses; write optimizer: sgd, ",
        ),
        (
            {"optim.preset": "deit_transfer", "optim.optimizer": "adamw", "optim.momentum": 0.0},
            "optim.momentum: found 0.0, but it does not reach adamw; write optimizer: sgd, or leave it out",
        ),
        (
            {"optim.preset": "deit_transfer", "optim.betas": [0.8, 0.9]},
            r"optim.betas: found \[0.8, 0.9\], but it does not reach sgd, which preset deit_transfer chooses; write ",
        ),
        (
            {"optim.optimizer": "rmsprop", "optim.epsilon": 1e-6},
            "optim.epsilon: found 1e-6, but it does not reach rmsprop; .*(optimizer_args takes what rmsprop alone ",
        ),
        (
            {"optim.optimizer": "lion_32bit", "optim.learning_rate": 1e-5, "optim.epsilon": 1e-6},
            "optim.epsilon: .* does not reach lion_32bit",
        ),
        *(
            (
                {"optim.optimizer": name},
                f"optim.optimizer: found '{name}', but preset auto chooses rates for adamw and its kind, which are of "
                f"another size than {name}'s; write optim.learning_rate too ({rate} to begin with, and deit-finetune ",
            )
            for name, rate in (
                ("sgd", "0.01"),
                ("adagrad", "0.01"),
                ("lion_8bit", "1e-5"),
                ("paged_lion_32bit", "1e-5"),
                ("schedule_free_sgd", "0.1"),
            )
        ),
        (
            {"model.train": "head", "model.drop_path": 0.1},
            "model.drop_path: found 0.1, but with model.train head no block learns, .*; write 0.0 here, or train: all",
        ),
        (
            {"model.train": "head", "model.activation_checkpointing": True},
            "model.activation_checkpointing: found true, but with model.train head no gradient .*; write false here",
        ),
        (
            {"evaluate.min_improvement": 0.01},
            "evaluate.min_improvement: found 0.01, but evaluate.patience is null, so nothing waits for it; write pati",
        ),
        (
            {"data": {**TABLE, "split": {"validation": 0.0}}, "evaluate.patience": 3},
            "evaluate.patience: found 3, but data.split.validation is 0 and the data bring no validation split, .*; ",
        ),
        (
            {"data": {**TABLE, "file": {"train": "a.csv"}, "split": {"validation": 0}}, "evaluate.best_metric": "mAP"},
            "evaluate.best_metric: found mAP, but data.split.validation is 0 .*; hold some images out, or write null",
        ),
        (
            {"data": {"kind": "hub", "name": "x", "splits": {"train": "a"}, "split": {"validation": 0.0}}, **PATIENT},
            "evaluate.patience: found 3, but data.split.validation is 0",
        ),
        (
            {"data.split": {"validation": 0.0, "folds": 5, "fold": 1}, "evaluate.patience": 3},
            "evaluate.patience: found 3, but data.split.validation is 0",
        ),
        (
            {"distill": {"teacher": "x", "weight": 0.0}},
            "distill.weight: found 0.0, so the teacher would be asked and not heard; write distill: null, or a weight",
        ),
        *(
            (
                {"model.weights": "random", "model.train": train},
                f"model.train: found {train}, but with model.weights random all that does not learn stays as it was "
                "drawn, and knows nothing; write all (or probe, as a baseline",
            )
            for train in ("head", "last_n_blocks", "lora")
        ),
        ({"model.train_blocks": 9}, "model.train_blocks: found 9, but model.train is all; write last_n_blocks, or"),
        (
            {"model.lora": {"rank": 64}},
            "model.lora.rank: found 64, but model.train is all; write lora, or leave",
        ),
        ({"model.probe": {"folds": 3}}, "model.probe.folds: found 3, but model.train is all; write probe, or leave it"),
        (
            {"loss.class_weights": "effective_number", "data.sampling": "balanced"},
            "loss.class_weights: found effective_number, but data.sampling is balanced: .*; write one of the two",
        ),
        *(
            ({"model.train": "probe", **overrides}, fault)
            for overrides, fault in (
                ({"optim.epochs": 3}, "optim.epochs: found 3, but with model.train probe a solver .*; write null here"),
                ({"optim.learning_rate": 0.1}, "optim.learning_rate: found 0.1, .*; write null here, or train: head"),
                ({"augment.preset": "deit"}, 'augment.preset: found "deit", .*; write "light" here'),
                (
                    {"augment.mixup_alpha": 0.8},
                    "augment.mixup_alpha: found 0.8, .* unvaried images, and takes no steps",
                ),
                ({"loss.label_smoothing": 0.1}, "loss.label_smoothing: found 0.1, .*; write 0.0 here"),
                ({"model.drop_path": 0.1}, "model.drop_path: found 0.1, .*; write 0.0 here"),
                ({"evaluate.patience": 2}, "evaluate.patience: found 2, .*; write null here"),
                ({"evaluate.min_improvement": 0.1}, "evaluate.min_improvement: found 0.1, .*; write 0.0 here"),
                ({"optim.momentum": 0.5}, "optim.momentum: found 0.5, .* takes no steps; write 0.9 here"),
                ({"run.max_minutes": 5.0}, "run.max_minutes: found 5.0, .* takes no steps; write null here"),
                (
                    {"evaluate.best_metric": "mAP"},
                    "evaluate.best_metric: found mAP, but .* there is one model, and none to pick; write null here",
                ),
                (
                    {"optim.ema_decay": 0.9},
                    "optim.ema_decay: found 0.9, but a probe takes no steps .*; write null here",
                ),
                ({"model.head": "keep"}, "model.head: found keep, but with model.train probe a solver fits the head"),
                ({"distill": {"teacher": "x"}}, "distill: a probe is fitted on the labels alone; write distill: null"),
                ({"loss.kind": "focal"}, "loss.kind: found focal, but with model.train probe it is cross_entropy"),
                (
                    {"loss.class_weights": "effective_number"},
                    "loss.class_weights: found effective_number, but model.train probe knows .* balanced or given",
                ),
                (
                    {"task": "multilabel", "data": TABLE, "loss.class_weights": "balanced"},
                    'loss.class_weights: found "balanced", but .* each class is fitted by itself; write pos_weight',
                ),
                (
                    {"data.sampling": "balanced"},
                    "data.sampling: found balanced, but .*; write shuffled, and loss.class_weights: balanced",
                ),
            )
        ),
    ],
)
def test_a_contradiction_is_refused_by_its_words(smallest, overrides, fault):
    with pytest.raises(RecipeError, match=fault.replace("?", r"\?").replace("(", r"\(")) as caught:
        load_recipe(smallest, overrides)
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize(
    "overrides",
    [
        {"evaluate.best_metric": "mAP"},
        {"evaluate.best_metric": "top3_accuracy", "evaluate.top_k": 3},
        {"task": "multilabel", "data": TABLE, "evaluate.best_metric": "iou_macro"},
        {"evaluate.every": "steps", "evaluate.every_steps": 50, "evaluate.patience": 3},
        {"evaluate.every": "never"},
        {"optim.warmup_steps": 5, "optim.max_steps": 50},
        {"optim.accumulation_steps": 16},
        {"optim.optimizer": "lion_32bit", "optim.learning_rate": 1e-5},
        {"optim.optimizer": "sgd", "optim.learning_rate": 0.01},
        {"optim.optimizer": "sgd", "optim.preset": "plain"},
        *({"optim.optimizer": name} for name in ("adafactor", "rmsprop", "adamw_8bit", "schedule_free_adamw")),
        *(
            {"model.train": train, "model.drop_path": 0.1, "model.activation_checkpointing": True}
            for train in ("all", "last_n_blocks", "lora")
        ),
        {"model.image_size_px": 384, "model.preprocessing": {"resize_px": 438, "crop_px": 384}},
        {"model.image_size_px": 64, "model.preprocessing": {"resize": "squash", "resize_px": 64, "crop_px": None}},
        {"evaluate.thresholds": 0.3},
        {"loss.kind": "binary_cross_entropy", "loss.label_smoothing": 0.1},
        {"loss.kind": "focal", "loss.focal_gamma": 1.5},
        {
            "task": "multilabel",
            "data": TABLE,
            "loss.kind": "asymmetric",
            "loss.asymmetric_gammas": [1, 3],
            "loss.asymmetric_margin": 0.1,
            "loss.pos_weight": 2,
        },
        {"loss.class_weights": "effective_number", "loss.effective_number_beta": 0.99},
        {"loss.class_weights": {"cat": 2}, "data.sampling": "balanced"},
        {"loss.class_weights": "balanced", "data.sampling": "shuffled"},
        {"data.sampling": "balanced"},
        {"model.train": "probe", "augment.preset": "none", "loss.class_weights": {"can": 2.0}},
        {"model.train": "probe", "evaluate.every": "never", "data.keep_decoded_mb": 0},
        {"model.train": "probe", "model.weights": "random"},
        {"model.train": "probe", "evaluate.best_metric": "mAP", "search.space": {"model.probe.folds": [3, 5]}},
        {"optim.preset": "deit_transfer", "optim.momentum": 0.5},
        {"optim.preset": "plain", "optim.optimizer": "sgd", "optim.momentum": 0.5, "optim.betas": [0.9, 0.999]},
        {"optim.preset": "plain", "optim.optimizer": "muon", "optim.momentum": 0.95, "optim.betas": [0.9, 0.99]},
        {"optim.preset": "plain", "optim.optimizer": "lion_32bit", "optim.betas": [0.9, 0.99]},
        {"optim.betas": [0.8, 0.9], "optim.epsilon": 1e-6, "optim.momentum": 0.9},
        {"evaluate.min_improvement": 0.01, **PATIENT},
        {"data.split.validation": 0.0, **PATIENT},  # root may hold a validation folder
        {"data": {**TABLE, "file": {"train": "a.csv", "validation": "b.csv"}, "split": {"validation": 0}}, **PATIENT},
        {"data": {**TABLE, "split_column": "split", "split": {"validation": 0}}, "evaluate.best_metric": "mAP"},
        {"data": {"kind": "hub", "name": "x", "split": {"validation": 0}}, **PATIENT},
        {"data": {**TABLE, "split": {"validation": 0}}},
        {"distill": {"teacher": "x", "weight": 1.0}},
    ],
)
def test_what_does_not_contradict_itself_is_accepted(smallest, overrides: dict[str, Any]):
    assert load_recipe(smallest, overrides) != load_recipe(smallest)


def test_a_contradiction_is_reported_beside_faults_of_other_keys_of_its_section(smallest):
    with pytest.raises(RecipeError) as caught:
        load_recipe({**smallest, "evaluate": {"every": "steps", "top_k": 0}})
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["evaluate.top_k", "evaluate.every_steps"]


def test_no_contradiction_is_made_up_from_a_key_that_is_faulty_itself(smallest):
    with pytest.raises(RecipeError) as caught:
        load_recipe({**smallest, "evaluate": {"every": "step", "every_steps": 50}})
    assert caught.value.faults == ["evaluate.every: found 'step', expected epoch, steps or never"]


def test_every_optimizer_that_the_trainer_names_is_known_and_no_other():
    from transformers.training_args import OptimizerNames

    assert sorted(TRAINER_OPTIMIZERS) == sorted(name.value for name in OptimizerNames)


def test_the_optimizers_that_get_no_betas_are_those_that_the_trainer_gives_none():
    from transformers import Trainer, TrainingArguments

    from finetune.recipe.checks.optim import WITHOUT_BETAS

    for name in ("adamw_torch", "adamw_torch_fused", "sgd", "adafactor", "adagrad", "rmsprop"):
        _, arguments = Trainer.get_optimizer_cls_and_kwargs(TrainingArguments(optim=name, report_to="none"))
        assert ("betas" in arguments, "eps" in arguments) == (not name.startswith(WITHOUT_BETAS),) * 2


def test_what_find_lr_takes_out_of_a_recipe_leaves_no_contradiction(smallest):
    from finetune.search.range_test import PLAIN

    recipe = load_recipe(smallest, {**PATIENT, "evaluate.min_improvement": 0.1, "evaluate.best_metric": "mAP"})
    assert with_overrides(recipe, PLAIN).evaluate.patience is None


def test_every_key_that_a_check_reads_exists():
    from finetune.recipe.checks import CHECKS

    sections = {"augment", "distill", "loss", "model.lora", "model.probe", "data.split"}
    assert {key for keys in CHECKS.values() for key in keys} - sections <= set(leaf_keys())
