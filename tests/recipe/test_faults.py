"""Every key's wrong value and misspelling, by the words that a user reads."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from finetune.errors import RecipeError
from finetune.recipe import load_recipe
from finetune.recipe.keys import annotation_at, data_sections, leaf_keys
from finetune.recipe.words import PATTERNS

FRACTION_BELOW_1 = "a number from 0 to below 1"
COUNT = "a whole number of at least 1"
KINDS = "folder, csv, jsonl, hub or formula"
SPLITS = "a mapping with the keys train, validation or test"

WRONG: dict[str, tuple[Any, str]] = {
    "task": ("multi", "multiclass or multilabel"),
    "data.kind": ("zip", KINDS),
    "data.split.validation": (1.0, FRACTION_BELOW_1),
    "data.split.test": (-0.1, FRACTION_BELOW_1),
    "data.split.seed": (1.5, "a whole number"),
    "data.split.folds": (1, "a whole number of at least 2, or null"),
    "data.split.fold": (0, f"{COUNT}, or null"),
    "data.sampling": ("even", "shuffled or balanced"),
    "data.on_bad_image": ("skip", "fail or drop"),
    "data.keep_decoded_mb": ("all", "a whole number of at least 0, or auto"),
    "data.workers": (-1, "a whole number of at least 0, or auto"),
    "data.root": ("", "text that is not empty"),
    "data.download": ("https://a.org/x.zip", "a mapping with the keys url, sha256, or null"),
    "data.download.url": ("ftp://a.org/x.zip", "an address that begins with http://, https:// or file://"),
    "data.download.sha256": ("ABC", "64 digits from 0-9 and a-f, or null"),
    "data.file": (3, f"text, or {SPLITS}"),
    "data.images": (None, "text"),
    "data.delimiter": (", ", "one character"),
    "data.path_column": (1, "text"),
    "data.label_column": (1, "text"),
    "data.label_separator": ("", "text that is not empty"),
    "data.label_columns": ("cat", "a list of texts, or null"),
    "data.split_column": (1, "text, or null"),
    "data.group_column": (1, "text, or null"),
    "data.name": ("", "text that is not empty"),
    "data.config": (1, "text, or null"),
    "data.revision": (1, "text, or null"),
    "data.data_dir": (1, "text, or null"),
    "data.data_files": (1, "text, a list of texts, a mapping, or null"),
    "data.image_column": (1, "text"),
    "data.splits": ("train", f"{SPLITS}, or null"),
    "data.family": ("spirals", "fractals, contours or mixed"),
    "data.classes": (1, "a whole number from 2 to 1000000"),
    "data.instances": (0, "a whole number from 1 to 1000000"),
    "data.image_size_px": (4, "a whole number from 8 to 1024"),
    "data.seed": (-1, "a whole number from 0 to below 9223372036854775808"),
    "model.checkpoint": (None, "text that is not empty"),
    "model.revision": (1, "text, or null"),
    "model.image_size_px": (0, f"{COUNT}, or null"),
    "model.preprocessing": (
        "none",
        "auto, card or checkpoint, or a mapping with the keys mean, std, resize_px, resize",
    ),
    "model.preprocessing.mean": ([0.5, 0.5], "a list of 3 numbers"),
    "model.preprocessing.std": (0.5, "a list of 3 numbers above 0"),
    "model.preprocessing.resize_px": (0, COUNT),
    "model.preprocessing.resize": ("pad", "shortest_edge or squash"),
    "model.preprocessing.crop_px": ("224", f"{COUNT}, or null; without the quotes it is a number"),
    "model.preprocessing.interpolation": ("cubic", "nearest, bilinear, bicubic or lanczos"),
    "model.head": ("old", "new, keep or extend"),
    "model.weights": ("none", "pretrained or random"),
    "model.train": ("some", "all, head, last_n_blocks, lora or probe"),
    "model.train_blocks": (0, COUNT),
    "model.lora.rank": (0, COUNT),
    "model.lora.alpha": (0, "a number above 0"),
    "model.lora.dropout": (1, FRACTION_BELOW_1),
    "model.lora.targets": ("q_proj", "a list of texts"),
    "model.probe.folds": (1, "a whole number of at least 2"),
    "model.probe.strengths": (0, COUNT),
    "model.drop_path": (1, FRACTION_BELOW_1),
    "model.attention": ("flash", "auto, eager or sdpa"),
    "model.activation_checkpointing": ("on", "true or false; in YAML 1.2 'on' is a word"),
    "model.compile": (1, "true or false"),
    "augment.preset": ("strong", "none, light, deit or three_augment"),
    "augment.crop_scale": ([0.5], "a list of 2 numbers from 0 to 1, evaluation, or null"),
    "augment.crop_ratio": (None, "a list of 2 numbers above 0"),
    "augment.horizontal_flip": (1.5, "a number from 0 to 1, or null"),
    "augment.vertical_flip": (True, "a number from 0 to 1"),
    "augment.color_jitter": (2, "a number from 0 to 1, or null"),
    "augment.rand_augment_operations": (-1, "a whole number of at least 0, or null"),
    "augment.rand_augment_magnitude": (11, "a number from 0 to 10"),
    "augment.rand_augment_magnitude_std": (-1, "a number of at least 0"),
    "augment.rand_augment_increasing": (1, "true or false"),
    "augment.rand_augment_probability": (2, "a number from 0 to 1"),
    "augment.three_augment": (True, "a number from 0 to 1, or null"),
    "augment.erasing": (25, "a number from 0 to 1, or null"),
    "augment.erasing_area": (0.1, "a list of 2 numbers from 0 to 1"),
    "augment.mixup_alpha": (-1, "a number of at least 0, or null"),
    "augment.cutmix_alpha": (-1, "a number of at least 0, or null"),
    "augment.mix_probability": (2, "a number from 0 to 1"),
    "augment.cutmix_share": (2, "a number from 0 to 1"),
    "augment.repeats": (0, f"{COUNT}, or null"),
    "optim.preset": ("best", "auto, plain, azure, deit, deit_384 or deit_transfer"),
    "optim.epochs": (0, "a number above 0, or null"),
    "optim.max_steps": (-1, f"{COUNT}, or null"),
    "optim.batch_size": (16.0, f"{COUNT}, or null"),
    "optim.accumulation_steps": (0, COUNT),
    "optim.find_batch_size": ("true", "true or false"),
    "optim.learning_rate": ("5e-5", "a number above 0, or null; without the quotes it is a number"),
    "optim.layer_decay": (0, "a number from above 0 to 1, or null"),
    "optim.head_multiplier": (0, "a number above 0"),
    "optim.unfreeze_every_epochs": (0, "a number above 0, or null"),
    "optim.ema_decay": (1, "a number from above 0 to below 1, or null"),
    "optim.schedule": ("step", "cosine, linear, cosine_with_restarts, polynomial, constant or inverse_sqrt"),
    "optim.schedule_args": ([2], "a mapping"),
    "optim.warmup_fraction": (1, f"{FRACTION_BELOW_1}, or null"),
    "optim.warmup_steps": (0.1, f"{COUNT}, or null"),
    "optim.optimizer": (
        "adam",
        "adamw, muon, sgd, adafactor or a name that transformers' Trainer knows; did you mean 'adamw'?",
    ),
    "optim.optimizer_args": ("nesterov=True", "a mapping"),
    "optim.betas": ([0.9], "a list of 2 numbers from 0 to below 1"),
    "optim.epsilon": (0, "a number above 0"),
    "optim.momentum": (1, FRACTION_BELOW_1),
    "optim.weight_decay": (-0.1, "a number of at least 0, or null"),
    "optim.max_grad_norm": (None, "a number of at least 0"),
    "loss.kind": ("mse", "auto, cross_entropy, binary_cross_entropy, focal or asymmetric"),
    "loss.label_smoothing": (1, FRACTION_BELOW_1),
    "loss.focal_gamma": (-1, "a number of at least 0"),
    "loss.asymmetric_gammas": (4, "a list of 2 numbers of at least 0"),
    "loss.asymmetric_margin": (2, "a number from 0 to 1"),
    "loss.class_weights": ("even", "balanced or effective_number, a mapping, or null"),
    "loss.effective_number_beta": (1, "a number from above 0 to below 1"),
    "loss.pos_weight": (0, "balanced, a number above 0, a mapping, or null"),
    "distill": ("x", "a mapping with the keys teacher, revision, kind, temperature, weight, or null"),
    "distill.teacher": ("", "text that is not empty"),
    "distill.revision": (1, "text, or null"),
    "distill.kind": ("warm", "soft or hard"),
    "distill.temperature": (0, "a number above 0, or null"),
    "distill.weight": (2, "a number from 0 to 1"),
    "evaluate.every": (5, "epoch, steps or never"),
    "evaluate.every_steps": (0, f"{COUNT}, or null"),
    "evaluate.every_epochs": (0, f"{COUNT}, or null"),
    "evaluate.batch_size": (0, f"{COUNT}, or null"),
    "evaluate.best_metric": (1, "text, or null"),
    "evaluate.patience": (0, f"{COUNT}, or null"),
    "evaluate.min_improvement": (-1, "a number of at least 0"),
    "evaluate.thresholds": (50, "a number from 0 to 1, or tuned"),
    "evaluate.calibration": ("platt", "none or temperature"),
    "evaluate.top_k": (0, COUNT),
    "evaluate.precision": ("fp16", "fp32 or bf16"),
    "evaluate.flip": (1, "true or false"),
    "run.root": ("", "text that is not empty"),
    "run.name": ("../x", "the name of a folder, without / and \\, or null"),
    "run.seed": ("42", "a whole number; without the quotes it is a number"),
    "run.max_minutes": (0, "a number above 0, or null"),
    "run.device": ("cuda", "auto or cpu"),
    "run.precision": (16, "auto, fp32, bf16 or fp16"),
    "run.deterministic": (None, "true or false"),
    "run.keep_checkpoints": (0, COUNT),
    "run.log_every_steps": (0, COUNT),
    "run.tracking": ("wandb", "a list of tensorboard, mlflow or wandb"),
    "search.space": ("optim", "a mapping"),
    "search.sampler": ("grid", "tpe or random"),
    "search.prune": (1, "true or false"),
    "offline": ("bundled:digits", "a mapping"),
}

SMALLEST_OF_KIND: dict[str, dict[str, Any]] = {
    "folder": {"kind": "folder", "root": "photos"},
    "csv": {"kind": "csv", "root": "photos"},
    "jsonl": {"kind": "jsonl", "root": "photos"},
    "hub": {"kind": "hub", "name": "beans"},
    "formula": {"kind": "formula"},
}


def recipe_with(key: str, value: Any, like: str | None = None) -> dict[str, Any]:
    """A sound recipe but for one key; its data are of a kind that has the key, or the one that it is like."""
    word = (like or key).split(".")[1] if key.startswith("data.") else "root"
    kind = next(kind for kind, section in data_sections().items() if word in section.model_fields)
    tree: dict[str, Any] = {"task": "multiclass", "data": copy.deepcopy(SMALLEST_OF_KIND[kind])}
    if key.startswith("data.download."):
        tree["data"]["download"] = {"url": "https://a.org/x.zip"}
    if key.startswith("distill."):
        tree["distill"] = {"teacher": "x"}
    here = tree
    *above, last = key.split(".")
    for part in above:
        here = here.setdefault(part, {})
    here[last] = value
    return tree


def faults_of(tree: dict[str, Any]) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(tree)
    return caught.value.faults


def test_the_table_of_wrong_values_has_every_key():
    assert set(WRONG) == set(leaf_keys())


@pytest.mark.parametrize("key", WRONG)
def test_a_wrong_value_is_answered_by_path_find_and_expectation(key):
    value, expected = WRONG[key]
    (fault,) = faults_of(recipe_with(key, value))
    assert re.match(rf"{re.escape(key)}: found .+, expected {re.escape(expected)}", fault)


@pytest.mark.parametrize("key", sorted(set(leaf_keys()) - {"task", "offline"}))
def test_a_slip_of_the_finger_is_answered_by_the_key(key):
    word = key.rpartition(".")[2]
    assert any(
        f"{key}x: unknown key; did you mean {word}?" in fault for fault in faults_of(recipe_with(f"{key}x", 1, key))
    )


@pytest.mark.parametrize("section", ["task", "data", "model", "augment", "optim", "loss", "evaluate", "run", "offline"])
def test_a_misspelled_section_is_answered_by_its_name(smallest, section):
    assert f"{section}x: unknown key; did you mean {section}?" in faults_of({**smallest, f"{section}x": {}})


@pytest.mark.parametrize("section", ["model", "augment", "optim", "loss", "evaluate", "run", "offline"])
def test_a_section_must_be_a_mapping(smallest, section):
    (fault,) = faults_of({**smallest, section: 5})
    assert fault.startswith(f"{section}: found 5, expected a mapping")
    (fault,) = faults_of({**smallest, section: None})
    assert fault.startswith(f"{section}: found null, expected a mapping")


@pytest.mark.parametrize(
    ("tree", "faults"),
    [
        (
            {},
            [
                "task: missing; expected multiclass or multilabel",
                f"data: missing; expected a mapping with kind: {KINDS}",
            ],
        ),
        ({"task": "multiclass", "data": "photos"}, [f"data: found 'photos', expected a mapping with kind: {KINDS}"]),
        ({"task": "multiclass", "data": {"root": "photos"}}, [f"data.kind: missing; expected {KINDS}"]),
        ({"task": "multiclass", "data": {"kind": None}}, [f"data.kind: found null, expected {KINDS}"]),
        ({"task": "multiclass", "data": {"kind": ["csv"]}}, [f"data.kind: found ['csv'], expected {KINDS}"]),
        ({"task": "multiclass", "data": {"kind": "folder"}}, ["data.root: missing; expected text that is not empty"]),
        ({"task": "multiclass", "data": {"kind": "hub"}}, ["data.name: missing; expected text that is not empty"]),
    ],
)
def test_what_is_missing_is_said(tree, faults):
    assert faults_of(tree) == faults


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        (
            "data.label_column",
            "x",
            "data.label_column: unknown key for kind folder; it belongs to kind csv, jsonl or hub",
        ),
        ("optim.seed", 1, "optim.seed: unknown key; did you mean data.split.seed, data.seed or run.seed?"),
        ("optim.lr", 1, "optim.lr: unknown key; did you mean optim.learning_rate?"),
        ("train.num_train_epochs", 3, "train: unknown key; did you mean model.train?"),
        ("epochs", 3, "epochs: unknown key; did you mean optim.epochs?"),
        ("optim.num_train_epochs", 3, "optim.num_train_epochs: unknown key; did you mean optim.epochs?"),
        ("optim.gradient_accumulation_step", 3, "did you mean optim.accumulation_steps?"),
        (
            "run.fsdp",
            "full_shard",
            "run.fsdp: unknown key; it has none here: accelerate's configuration switches it on",
        ),
        (
            "augment.rand_augment",
            9,
            "augment.rand_augment: unknown key; did you mean rand_augment_operations, rand_augment_magnitude, ",
        ),
        ("optim.ema", 0.99, "optim.ema: unknown key; did you mean ema_decay?"),
        ("augment.crop", 0.5, "augment.crop: unknown key; did you mean crop_scale or crop_ratio?"),
        ("run.ema", 0.99, "run.ema: unknown key; did you mean optim.ema_decay?"),
        ("loss.qqqq", 1, "loss.qqqq: unknown key; expected kind, label_smoothing, "),
        ("model.preprocessing", {"men": 2}, "model.preprocessing.men: unknown key; did you mean mean?"),
        ("model.preprocessing", {"mean": [0.5, "x", 0.5]}, "model.preprocessing.mean[1]: found 'x', expected a number"),
        ("run.tracking", ["tensorbord"], "run.tracking[0]: found 'tensorbord', expected tensorboard, mlflow or wandb"),
        ("augment.crop_scale", [1.0, 0.5], "augment: crop_scale [1.0, 0.5] must be [low, high] with 0 < low <= high"),
        ("optim.epochs", float("nan"), "optim.epochs: found .nan, expected a number above 0"),
        ("optim.epochs", float("inf"), "optim.epochs: found .inf, expected a number above 0"),
        ("optim.epochs", "x" * 500, "optim.epochs: found 'xxxxxxxx"),
        ("run.name", "..", "run.name: found '..', expected the name of a folder"),
    ],
)
def test_what_a_user_gets_to_read(smallest, key, value, fault):
    tree = recipe_with(key, value)
    tree["data"] |= smallest["data"]
    assert any(line.startswith(fault) or fault in line for line in faults_of(tree))


def test_a_misspelled_split_of_a_table_is_named():
    tree = {"task": "multiclass", "data": {"kind": "csv", "file": {"train": "a.csv", "valdation": "b.csv"}}}
    assert faults_of(tree) == ["data.file.valdation: unknown key; did you mean validation?"]


def test_keys_that_are_no_text_are_unknown_keys(smallest):
    assert "1: unknown key" in faults_of({**smallest, 1: "x"})[0]


def test_a_long_value_is_cut_short(smallest):
    (fault,) = faults_of({**smallest, "optim": {"epochs": "x" * 500}})
    assert len(fault) < 120


def test_all_faults_are_reported_at_once_in_the_order_of_the_file(write):
    path = write(
        "task: multilabel\n"
        "data: {kind: folder, root: 7}\n"
        "optim:\n"
        "  learning_rat: 5e-5\n"
        "  epochs: none\n"
        "evaluate: {best_metric: acuracy, every: steps}\n"
        "modell: {}\n"
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, {"run.seed": "x"})
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}: 8 faults"
    assert [re.match(r"  ([\w.]+): ", line)[1] for line in lines[1:]] == [
        "task", "data.root", "optim.learning_rat", "optim.epochs", "evaluate.best_metric", "evaluate.every_steps",
        "modell", "run.seed",
    ]  # fmt: skip
    assert [line.rpartition(" (")[2] for line in lines[1:]] == [
        "line 1)", "line 2)", "line 4)", "line 5)", "line 6)", "line 6)", "line 7)", "an override)",
    ]  # fmt: skip


def test_one_fault_stands_on_one_line_as_the_design_has_it(write):
    path = write("task: multiclass\ndata: {kind: folder, root: x}\noptim: {learning_rat: 5e-5}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value) == f"{path}: optim.learning_rat: unknown key; did you mean learning_rate? (line 3)"


def test_every_pattern_of_the_sections_has_words():
    found = set(re.findall(r"pattern='([^']*)'", repr([annotation_at(key.split(".")) for key in leaf_keys()])))
    assert {pattern.replace("\\\\", "\\") for pattern in found} == set(PATTERNS)
