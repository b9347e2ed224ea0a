"""Runs in which less than everything learns, or learns in another way: adapters, stochastic depth, random weights."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from transformers import ResNetConfig, ResNetForImageClassification

from finetune.errors import CheckpointError
from finetune.model import save_model
from finetune.pixels import PixelPipeline
from finetune.training import train


def state(trainer):
    return dict(trainer.model.named_parameters())


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# ---------------------------------------------------------------- adapters

LORA = {"model.train": "lora", "model.lora.rank": 2, "optim.learning_rate": 1e-2, "optim.batch_size": 6}


def test_a_run_with_adapters_ends_in_an_ordinary_model(recipe_for, image_folder, task_overrides, each_checkpoint):
    from transformers import pipeline

    run = train(recipe_for(**LORA, **task_overrides, **each_checkpoint))
    files = {path.name for path in run.model.iterdir()}
    assert files == {"config.json", "model.safetensors", "preprocessor_config.json"}
    classify = pipeline("image-classification", model=str(run.model), device="cpu")
    row = next(run.read_predictions())
    found = {answer["label"]: answer["score"] for answer in classify(row["path"], top_k=None)}
    assert found == pytest.approx(row["probabilities"], abs=1e-5)


def test_its_encoder_moved_only_where_the_adapters_are(recipe_for, tiny_vit):
    before, after = (
        load_file(tiny_vit / "model.safetensors"),
        load_file(train(recipe_for(**LORA)).model / "model.safetensors"),
    )
    changed = {name for name in after if not torch.equal(after[name], before.get(name, torch.empty(0)))}
    assert {".".join(name.split(".")[-2:]) for name in changed} == {
        "query.weight", "value.weight", "classifier.weight", "classifier.bias"
    }  # fmt: skip


def test_the_record_says_rank_and_how_many_parameters_learn(recipe_for):
    record = train(recipe_for(**LORA, **{"optim.max_steps": 1})).read_record()
    assert record["lora"]["rank"] == 2
    assert record["trained_parameters"] == 2 * 2 * (2 * 32 + 32 * 2) + 3 * 32 + 3  # blocks, q and v, factors; head


def test_a_resumed_run_with_adapters_ends_at_the_same_bits(recipe_for, twice, each_checkpoint):
    whole, rest = twice(recipe_for(**LORA, **each_checkpoint, **{"model.lora.dropout": 0.2}), step=2)
    assert equal(state(rest), state(whole))


def test_the_best_adapters_are_merged(recipe_for):
    run = train(recipe_for(**LORA, **{"optim.epochs": 4}))
    best = run.read_record()["best"]
    assert run.read_metrics()["validation"]["accuracy"] == best["accuracy"]


def test_adapters_can_be_averaged_recomputed_and_skipped(recipe_for, tiny_vit):
    more = {"optim.ema_decay": 0.9, "model.activation_checkpointing": True, "model.drop_path": 0.2}
    run = train(recipe_for(**LORA, **more))
    saved, before = load_file(run.model / "model.safetensors"), load_file(tiny_vit / "model.safetensors")
    moved = {
        name
        for name in before
        if before[name].shape == saved[name].shape and not torch.equal(before[name], saved[name])
    }
    blocks = {name.split(".")[3] for name in moved if "attention" in name}
    assert {name.rpartition(".attention.")[2] for name in moved} == {"query.weight", "value.weight"}
    assert blocks == {"0", "1"}
    validation = run.read_metrics()["validation"]
    assert run.read_record()["best"]["accuracy"] == validation["accuracy"]


def test_a_target_that_does_not_exist_ends_the_run_before_it_begins(recipe_for, tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.lora\.targets: 'query' is none of the linear layers"):
        train(recipe_for(**{"model.train": "lora", "model.lora.targets": ["query"]}))
    assert not list((tmp_path / "runs").iterdir())


# ---------------------------------------------------------------- stochastic depth


def test_stochastic_depth_changes_what_is_learnt_and_a_resumed_run_draws_the_same(recipe_for, trainer_for, twice):
    overrides = {"optim.batch_size": 6, "model.drop_path": 0.5}
    whole, rest = twice(recipe_for(**overrides), step=2)
    plain = trainer_for(recipe_for(**{"optim.batch_size": 6}))
    plain.train()
    assert equal(state(rest), state(whole))
    assert not equal(state(plain), state(whole))


def test_recomputed_activations_draw_the_same(recipe_for, trainer_for):
    ends = []
    for recompute in (False, True):
        overrides = {"model.drop_path": 0.5, "model.activation_checkpointing": recompute, "optim.max_steps": 3}
        trainer = trainer_for(recipe_for(**overrides))
        trainer.train()
        ends.append(state(trainer))
    assert equal(*ends)


# ---------------------------------------------------------------- the last blocks, random weights


def test_the_last_block_learns_alone(recipe_for, tiny_vit):
    run = train(recipe_for(**{"model.train": "last_n_blocks", "model.train_blocks": 1}))
    before, after = load_file(tiny_vit / "model.safetensors"), load_file(run.model / "model.safetensors")
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {name for name in before if name.startswith(("vit.embeddings.", "vit.encoder.layer.0."))}


def test_a_run_from_random_weights_says_so(recipe_for):
    run = train(recipe_for(**{"model.weights": "random", "optim.max_steps": 1}))
    record = run.read_record()["checkpoint"]
    assert (record["weights"], record["weights_sha256"]) == ("random", None)


@pytest.mark.parametrize(("train", "drifts"), [("head", False), ("all", True)])
def test_batch_norms_that_do_not_learn_keep_their_statistics(recipe_for, trainer_for, tmp_path, train, drifts):
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=3)
    pixels = PixelPipeline("squash", 32, None, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    save_model(ResNetForImageClassification(config), pixels, tmp_path / "resnet")
    overrides = {"model.checkpoint": str(tmp_path / "resnet"), "model.train": train, "optim.max_steps": 2}
    trainer = trainer_for(recipe_for(**overrides, **{"evaluate.every": "never"}))
    before = {name: buffer.clone() for name, buffer in trainer.classifier.named_buffers()}
    trainer.train()
    same = [torch.equal(buffer, before[name]) for name, buffer in trainer.classifier.named_buffers()]
    assert len(same) > 5
    assert all(same) != drifts
