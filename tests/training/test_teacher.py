"""A teacher in a run: who may teach, what it looks at, what is kept, and that it is heard."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from finetune.errors import CheckpointError, UnreachableError
from finetune.labels import LabelSpace
from finetune.model import save_model
from finetune.model.task import Multiclass, Multilabel
from finetune.pixels import PixelPipeline
from finetune.recipe.sections import Distill
from finetune.training import assembly, train
from finetune.training.teacher import KeptAnswers, Teacher, load_teacher

CLASSES = ("circle", "cross", "square")  # of the images that all tests share
PIXELS = PixelPipeline("squash", 32, None, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
VIT = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32,
    "patch_size": 16,
}  # fmt: skip
RESNET = {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1], "layer_type": "basic"}
FAMILIES = {
    "vit": ("ViTConfig", "ViTForImageClassification", VIT),
    "deit": ("DeiTConfig", "DeiTForImageClassification", VIT),
    "distilled": ("DeiTConfig", "DeiTForImageClassificationWithTeacher", VIT),
    "resnet": ("ResNetConfig", "ResNetForImageClassification", RESNET),
}
SGD = {
    "optim.optimizer": "sgd", "optim.momentum": 0.0, "optim.max_grad_norm": 0.0, "optim.max_steps": 1,
    "evaluate.every": "never",
}  # fmt: skip
SAME_PIXELS, OTHER_PIXELS = {"augment.preset": "none"}, {"augment.preset": "light"}


@pytest.fixture
def teacher_folder(tmp_path):
    """``teacher_folder("resnet", classes)``: a checkpoint with random weights whose answers differ between images."""

    def make(
        family: str = "vit", classes: tuple[str, ...] = CLASSES, problem_type: str | None = None, size_px: int = 32
    ) -> Path:
        config_name, model_name, settings = FAMILIES[family]
        labels = LabelSpace(classes)
        sized = settings if family == "resnet" else {**settings, "image_size": size_px}
        config = getattr(transformers, config_name)(**sized, id2label=labels.id2label, label2id=dict(labels.label2id))
        config.problem_type = problem_type
        torch.manual_seed(7)
        model = getattr(transformers, model_name)(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        folder = tmp_path / f"teacher-{len(list(tmp_path.iterdir()))}"
        save_model(model, PIXELS.resized_for(size_px), folder)
        return folder

    return make


def load(folder: Path | str, task: Any = None, labels: tuple[str, ...] = CLASSES) -> Teacher:
    return load_teacher(Distill(teacher=str(folder)), LabelSpace(labels), task or Multiclass(), PIXELS, "fp32")


def some_pixels(size_px: int = 32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"pixels": torch.randint(0, 256, (5, 3, size_px, size_px), dtype=torch.uint8, generator=generator)}


def relative_difference(found, expected):
    assert found.keys() == expected.keys()
    difference = sum(float((found[name] - expected[name]).double().pow(2).sum()) for name in expected)
    return (difference / sum(float(tensor.double().pow(2).sum()) for tensor in expected.values())) ** 0.5


# ---------------------------------------------------------------- who may teach


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_come_in_the_order_of_the_students_classes(teacher_folder, family):
    folder = teacher_folder(family, classes=("square", "circle", "cross"))
    plainly = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = plainly(pixel_values=PIXELS.normalise(some_pixels()["pixels"])).logits
    assert logits.std(dim=0).min() > 1e-4  # the images do not all get the same answer
    torch.testing.assert_close(load(folder)(some_pixels()), logits[:, [1, 2, 0]])


def test_the_teacher_is_frozen_and_in_evaluation_mode(teacher_folder):
    teacher = load(teacher_folder("resnet"))
    assert not teacher.model.training
    assert not any(parameter.requires_grad for parameter in teacher.model.parameters())
    assert not teacher(some_pixels()).requires_grad


def test_a_teacher_of_another_input_size_gets_the_students_crop_resampled(teacher_folder):
    folder = teacher_folder(size_px=48)
    teacher = load(folder)
    assert teacher(some_pixels()).shape == (5, 3)
    assert teacher.pixels.normalise(some_pixels()["pixels"]).shape == (5, 3, 48, 48)


def test_other_classes_are_refused_and_named(teacher_folder):
    others = ("circle", *(f"other_{i}" for i in range(7)))
    with pytest.raises(
        CheckpointError,
        match=r"distill\.teacher: .*does not have the data's 3 classes: the teacher lacks 2 \('cross', 'square'\); the "
        r"data lack 7 \('other_0', 'other_1', 'other_2', 'other_3', 'other_4' and 2 more\); name a teacher of the same",
    ):
        load(teacher_folder(classes=others))


def test_one_class_too_many_is_refused_too(teacher_folder):
    with pytest.raises(CheckpointError, match=r"3 classes: the data lack 1 \('triangle'\); name"):
        load(teacher_folder(classes=(*CLASSES, "triangle")))


def test_two_outputs_of_one_name_are_refused(teacher_folder):
    folder = teacher_folder(classes=(*CLASSES, "again"))
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"3": "again"', '"3": "cross"'))
    with pytest.raises(CheckpointError, match=r"several outputs of one name: 1 \('cross'\)"):
        load(folder)


@pytest.mark.parametrize(
    ("said", "task", "words"),
    [
        (
            "multi_label_classification",
            Multiclass(),
            r"cannot teach multiclass: .*problem_type multi_label_classification, so it judges each label by itself "
            r"\(sigmoid\).*; name a teacher that was trained for multiclass",
        ),
        (
            "single_label_classification",
            Multilabel(),
            r"cannot teach multilabel: .*single_label_classification, so its probabilities \(softmax\) add up to 1",
        ),
        (None, Multilabel(), r"cannot teach multilabel: .*problem_type null, so its probabilities \(softmax\) add up"),
        ("regression", Multiclass(), r"problem_type regression, so it is no classifier"),
    ],
)
def test_a_teacher_of_another_task_is_refused_with_the_reason(teacher_folder, said, task, words):
    with pytest.raises(CheckpointError, match=words):
        load(teacher_folder(problem_type=said), task)


@pytest.mark.parametrize("said", [None, "single_label_classification"])
def test_a_checkpoint_that_does_not_name_its_task_counts_as_softmax(teacher_folder, said):
    assert load(teacher_folder(problem_type=said)).rows == [0, 1, 2]


def test_a_teacher_without_a_trained_head_is_refused(teacher_folder):
    from safetensors.torch import save_file

    folder = teacher_folder()
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"has no classifier\.weight .* its answers would be random"):
        load(folder)


def test_a_teacher_without_a_preprocessor_file_is_refused(teacher_folder):
    folder = teacher_folder()
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"distill\.teacher: .* has no preprocessor_config\.json"):
        load(folder)


def test_a_teacher_whose_processor_cannot_be_followed_is_refused_by_name_and_both_ways_out_work(
    recipe_for, teacher_folder, tmp_path
):
    labels = LabelSpace(CLASSES)
    size = {"width_coefficient": 0.25, "depth_coefficient": 0.1, "hidden_dim": 320, "image_size": 32}
    config = transformers.EfficientNetConfig(**size, id2label=labels.id2label, label2id=dict(labels.label2id))
    folder = tmp_path / "efficient"
    transformers.EfficientNetForImageClassification(config).save_pretrained(folder)
    own = {"image_processor_type": "EfficientNetImageProcessor", "size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(own))
    with pytest.raises(
        CheckpointError,
        match=r"distill\.teacher: .*efficient cannot teach, because images cannot be prepared as its "
        r"EfficientNetImageProcessor does: .* its pixels differ by up to [\d.]+ from what its settings say; fine-tune "
        r"it here with model\.preprocessing spelled out and name that run, or save a ViTImageProcessor that comes near "
        r"into a copy of .*efficient and name that$",
    ):
        load(folder)
    spelled = {"resize": "squash", "resize_px": 32, "crop_px": None}
    own_run = {"model.checkpoint": str(folder), "model.preprocessing": spelled, "optim.max_steps": 1}
    assert load(train(recipe_for(**own_run)).path).pixels.second.resize == "squash"
    PIXELS.to_processor("vit").save_pretrained(folder)
    assert load(folder)(some_pixels()).shape == (5, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"image_processor_type": "MobileViTImageProcessor", "size": 32, "crop_size": 32},
            r"as its MobileViTImageProcessor does: .*; fine-tune it here",
        ),
        ({"feature_extractor_type": "ImageGPTFeatureExtractor"}, r"as its ImageGPTFeatureExtractor does: .* loaded"),
        ("{", r"as its image processor does: .* cannot be loaded"),
    ],
)
def test_other_processors_are_named_too_and_the_students_preprocessing_is_not_advised(teacher_folder, content, words):
    folder = teacher_folder()
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "preprocessor_config.json").write_text(text)
    with pytest.raises(CheckpointError, match=words) as caught:
        load(folder)
    assert "spell out model.preprocessing" not in str(caught.value)


def test_a_preprocessor_file_for_another_size_is_refused(teacher_folder):
    folder = teacher_folder()
    PIXELS.resized_for(40).to_processor("vit").save_pretrained(folder)
    with pytest.raises(
        CheckpointError, match=r"cannot take images of 40 px, which its preprocessor_config\.json gives \("
    ):
        load(folder)


def test_a_folder_that_is_not_there_is_a_fault_of_the_teachers_key():
    with pytest.raises(CheckpointError, match=r"distill\.teacher: there is no folder \./nowhere"):
        load("./nowhere")


def test_a_teacher_on_the_hub_that_cannot_be_reached_is_said(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UnreachableError,
        match=r"distill\.teacher: someone/wise is no folder here and not in the Hub cache, and cannot be downloaded "
        r".*; connect to the network, or give a local folder$",
    ):
        load("someone/wise")


# ---------------------------------------------------------------- it is heard


@pytest.mark.parametrize(("student", "teacher"), [("tiny_vit", "resnet"), ("tiny_distilled", "distilled")])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_accumulated_pieces_give_the_gradient_of_the_whole_batch(
    request, recipe_for, first_gradients, teacher_folder, multilabel, student, teacher, task
):
    problem_type = "multi_label_classification" if task == "multilabel" else None
    distill = {"teacher": str(teacher_folder(teacher, problem_type=problem_type)), "kind": "soft"}
    checkpoint = str(request.getfixturevalue(student))
    overrides = {"model.checkpoint": checkpoint, "distill": distill, **SGD, **OTHER_PIXELS}
    overrides |= multilabel if task == "multilabel" else {}
    whole = first_gradients(recipe_for(**overrides))
    pieces = first_gradients(recipe_for(**overrides, **{"optim.accumulation_steps": 4}))
    assert all(float(gradient.abs().max()) > 0 for name, gradient in whole.items() if "classifier" in name)
    assert relative_difference(pieces, whole) < 1e-5


def test_kind_temperature_and_weight_each_change_what_is_learnt(recipe_for, first_gradients, teacher_folder):
    plain = {"teacher": str(teacher_folder()), "kind": "soft", "temperature": 2.0, "weight": 0.5}
    changes: list[dict[str, Any]] = [{}, {"kind": "hard", "temperature": None}, {"temperature": 4.0}, {"weight": 0.9}]
    found = [first_gradients(recipe_for(distill={**plain, **change}, **SGD)) for change in changes]
    assert all(relative_difference(other, found[0]) > 0.01 for other in found[1:])


@pytest.mark.parametrize("pixels", [SAME_PIXELS, OTHER_PIXELS])
def test_a_teacher_without_weight_changes_not_a_bit(recipe_for, trainer_for, teacher_folder, pixels):
    """Loading and asking it draws no random number either. (A recipe may not say so: it would ask for nothing.)"""
    weights = []
    for distill in (None, {"teacher": str(teacher_folder("resnet"))}):
        trainer = trainer_for(recipe_for(distill=distill, **{"evaluate.every": "never"}, **pixels))
        if distill is not None:
            trainer.objective = dataclasses.replace(trainer.objective, weight=0.0)
        trainer.train()
        weights.append(trainer.model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.fixture(scope="module")
def misled(tmp_path_factory, tiny_vit, image_folder):
    """A run that knows the marks, and then calls each class by the next one's name."""
    from finetune.recipe import load_recipe

    root = tmp_path_factory.mktemp("misled")
    plain = {
        "task": "multiclass",
        "data": {"kind": "folder", "root": str(image_folder), "split": {"validation": 0.25}},
        "model": {"checkpoint": str(tiny_vit)},
        "augment": {"preset": "none"},
        "optim": {"preset": "plain", "epochs": 12, "batch_size": 6, "learning_rate": 2e-3},
        "evaluate": {"every": "never"},
        "run": {"root": str(root), "name": "run", "precision": "fp32", "tracking": []},
    }
    run = train(load_recipe(plain))
    assert run.read_metrics()["validation"]["accuracy"] == 1.0
    config = json.loads((run.model / "config.json").read_text())
    config["id2label"] = {"0": "cross", "1": "square", "2": "circle"}
    config["label2id"] = {name: int(row) for row, name in config["id2label"].items()}
    (run.model / "config.json").write_text(json.dumps(config))
    return run.path


def test_a_student_that_hears_only_its_teacher_decides_as_it_does(recipe_for, misled, tiny_vit):
    """Against the labels, so there is no doubt whom it learnt from; and a run folder is a teacher."""
    distill = {"teacher": str(misled), "kind": "soft", "temperature": 1.0, "weight": 1.0}
    overrides = {"model.checkpoint": str(tiny_vit), "optim.epochs": 15, "optim.batch_size": 6}
    overrides |= {"optim.learning_rate": 2e-3, "evaluate.every": "never"}
    run = train(recipe_for(distill=distill, **overrides, **SAME_PIXELS))
    taught = {"circle": ["cross"], "cross": ["square"], "square": ["circle"]}
    hits = [row["predicted"] == taught[row["true"][0]] for row in run.read_predictions()]
    assert np.mean(hits) >= 5 / 6
    assert run.read_record()["teacher"]["kind"] == "run"


# ---------------------------------------------------------------- what is recorded and kept


def test_the_record_says_who_taught_and_nothing_of_it_is_saved(recipe_for, teacher_folder):
    folder = teacher_folder("resnet", classes=("square", "cross", "circle"))
    run = train(recipe_for(distill={"teacher": str(folder)}, **{"optim.max_steps": 1}, **OTHER_PIXELS))
    teacher = run.read_record()["teacher"]
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert (teacher["checkpoint"], teacher["kind"], teacher["looks"]) == (str(folder), "folder", "anew")
    assert teacher["weights_sha256"] == {"model.safetensors": digest}
    assert teacher["architecture"] == "ResNetForImageClassification"
    assert teacher["classes"] == ["square", "cross", "circle"]
    alone = train(recipe_for(**{"optim.max_steps": 1}))
    assert load_file(run.model / "model.safetensors").keys() == load_file(alone.model / "model.safetensors").keys()
    assert {path.name for path in run.model.iterdir()} == {path.name for path in alone.model.iterdir()}


@pytest.fixture
def passes(monkeypatch):
    """How many images each of the teacher's forward passes held."""
    seen: list[int] = []

    def load_and_watch(*arguments: Any) -> Teacher:
        teacher = load_teacher(*arguments)
        teacher.model.register_forward_hook(lambda model, inputs, output: seen.append(len(output.logits)))
        return teacher

    monkeypatch.setattr(assembly, "load_teacher", load_and_watch)
    return seen


def test_images_that_never_vary_are_shown_to_the_teacher_once(recipe_for, trainer_for, teacher_folder, passes):
    three_epochs = {"optim.epochs": 3, "evaluate.every": "never"}
    trainer_for(recipe_for(distill={"teacher": str(teacher_folder())}, **three_epochs, **SAME_PIXELS)).train()
    assert passes == [16, 16]  # 18 images, the last pass filled up


def test_images_that_vary_are_shown_to_the_teacher_as_often_as_to_the_student(
    recipe_for, trainer_for, teacher_folder, passes
):
    three_epochs = {"optim.epochs": 3, "evaluate.every": "never"}
    trainer_for(recipe_for(distill={"teacher": str(teacher_folder())}, **three_epochs, **OTHER_PIXELS)).train()
    assert passes == [8, 8, 2] * 3


def test_what_is_kept_is_what_the_teacher_would_say_of_the_batch(recipe_for, trainer_for, teacher_folder):
    folder = teacher_folder("vit", classes=("square", "circle", "cross"), size_px=48)
    trainer = trainer_for(recipe_for(distill={"teacher": str(folder)}, **SAME_PIXELS))
    batch, kept = next(iter(trainer.loader)), trainer.objective.answers
    assert isinstance(kept, KeptAnswers)
    teacher = load_teacher(Distill(teacher=str(folder)), LabelSpace(CLASSES), Multiclass(), trainer.pixels, "fp32")
    torch.testing.assert_close(kept(batch), teacher(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pixels", [SAME_PIXELS, OTHER_PIXELS])
def test_resuming_within_an_epoch_leads_to_the_same_bits(recipe_for, trainer_for, teacher_folder, pixels):
    overrides = {"evaluate.every": "steps", "evaluate.every_steps": 2, "run.keep_checkpoints": 9, "optim.max_steps": 6}
    recipe = recipe_for(distill={"teacher": str(teacher_folder("resnet")), "kind": "soft"}, **overrides, **pixels)
    first, second = trainer_for(recipe), trainer_for(recipe)
    first.train()
    second.train(resume_from_checkpoint=f"{first.args.output_dir}/checkpoint-4")  # an epoch has 3 steps
    ends = [load_file(f"{trainer.args.output_dir}/checkpoint-6/model.safetensors") for trainer in (first, second)]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_under_bf16_the_teacher_computes_in_bf16_too(teacher_folder):
    folder = teacher_folder()
    full, half = (
        load_teacher(Distill(teacher=str(folder)), LabelSpace(CLASSES), Multiclass(), PIXELS, precision)(some_pixels())
        for precision in ("fp32", "bf16")
    )
    assert half.dtype == torch.float32
    assert 0 < float((full - half).abs().max()) < 0.1
