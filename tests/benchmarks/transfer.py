"""What the bundled checkpoint's pre-training is worth: from its weights, and from the same shape's random weights.

    python tests/benchmarks/transfer.py choose                    # rates, on the half of the digits that may choose
    python tests/benchmarks/transfer.py digits [--seeds 5]        # 10, 20 and 50 per class, on the other half
    python tests/benchmarks/transfer.py probes                    # linear heads on frozen features, and on raw pixels
    python tests/benchmarks/transfer.py rates [--seeds 1]         # of the recipes from random weights, on other images
    python tests/benchmarks/transfer.py all-digits | fridge | multilabel [--seeds 5]
    DEIT_FINETUNE_PHOTOS=FOLDER python tests/benchmarks/transfer.py photographs
    python tests/benchmarks/transfer.py curve CHECKPOINT…        # of a pre-training under way: on the half that chooses

One protocol for the digits: 400 steps of 64 images at 64 px, AdamW, cosine, a tenth of warm-up, crops of 0.8 to 1, no
flips; scored once, at the end, on all digits of the half that were not drawn. Both sides learn from the same images in
the same order, each at the best of four learning rates. ``fridge`` and ``multilabel`` are the recipes of that name
without a network, which learn from all images that are shipped and are scored on others that are drawn for it (the
recipes' settings were chosen on 800 and 400 more, numbered from 1001); probes of these sets learn from four fifths of
the shipped images. ``curve`` takes the folders ``checkpoints/checkpoint-STEP`` of a pre-training with evaluate.every:
steps, evaluate.every_steps: 500 and run.keep_checkpoints: 100. Two fits run beside each other, one thread each.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from paired import compare, interval
from PIL import Image

from finetune.data.bundled import bundled_root
from finetune.data.bundled.fridge.sets import CLASSES, drawn_photograph, photograph_of

RECIPES = Path(__file__).parents[2] / "recipes"
RATES = (2.5e-4, 5e-4, 1e-3, 2e-3)
SHOTS = (10, 20, 50)
WEIGHTS = ("random", "pretrained")
BEST = {"random": 2e-3, "pretrained": 5e-4}  # as ``choose`` found them
STEPS = 400
MODEL = {"config.json", "model.safetensors"}
RANDOM = {
    "digits": {"optim.learning_rate": 2e-3},  # as ``choose`` found it for few of them
    "fridge_multiclass": {"optim.learning_rate": 2e-3, "optim.layer_decay": None},
    "fridge_multilabel": {"optim.learning_rate": 2e-3, "optim.layer_decay": None},
}
"""What replaces the recipes' own rates where they start from random weights. For the fridge sets ``rates`` found none
that is better beyond chance (RESULTS.md)."""
RANDOM_RATES = (5e-4, 1e-3, 2e-3, 4e-3)
CHOOSING_SEED = 100  # of splits and weights that are scored nowhere else


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what",
        choices=["choose", "digits", "probes", "rates", "all-digits", "fridge", "multilabel", "photographs", "curve"],
    )
    parser.add_argument("checkpoints", nargs="*", help="of curve")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    if options.what == "curve":
        curve(options.seeds, options.checkpoints)
    else:
        globals()[options.what.replace("-", "_")](options.seeds)


def choose(seeds: int) -> None:
    """The best rate of each side at 20 digits per class, on the half that chooses."""
    jobs = [(weights, rate, 20, seed, 0) for weights in WEIGHTS for rate in RATES for seed in range(min(seeds, 2))]
    found = dict(zip(jobs, together(few_digits, jobs), strict=True))
    for weights, rate in itertools.product(WEIGHTS, RATES):
        scores = [score for job, score in found.items() if job[:2] == (weights, rate)]
        print(f"{weights:10} {rate:g}: {np.mean(scores):.3f}", flush=True)


def digits(seeds: int) -> None:
    for shots in SHOTS:
        jobs = [(weights, BEST[weights], shots, seed, 1) for weights in WEIGHTS for seed in range(seeds)]
        report(f"{shots} digits per class", together(few_digits, jobs))


def all_digits(seeds: int) -> None:
    jobs = [("digits", weights, "accuracy", seed, {}) for weights in WEIGHTS for seed in range(seeds)]
    report("recipes/digits.yaml", together(by_recipe, jobs))


def rates(seeds: int) -> None:
    """What the recipes give from random weights at each of four rates, on images that are scored nowhere else."""
    with fridge_set(1001) as one, multilabel_set(1001) as more:
        sides = (("fridge_multiclass", "accuracy", one), ("fridge_multilabel", "mAP", more))
        for name, metric, changes in sides:
            asked = [(rate, CHOOSING_SEED + seed) for rate in RANDOM_RATES for seed in range(seeds)]
            jobs = [(name, "random", metric, seed, {**changes, "optim.learning_rate": rate}) for rate, seed in asked]
            found = np.reshape(together(by_recipe, jobs), (len(RANDOM_RATES), seeds)).mean(axis=1)
            for rate, score in zip(RANDOM_RATES, found, strict=True):
                print(f"{name} from random weights, {rate:g}: {score:.3f}", flush=True)


def fridge(seeds: int) -> None:
    with fridge_set(2001) as changes:
        jobs = [
            ("fridge_multiclass", weights, "accuracy", seed, changes) for weights in WEIGHTS for seed in range(seeds)
        ]
        report("fridge, accuracy on 800 more", together(by_recipe, jobs))


def multilabel(seeds: int) -> None:
    with multilabel_set(2001) as changes:
        jobs = [("fridge_multilabel", weights, "mAP", seed, changes) for weights in WEIGHTS for seed in range(seeds)]
        report("multilabel fridge, mAP on 400 more", together(by_recipe, jobs))


@contextmanager
def fridge_set(first: int) -> Iterator[dict[str, Any]]:
    """All 134 images to learn from, and 800 more of the same hand to score, 200 a class, numbered from ``first``.

    Yields:
        What a recipe says for that.
    """
    with tempfile.TemporaryDirectory() as folder:
        for image in bundled_root("fridge-objects").glob("*/*.jpg"):
            target = Path(folder) / "train" / image.parent.name
            target.mkdir(parents=True, exist_ok=True)
            (target / image.name).symlink_to(image)
        drawn_more([(f"{folder}/validation", name, number) for number in range(first, first + 200) for name in CLASSES])
        yield {"data.root": folder, "data.download": None}


@contextmanager
def multilabel_set(first: int) -> Iterator[dict[str, Any]]:
    """All 128 images to learn from, and 400 more of the same hand to score; as of `fridge_set`."""
    root, number_of = bundled_root("multilabel-fridge-objects"), range(first, first + 400)
    with tempfile.TemporaryDirectory() as folder:
        drawn_more([(folder, None, number) for number in number_of])
        with open(root / "labels.csv", newline="") as file:
            rows = [(str(root / "images" / row["filename"]), row["labels"], "train") for row in csv.DictReader(file)]
        rows += [(f"{number}.jpg", " ".join(several(number)), "validation") for number in number_of]
        with open(f"{folder}/labels.csv", "w", newline="") as file:
            csv.writer(file).writerows([("filename", "labels", "split"), *rows])
        yield {"data.root": folder, "data.download": None, "data.images": ".", "data.split_column": "split"}


def drawn_more(jobs: list[tuple[str, str | None, int]]) -> None:
    """Draw pictures that are not among those shipped: of a class into its folder, or of several packages."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(draw_one, jobs, chunksize=16))


def draw_one(job: tuple[str, str | None, int]) -> None:
    folder, name, number = job
    target = Path(folder) / (name or "")
    target.mkdir(parents=True, exist_ok=True)
    content = photograph_of(name, number) if name else drawn_photograph(several(number), generator(number, 1))
    (target / f"{number}.jpg").write_bytes(content)


def several(number: int) -> list[str]:
    """The packages of a picture, as many as in the shipped ones: 24, 44, 36 and 24 of 128 have one to four."""
    random = generator(number, 0)
    count = int(random.choice(4, p=np.array([24, 44, 36, 24]) / 128)) + 1
    return [CLASSES[i] for i in random.permutation(4)[:count]]


def generator(number: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([number, purpose])


def probes(seeds: int) -> None:
    """On what is known of random and of pre-trained features, and on the 8 x 8 pixels of the digits themselves."""
    for shots in SHOTS:
        jobs = [(weights, shots, seed) for weights in WEIGHTS for seed in range(seeds)]
        report(f"probe, {shots} digits per class", together(probed_digits, jobs))
        pixels = zip(*[pixels_alone(shots, seed) for seed in range(seeds)], strict=True)
        for classifier, scores in zip(("logistic regression", "nearest neighbour", "SVM"), pixels, strict=True):
            print("  {} on the 8 x 8 pixels {:.3f} ± {:.3f}".format(classifier, *interval(scores)), flush=True)
    for name, metric in (("fridge_multiclass", "accuracy"), ("fridge_multilabel", "mAP")):
        jobs = [(name, weights, metric, seed) for weights in WEIGHTS for seed in range(seeds)]
        report(f"probe, {name}", together(probed_recipe, jobs))
        pixels, half = interval([pixels_of_recipe(name, metric, seed) for seed in range(seeds)])
        print(f"  logistic regression on 32 x 32 pixels {pixels:.3f} ± {half:.3f}", flush=True)


def curve(seeds: int, checkpoints: list[str]) -> None:
    """What a linear head makes of the features of each checkpoint, on the half of the digits that chooses."""
    for checkpoint in checkpoints:
        jobs = [(checkpoint, shots, seed) for shots in SHOTS for seed in range(seeds)]
        scores = np.reshape(together(probed_checkpoint, jobs), (len(SHOTS), seeds)).mean(axis=1)
        print(f"{Path(checkpoint).name}: " + ", ".join(f"{score:.3f}" for score in scores), flush=True)


def photographs(seeds: int) -> None:
    """Each photograph's crops by a model that learned from those of the others."""
    root = Path(os.environ["DEIT_FINETUNE_PHOTOS"]) / "fridge_real"
    crops = sorted(root.glob("*/*.jpg"))
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted({crop.stem for crop in crops}):
            for crop in crops:
                target = Path(folder) / name / ("validation" if crop.stem == name else "train") / crop.parent.name
                target.mkdir(parents=True, exist_ok=True)
                (target / crop.name).symlink_to(crop.resolve())
        for weights in WEIGHTS:
            held = sorted(Path(folder).iterdir())
            jobs = [
                ("fridge_multiclass", weights, "accuracy", seed, {"data.root": str(one), "data.download": None})
                for seed in range(seeds)
                for one in held
            ]
            sizes = [len(list(one.glob("validation/*/*"))) for one in held] * seeds
            right = np.dot(together(by_recipe, jobs), sizes)
            print(f"{weights}: {right / seeds:.1f} of {len(crops)} right on average, {seeds} seeds", flush=True)


def report(name: str, scores: Sequence[float]) -> None:
    half = len(scores) // 2
    print(compare(name, list(scores[:half]), list(scores[half:])), flush=True)


def together(fit: Any, jobs: list[Any]) -> list[float]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=one_thread) as pool:
        return list(pool.map(fit, jobs))


def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def few_digits(
    job: tuple[str, float, int, int, int], probe: bool = False, checkpoint: str = "bundled:deit-nano"
) -> float:
    """Accuracy on the digits of a half that were not drawn."""
    from finetune import finetune

    weights, rate, shots, seed, half = job
    with tempfile.TemporaryDirectory() as folder:
        write_few_digits(Path(folder), shots, seed, half)
        recipe: dict[str, Any] = {
            "task": "multiclass",
            "data": {"kind": "csv", "root": folder, "file": "labels.csv", "images": ".", "split_column": "split"},
            "model": {"checkpoint": checkpoint, "weights": weights},
            "augment": {"crop_scale": [0.8, 1.0], "crop_ratio": [0.9, 1.1], "horizontal_flip": 0.0},
            "optim": {
                "preset": "plain", "max_steps": STEPS, "batch_size": 64, "learning_rate": rate,
                "warmup_fraction": 0.1, "weight_decay": 0.05,
            },
            "evaluate": {"every": "never"},
            "run": {"root": f"{folder}/runs", "seed": seed, "tracking": []},
        }  # fmt: skip
        if probe:
            recipe = probing(recipe["task"], recipe["data"], weights, seed, folder, checkpoint)
        return float(finetune(recipe).metrics["validation"]["accuracy"])


def probed_digits(job: tuple[str, int, int]) -> float:
    weights, shots, seed = job
    return few_digits((weights, 1e-3, shots, seed, 1), probe=True)


def probed_checkpoint(job: tuple[str, int, int]) -> float:
    from finetune.model.nano import bundled_checkpoint

    checkpoint, shots, seed = job
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(checkpoint, folder, dirs_exist_ok=True, ignore=lambda _, names: set(names) - MODEL)
        shutil.copy(bundled_checkpoint("deit-nano") / "preprocessor_config.json", folder)
        return few_digits(("pretrained", 1e-3, shots, seed, 0), probe=True, checkpoint=folder)


def probed_recipe(job: tuple[str, str, str, int]) -> float:
    """A validation metric of a linear head on frozen features of a shipped recipe's drawn images."""
    from finetune import finetune

    name, weights, metric, seed = job
    recipe = drawn_recipe(name, seed)
    with tempfile.TemporaryDirectory() as folder:
        recipe = probing(recipe.task, recipe.data.model_dump(), weights, seed, folder)
        return float(finetune(recipe).metrics["validation"][metric])


def drawn_recipe(name: str, seed: int) -> Any:
    """A shipped recipe as it is without a network, under another split."""
    from finetune.recipe import load_recipe, offline_recipe

    recipe = load_recipe(RECIPES / f"{name}.yaml", {"data.split.seed": seed})
    return offline_recipe(recipe, checkpoint=True, data=True)


def pixels_of_recipe(name: str, metric: str, seed: int) -> float:
    """The same images and split, 32 px a side, without a network."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.metrics import average_precision_score
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from finetune.api import load_data
    from finetune.data import DecodedImages, targets

    splits = load_data(drawn_recipe(name, seed)).datasets
    pixels = {
        split: np.stack([np.asarray(image.resize((32, 32))).ravel() for image in DecodedImages(splits[split])])
        for split in ("train", "validation")
    }
    linear: Any = LogisticRegressionCV(cv=5, max_iter=2000)
    if metric == "mAP":
        linear = OneVsRestClassifier(linear)
    fitted = make_pipeline(StandardScaler(), linear).fit(pixels["train"], targets(splits["train"]))
    truth = targets(splits["validation"])
    if metric == "mAP":
        return float(average_precision_score(truth, fitted.predict_proba(pixels["validation"])))
    return float(fitted.score(pixels["validation"], truth))


def probing(
    task: str, data: dict[str, Any], weights: str, seed: int, folder: str, checkpoint: str = "bundled:deit-nano"
) -> dict[str, Any]:
    """A recipe for a linear head. Drawn weights are saved as a checkpoint first: training would have to move them."""
    if weights == "random":
        from finetune.model.loading import draw_anew
        from finetune.model.nano import bundled_checkpoint

        nano = bundled_checkpoint("deit-nano")
        checkpoint = f"{folder}/random"
        draw_anew(nano, seed).save_pretrained(checkpoint)
        shutil.copy(nano / "preprocessor_config.json", checkpoint)
    return {
        "task": task,
        "data": data,
        "model": {"checkpoint": checkpoint, "train": "probe"},
        "run": {"root": f"{folder}/runs", "seed": seed, "tracking": []},
    }


def pixels_alone(shots: int, seed: int) -> list[float]:
    """A linear, a nearest-neighbour and a kernel classifier on the 8 x 8 pixels."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    images, classes = half_of_the_digits(1)
    training = drawn(classes, shots, seed)
    others = np.setdiff1d(np.arange(len(classes)), training)
    flat = images.reshape(len(images), -1) / 16
    found = [LogisticRegressionCV(cv=5, max_iter=2000), KNeighborsClassifier(1), SVC(C=10)]
    return [float(one.fit(flat[training], classes[training]).score(flat[others], classes[others])) for one in found]


def half_of_the_digits(half: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 8, 8) in [0, 16] and classes of the half that chooses (0) or reports (1)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    chosen = np.array_split(np.random.default_rng(0).permutation(len(digits.target)), 2)[half]
    return digits.images[chosen], digits.target[chosen]


def drawn(classes: np.ndarray, shots: int, seed: int) -> np.ndarray:
    """Where the images to learn from are: ``shots`` of each class."""
    order = np.random.default_rng(seed).permutation(len(classes))
    return np.concatenate([order[classes[order] == digit][:shots] for digit in range(10)])


def write_few_digits(folder: Path, shots: int, seed: int, half: int) -> None:
    images, classes = half_of_the_digits(half)
    training = set(drawn(classes, shots, seed).tolist())
    with open(folder / "labels.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("filename", "labels", "split"))
        for number, (image, digit) in enumerate(zip(images, classes, strict=True)):
            Image.fromarray((image * 255 / 16).round().astype(np.uint8)).save(folder / f"{number}.png")
            table.writerow((f"{number}.png", str(digit), "train" if number in training else "validation"))


def by_recipe(job: tuple[str, str, str, int, dict[str, Any]]) -> float:
    """A validation metric of a shipped recipe without a network, at the weights of the last step."""
    from finetune import finetune
    from finetune.recipe import load_recipe, offline_recipe

    name, weights, metric, seed, changes = job
    with tempfile.TemporaryDirectory() as folder:
        usual = {
            "model.weights": weights, "run.seed": seed, "run.root": folder, "run.tracking": [], "data.split.seed": seed,
            "evaluate.every": "never",
        }  # fmt: skip
        rates = RANDOM[name] if weights == "random" else {}
        recipe = load_recipe(RECIPES / f"{name}.yaml", {**usual, **rates, **changes})
        recipe = offline_recipe(recipe, checkpoint=True, data="data.root" not in changes)
        return float(finetune(recipe).metrics["validation"][metric])


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
