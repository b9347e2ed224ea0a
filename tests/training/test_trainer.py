"""What the stock Trainer does wrong for image classifiers, and that this one does it right."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from transformers import AutoModelForImageClassification, Trainer, TrainerCallback, TrainingArguments

from finetune.data import decoded
from finetune.errors import RecipeError, TrainingError
from finetune.training.trainer import load_weights

SGD = {"optim.optimizer": "sgd", "optim.momentum": 0.0, "optim.learning_rate": 0.05, "optim.schedule": "constant"}


def relative_difference(found, expected):
    difference = sum(float((found[name] - expected[name]).double().pow(2).sum()) for name in expected)
    size = sum(float(tensor.double().pow(2).sum()) for tensor in expected.values())
    return (difference / size) ** 0.5


# ---------------------------------------------------------------- accumulation


def test_accumulating_four_pieces_gives_the_gradient_of_the_whole_batch(recipe_for, first_gradients, task_overrides):
    one_step = {**task_overrides, **SGD, "optim.max_steps": 1, "optim.max_grad_norm": 0.0}
    whole = first_gradients(recipe_for(**one_step))
    pieces = first_gradients(recipe_for(**one_step, **{"optim.accumulation_steps": 4}))
    assert relative_difference(pieces, whole) < 1e-6


@pytest.mark.parametrize(
    ("labels", "loss"),
    [
        (False, {"class_weights": {"cross": 5.0}, "label_smoothing": 0.1}),
        (True, {"kind": "asymmetric", "pos_weight": "balanced", "class_weights": {"cross": 5.0}}),
    ],
    ids=["multiclass", "multilabel"],
)
def test_so_it_does_with_weights_of_classes(recipe_for, first_gradients, multilabel, labels, loss):
    one_step = {**SGD, "optim.max_steps": 1, "optim.max_grad_norm": 0.0, "evaluate.every": "never"}
    weighted = {**(multilabel if labels else {}), **one_step, **{f"loss.{key}": value for key, value in loss.items()}}
    whole = first_gradients(recipe_for(**weighted))
    pieces = first_gradients(recipe_for(**weighted, **{"optim.accumulation_steps": 4}))
    assert relative_difference(pieces, whole) < 1e-6


def test_ten_accumulated_steps_lead_where_whole_batches_lead(recipe_for, trainer_for, task_overrides):
    ten_steps = {**task_overrides, **SGD, "optim.max_steps": 10, "evaluate.every": "never"}
    weights = []
    for accumulation in (1, 4):
        trainer = trainer_for(recipe_for(**ten_steps, **{"optim.accumulation_steps": accumulation}))
        trainer.train()
        weights.append(trainer.model.state_dict())
    assert relative_difference(weights[1], weights[0]) < 1e-5


def test_the_stock_trainer_multiplies_the_multilabel_gradient_by_the_accumulation_steps(tiny_vit, tmp_path):
    """Why the loss is normalised here; when this fails, the stock Trainer has been mended."""
    rows = [{"pixel_values": torch.randn(3, 32, 32), "labels": torch.eye(5)[i % 5]} for i in range(8)]
    norms = []
    for batch, accumulation in ((8, 1), (2, 4)):
        torch.manual_seed(0)
        model = AutoModelForImageClassification.from_pretrained(tiny_vit, problem_type="multi_label_classification")
        arguments = TrainingArguments(
            output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=batch, use_cpu=True, max_grad_norm=0.0,
            gradient_accumulation_steps=accumulation, optim="sgd", disable_tqdm=True, logging_steps=1,
        )  # fmt: skip
        trainer = Trainer(model=model, args=arguments, train_dataset=rows)
        trainer.train()
        norms.append(next(entry["grad_norm"] for entry in trainer.state.log_history if "grad_norm" in entry))
    assert norms[1] / norms[0] == pytest.approx(4.0, rel=1e-3)


def test_padding_and_unknown_labels_do_not_count(recipe_for, trainer_for, multilabel):
    trainer = trainer_for(recipe_for(**multilabel))
    batch = {"targets": torch.tensor([[1, 0, -1], [1, 1, 1]]), "weights": torch.tensor([1.0, 0.0])}
    assert float(trainer._get_num_items_in_batch([batch], torch.device("cpu"))) == 2.0


# ---------------------------------------------------------------- weights that come back


def test_all_weights_of_a_checkpoint_are_loaded(tiny_vit):
    saved = AutoModelForImageClassification.from_pretrained(tiny_vit)
    other = AutoModelForImageClassification.from_config(saved.config)
    load_weights(other, tiny_vit)
    assert all(torch.equal(a, b) for a, b in zip(other.state_dict().values(), saved.state_dict().values(), strict=True))


def test_the_stock_trainer_leaves_encoder_layers_as_they_were_when_it_loads_a_checkpoint(tiny_vit, tmp_path):
    """Why weights are loaded here; when this fails, the stock Trainer has been mended."""
    saved = AutoModelForImageClassification.from_pretrained(tiny_vit)
    other = AutoModelForImageClassification.from_config(saved.config)
    before = copy.deepcopy(other.state_dict())
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, disable_tqdm=True)
    Trainer(model=other, args=arguments)._load_from_checkpoint(str(tiny_vit))
    unchanged = [name for name, tensor in other.state_dict().items() if torch.equal(tensor, before[name])]
    assert "vit.layers.0.mlp.fc1.weight" in unchanged
    assert "classifier.weight" not in unchanged


class PoisonLastEpoch(TrainerCallback):
    """Ruins the weights during the last epoch, so that the best model is an earlier one."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.epoch > 1:
            for parameter in kwargs["model"].parameters():
                parameter.data.mul_(-3.0)


def test_the_best_model_scores_what_was_reported_for_it(recipe_for, trainer_for):
    trainer = trainer_for(recipe_for(**{"evaluate.best_metric": "loss"}), PoisonLastEpoch())
    trainer.train()
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert losses[1] > 2 * losses[0]
    assert trainer.measure(trainer.model)["loss"] == losses[0] == trainer.state.best_metric


# ---------------------------------------------------------------- images in passes, images in memory


@pytest.mark.parametrize(("asked", "rows"), [({}, 16), ({"evaluate.batch_size": 5}, 5)])
def test_an_evaluation_takes_as_many_images_per_pass_as_asked(recipe_for, trainer_for, asked, rows):
    trainer = trainer_for(recipe_for(**asked))
    seen = []
    trainer.model.register_forward_pre_hook(
        lambda model, args, inputs: seen.append(len(inputs["pixel_values"])), with_kwargs=True
    )
    trainer.evaluate()
    assert set(seen) == {rows}


@pytest.mark.parametrize(("megabytes", "times"), [(0, 3), (1, 1)])  # 24 images of 40 × 48 px: 0.2 MB
def test_images_are_decoded_once_or_in_every_epoch_as_the_memory_for_them_allows(
    recipe_for, trainer_for, monkeypatch, megabytes, times
):
    decoded_paths = Counter()
    real = decoded.decode
    monkeypatch.setattr(decoded, "decode", lambda source: decoded_paths.update([source["path"]]) or real(source))
    overrides = {"data.keep_decoded_mb": megabytes, "data.workers": 0, "optim.epochs": 3, "evaluate.every": "never"}
    trainer_for(recipe_for(**overrides)).train()
    assert len(decoded_paths) == 18
    assert set(decoded_paths.values()) == {times}


# ---------------------------------------------------------------- weight decay, optimisers


def test_weight_decay_spares_tokens_positions_biases_and_norms(recipe_for, trainer_for, tiny_distilled):
    trainer = trainer_for(recipe_for(**{"model.checkpoint": str(tiny_distilled), "optim.weight_decay": 0.1}))
    decayed = set(trainer.get_decay_parameter_names(trainer.model))
    spared = {name for name, _ in trainer.model.named_parameters()} - decayed
    assert {"deit.embeddings.cls_token", "deit.embeddings.distillation_token"} <= spared
    assert "deit.embeddings.position_embeddings" in spared
    assert all(name.endswith("weight") for name in decayed)
    assert "cls_classifier.weight" in decayed


def test_momentum_and_further_arguments_reach_the_optimiser(recipe_for, trainer_for):
    overrides = {"optim.optimizer": "sgd", "optim.momentum": 0.8, "optim.optimizer_args": {"nesterov": True}}
    optimizer = trainer_for(recipe_for(**overrides)).create_optimizer()
    assert isinstance(optimizer, torch.optim.SGD)
    assert (optimizer.defaults["momentum"], optimizer.defaults["nesterov"]) == (0.8, True)


def test_an_argument_that_the_optimiser_does_not_know_is_named(recipe_for, trainer_for):
    trainer = trainer_for(recipe_for(**{"optim.optimizer_args": {"momentun": 0.9}}))
    with pytest.raises(RecipeError, match=r"optim\.optimizer_args: .*momentun"):
        trainer.create_optimizer()


def test_an_argument_that_the_schedule_does_not_know_is_named(recipe_for, trainer_for):
    trainer = trainer_for(recipe_for(**{"optim.schedule_args": {"cycles": 2}}))
    with pytest.raises(RecipeError, match=r"optim\.schedule_args: cosine was refused its arguments: .*cycles"):
        trainer.train()


# ---------------------------------------------------------------- a loss that is not a number


def test_weights_that_are_no_numbers_are_not_saved_even_between_logs(recipe_for, trainer_for, tmp_path):
    trainer = trainer_for(recipe_for(**{"evaluate.every": "never", "run.log_every_steps": 500}))
    torch.nn.init.constant_(trainer.model.classifier.weight, float("nan"))
    with pytest.raises(TrainingError, match="the loss is nan"):
        trainer.train()
    assert not list(tmp_path.rglob("checkpoint-*"))


def test_a_loss_that_is_not_a_number_stops_with_advice(recipe_for, trainer_for):
    trainer = trainer_for(recipe_for(**{"run.log_every_steps": 1}))
    torch.nn.init.constant_(trainer.model.classifier.weight, float("nan"))
    with pytest.raises(TrainingError, match=r"the loss is nan at step 1; .*optim\.learning_rate"):
        trainer.train()


def test_the_stock_trainer_logs_such_a_loss_as_zero(tiny_vit, tmp_path):
    """Why the filter is switched off here."""
    rows = [{"pixel_values": torch.full((3, 32, 32), float("nan")), "labels": 0}] * 4
    model = AutoModelForImageClassification.from_pretrained(tiny_vit)
    arguments = TrainingArguments(
        output_dir=str(tmp_path), max_steps=2, use_cpu=True, disable_tqdm=True, logging_steps=1
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=rows)
    trainer.train()
    assert [entry["loss"] for entry in trainer.state.log_history if "loss" in entry] == [0.0, 0.0]


def test_a_best_metric_that_is_undefined_is_said(recipe_for, trainer_for):
    trainer = trainer_for(recipe_for())
    with pytest.raises(TrainingError, match="accuracy is undefined on the validation split"):
        trainer._determine_best_metric({"eval_loss": 1.0}, None)


# ---------------------------------------------------------------- two heads


def test_both_heads_of_a_distilled_model_learn(recipe_for, trainer_for, tiny_distilled):
    trainer = trainer_for(recipe_for(**{"model.checkpoint": str(tiny_distilled), "optim.max_steps": 1}))
    before = copy.deepcopy(trainer.model.state_dict())
    trainer.train()
    after = trainer.model.state_dict()
    changed = [name for name in after if "classifier.weight" in name and not torch.equal(after[name], before[name])]
    assert changed == ["cls_classifier.weight", "distillation_classifier.weight"]
