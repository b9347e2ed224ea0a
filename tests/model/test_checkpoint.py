"""From a recipe to a model with its classes: the whole way, and what the record says of it."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from transformers import ViTConfig

from finetune.errors import CheckpointError
from finetune.model import open_saved, save_model, saved_task
from finetune.model.nano import bundled_checkpoint
from finetune.model.sources import locate


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("classes", [1, 2, 1000])
def test_the_saved_config_is_right_for_every_class_count_and_task(checkpoint, load, classes, task, tmp_path):
    loaded = load(checkpoint("vit"), classes, task=task)
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    saved = json.loads((tmp_path / "model" / "config.json").read_text())
    kinds = {"multiclass": "single_label_classification", "multilabel": "multi_label_classification"}
    if classes == 1:
        kinds["multiclass"] = None  # transformers has no name for it; see the next test
    names = [f"class_{i:0{len(str(classes - 1))}d}" for i in range(classes)]
    assert saved.get("problem_type") == kinds[task]
    assert saved["id2label"] == {str(i): name for i, name in enumerate(names)}
    assert saved["label2id"] == {name: i for i, name in enumerate(names)}
    opened = open_saved(tmp_path / "model")
    assert opened.model.config.num_labels == classes
    assert saved_task(opened.model.config).name == task


def test_transformers_still_cannot_load_a_softmax_over_one_class():
    with pytest.raises(ValueError, match="requires `num_labels > 1`"):
        ViTConfig(problem_type="single_label_classification", id2label={0: "can"}, label2id={"can": 0})


def test_a_config_that_names_no_task_is_refused():
    with pytest.raises(CheckpointError, match=r"config\.json says problem_type None; expected single_label"):
        saved_task(ViTConfig(num_labels=3))


def test_a_softmax_over_one_class_cannot_be_extended(checkpoint, load, tmp_path):
    loaded = load(checkpoint("vit"), ("can",))
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    with pytest.raises(CheckpointError, match="a softmax over one class, whose row has learnt nothing"):
        load(tmp_path / "model", ("can", "cup"), head="extend")


@pytest.mark.parametrize("family", ["vit", "deit", "distilled", "swin", "beit", "convnext", "resnet", "dinov2", "pvt"])
def test_the_backbone_is_the_checkpoints_to_the_last_bit(build, checkpoint, load, family):
    before, after = build(family).state_dict(), load(checkpoint(family)).model.state_dict()
    assert {name for name in after if not torch.equal(after[name], before[name])} == set(
        load(checkpoint(family)).source["head"]["parameters"]
    )


def test_the_same_seed_gives_the_same_model_whatever_came_before(checkpoint, load):
    folder = checkpoint("vit")
    torch.manual_seed(1)
    first = load(folder).model.state_dict()
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = load(folder).model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first["classifier.weight"], load(folder, seed=7).model.state_dict()["classifier.weight"])


def test_the_model_is_in_evaluation_mode_and_float32(checkpoint, load):
    model = load(checkpoint("vit")).model
    assert not any(module.training for module in model.modules())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_run_folder_stands_for_the_model_in_it(checkpoint, load, tmp_path):
    run = tmp_path / "run"
    loaded = load(checkpoint("vit"), ("can", "carton"))
    save_model(loaded.model, loaded.pixels, run / "model")
    again = load(run, ("bag", "can", "carton"), head="extend")
    assert again.source["kind"] == "run"
    assert again.source["head"] == {
        "mode": "extend",
        "parameters": ["classifier.bias", "classifier.weight"],
        "kept": ["can", "carton"],
        "new": ["bag"],
    }
    assert torch.equal(again.model.classifier.weight[1:], loaded.model.classifier.weight)


def test_a_run_kept_with_its_classes_gives_the_same_logits(checkpoint, load, tmp_path):
    loaded = load(checkpoint("distilled"), ("can", "carton"))
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    again = load(tmp_path, ("carton", "can"), head="keep")
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded.model(pixels).logits, again.model(pixels).logits[:, [1, 0]])


def test_keeping_a_head_that_the_checkpoint_lacks_is_refused(build, load, tmp_path):
    build("vit").vit.save_pretrained(tmp_path)
    with pytest.raises(
        CheckpointError, match=r"head: extend needs the checkpoint's head, but .* has no classifier\.bias"
    ):
        load(tmp_path, head="extend", preprocessing={"resize": "squash", "resize_px": 32, "crop_px": None})


def test_the_record_says_where_the_weights_come_from(checkpoint, load):
    folder = checkpoint("vit")
    source = load(folder).source
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert source["path"] == str(folder)
    assert source["weights_sha256"] == {"model.safetensors": digest}
    assert (source["kind"], source["commit"]) == ("folder", None)
    assert (source["architecture"], source["model_type"]) == ("ViTForImageClassification", "vit")
    assert (source["image_size_px"], source["checkpoint_image_size_px"]) == (32, 32)
    assert source["preprocessing"]["resize_px"] == 36
    assert json.loads(json.dumps(source))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_attention_that_the_recipe_asks_for_is_set(checkpoint, load, attention):
    assert load(checkpoint("vit"), attention=attention).model.config._attn_implementation == attention


def test_both_attentions_give_the_same_logits(checkpoint, load):
    folder, pixels = checkpoint("distilled"), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        eager, sdpa = (load(folder, attention=kind).model(pixels).logits for kind in ("eager", "sdpa"))
    assert torch.allclose(eager, sdpa, atol=1e-6)


def test_a_model_without_attention_is_left_as_it_is(checkpoint, load):
    assert load(checkpoint("resnet"), attention="sdpa").model.config._attn_implementation == "eager"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/nowhere/model", r"there is no folder /nowhere/model .* no name on the Hub; give a folder"),
        ("./nowhere", r"there is no folder \./nowhere"),
        ("runs/a/b", r"there is no folder runs/a/b"),
        ("bundled:deit-nan", r"bundled:deit-nan: no such checkpoint; did you mean 'deit-nano'\?"),
    ],
)
def test_a_checkpoint_that_is_nowhere_says_what_to_give(name, words):
    with pytest.raises(CheckpointError, match=words):
        locate(name)


def test_a_file_is_no_checkpoint(checkpoint):
    with pytest.raises(CheckpointError, match=r"model\.safetensors is a file; name the folder that it is in"):
        locate(str(checkpoint("vit") / "model.safetensors"))


def test_the_bundled_checkpoint_is_located():
    assert locate("bundled:deit-nano").folder == bundled_checkpoint("deit-nano")
