"""The head swap: what may differ is named, and nothing else does."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from finetune.errors import CheckpointError
from finetune.labels import LabelSpace
from finetune.model import head_names, replace_head
from finetune.model.head import find_heads

HEADS = {
    "vit": {"classifier"},
    "deit": {"classifier"},
    "distilled": {"cls_classifier", "distillation_classifier"},
    "swin": {"classifier"},
    "beit": {"classifier"},
    "convnext": {"classifier"},
    "resnet": {"classifier.1"},
    "dinov2": {"classifier"},
    "pvt": {"classifier"},
}


def changed(model, before):
    after = model.state_dict()
    assert after.keys() == before.keys()
    return {name for name in after if not torch.equal(after[name], before[name])}


@pytest.mark.parametrize("family", HEADS)
def test_the_head_is_found_in_every_family(build, family):
    assert set(find_heads(build(family))) == HEADS[family]


@pytest.mark.parametrize("classes", [1, 2, 10, 1000])  # 10: the old head's own shape, still replaced
@pytest.mark.parametrize("family", HEADS)
def test_replace_head_changes_the_head_and_nothing_else(build, family, classes):
    model = build(family)
    before = copy.deepcopy(model.state_dict())
    replace_head(model, LabelSpace.numbered(classes))
    assert changed(model, before) == {f"{head}.{part}" for head in HEADS[family] for part in ("weight", "bias")}
    assert head_names(model) == changed(model, before)
    with torch.no_grad():
        assert model(pixel_values=torch.zeros(1, 3, 32, 32)).logits.shape == (1, classes)


def test_a_backbone_as_wide_as_there_are_classes_is_left_alone(build):
    model = build("vit", classes=32)  # 32 wide: every attention layer has as many outputs as the head
    assert set(find_heads(model)) == {"classifier"}


@pytest.mark.parametrize("classes", [1, 2, 1000])
def test_the_config_knows_the_classes(build, classes):
    model = build("vit")
    labels = LabelSpace.numbered(classes)
    replace_head(model, labels)
    assert (model.config.num_labels, model.num_labels) == (classes, classes)
    assert model.config.id2label == dict(enumerate(labels.names))
    assert model.config.label2id == {name: i for i, name in enumerate(labels.names)}


def test_new_rows_are_narrow_and_biases_zero(build):
    model = build("vit", hidden_size=128)
    replace_head(model, LabelSpace.numbered(200))
    assert model.classifier.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert model.classifier.weight.mean().item() == pytest.approx(0.0, abs=1e-3)
    assert not model.classifier.bias.any()


def test_new_rows_depend_on_the_seed_alone_and_leave_the_global_generator_as_it_is(build):
    def rows(seed, global_seed):
        model = build("distilled")
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        replace_head(model, LabelSpace.numbered(3), seed=seed)
        assert torch.equal(before, torch.get_rng_state())
        return torch.cat([model.cls_classifier.weight, model.distillation_classifier.weight])

    assert torch.equal(rows(1, 10), rows(1, 20))
    assert not torch.equal(rows(1, 10), rows(2, 10))
    assert not torch.equal(rows(1, 10)[:3], rows(1, 10)[3:])  # the two heads start apart


def test_extend_keeps_known_rows_by_name_and_draws_the_others(build):
    model = build("distilled", classes=("can", "carton", "bottle"))
    old = copy.deepcopy(find_heads(model))
    fresh = build("distilled")
    labels = LabelSpace(("bag", "bottle", "can"))
    replace_head(fresh, labels, seed=7)
    assert replace_head(model, labels, mode="extend", seed=7) == ["bottle", "can"]
    for name, new in find_heads(model).items():
        assert torch.equal(new.weight[1:], old[name].weight[[2, 0]])
        assert torch.equal(new.bias[1:], old[name].bias[[2, 0]])
        assert torch.equal(new.weight[0], find_heads(fresh)[name].weight[0])
        assert new.bias[0] == 0


def test_extend_that_knows_no_class_is_refused(build):
    with pytest.raises(CheckpointError, match=r"extend finds none of the data's 1 classes.*'can', 'carton'.*head: new"):
        replace_head(build("vit", classes=("can", "carton")), LabelSpace(("dog",)), mode="extend")


def test_keep_puts_the_rows_in_the_order_of_the_data(build):
    model = build("vit", classes=("can", "carton", "bottle"))
    weight, bias = model.classifier.weight.clone(), model.classifier.bias.clone()
    replace_head(model, LabelSpace(("bottle", "can", "carton")), mode="keep")
    assert torch.equal(model.classifier.weight, weight[[2, 0, 1]])
    assert torch.equal(model.classifier.bias, bias[[2, 0, 1]])
    assert model.config.id2label[0] == "bottle"


def test_keep_refuses_other_classes_and_names_them(build):
    model = build("vit", classes=("can", "carton", "bottle"))
    words = (
        r"keep needs the checkpoint's 3 classes, but the data lacks 'bottle', 'carton' and the checkpoint lacks 'cup'"
    )
    with pytest.raises(CheckpointError, match=words):
        replace_head(model, LabelSpace(("can", "cup")), mode="keep")


def test_a_name_that_the_checkpoint_has_twice_cannot_be_kept(build):
    model = build("vit", classes=("crane", "dog", "bird"))
    model.config.id2label = {0: "crane", 1: "dog", 2: "crane"}  # as ImageNet has them: a bird and a machine
    with pytest.raises(CheckpointError, match=r"2 classes named 'crane' \(rows \[0, 2\]\)"):
        replace_head(model, LabelSpace(("crane", "cat")), mode="extend")
    replace_head(model, LabelSpace(("dog", "cat")), mode="extend")


def test_a_head_keeps_its_mode_precision_and_whether_it_has_a_bias(build):
    model = build("vit").half().train()
    model.classifier = nn.Linear(32, 10, bias=False, dtype=torch.float16)
    replace_head(model, LabelSpace.numbered(3))
    assert model.classifier.weight.dtype == torch.float16
    assert model.classifier.training
    assert model.classifier.bias is None


def test_a_model_without_a_head_is_refused(build):
    model = build("vit")
    model.config.num_labels = 0
    headless = type(model)(model.config)
    with pytest.raises(CheckpointError, match=r"no layer that depends on the number of classes"):
        find_heads(headless)
