"""Can what is said of a model be trusted? How often intervals hold, what tuning gains, which planted faults are found.

    python tests/benchmarks/trust.py intervals              # share of intervals that hold the true value
    python tests/benchmarks/trust.py thresholds [--seeds 5] # macro F1 of digit sheets that had no part in tuning
    python tests/benchmarks/trust.py labels [--seeds 20]    # wrong labels and swapped classes, planted and found
    python tests/benchmarks/trust.py memory                 # seconds and memory beyond logits and targets

``labels`` plants one wrong label (a draw for each seed), or swaps two classes in one of five folds, among the 134 drawn
fridge objects and 300 digits, scores every image by a linear head that did not learn from it (on features of
``--checkpoint``, and on pixels), and counts what is found and what is accused on clean labels.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

RECIPES = Path(__file__).parents[2] / "recipes"
SIZES = [
    ("multiclass", 27, 4),
    ("multiclass", 1_000_000, 4),
    ("multilabel", 1_000_000, 4),
    ("multiclass", 50_000, 10),
    ("multiclass", 50_000, 1000),
    ("multilabel", 50_000, 10),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("intervals", "thresholds", "labels", "memory", "one"))
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--checkpoint", default="bundled:deit-nano")
    parser.add_argument("--size", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    {
        "intervals": lambda: intervals(options.seeds or 1000),
        "thresholds": lambda: thresholds(options.seeds or 5),
        "labels": lambda: labels(options.seeds or 20, options.checkpoint),
        "memory": memory,
        "one": lambda: one(options.size),
    }[options.what]()


# ---------------------------------------------------------------- intervals


def intervals(repeats: int) -> None:
    """Gaussian scores of four classes: how often the interval of a few images holds the value of very many."""
    from finetune.evaluation.intervals import draw, headline_intervals, multiclass_statistics
    from finetune.labels import LabelSpace
    from finetune.metrics import score_metrics

    random, names = np.random.default_rng(1), LabelSpace.numbered(4)

    def images(count: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
        truth = random.integers(4, size=count)
        return random.normal(size=(count, 4)) + margin * np.eye(4)[truth], truth

    keys = ("accuracy", "loss", "balanced_accuracy", "f1_macro", "mAP")
    for count, margin in ((27, 2.0), (27, 1.0), (100, 2.0)):
        true = score_metrics("multiclass", *images(200_000, margin), names)
        held: dict[str, list[bool]] = {key: [] for key in (*keys, *(f"{key}, plain" for key in keys[1:]))}
        for _ in range(repeats):
            logits, truth = images(count, margin)
            predicted = logits.argmax(axis=1)
            found = headline_intervals(
                "multiclass", logits, truth, predicted, score_metrics("multiclass", logits, truth, names)
            )
            drawn = draw(multiclass_statistics(logits, truth, predicted), count)
            for key in keys:
                if found[key] is not None:
                    held[key].append(found[key][0] <= true[key] <= found[key][1])
                    if key != "accuracy":
                        low, high = np.nanquantile(drawn[key], [0.025, 0.975])
                        held[f"{key}, plain"].append(low <= true[key] <= high)
        said = ", ".join(f"{key} {np.mean(hits):.3f}" for key, hits in held.items())
        print(f"{count} images, accuracy {true['accuracy']:.2f}: {said}", flush=True)


# ---------------------------------------------------------------- thresholds


def thresholds(seeds: int) -> None:
    """The recipe of digit sheets, 30 % validation and 30 % test, tuned on validation and measured on test."""
    import finetune

    rows = []
    with tempfile.TemporaryDirectory() as root:
        for seed in range(seeds):
            keys = {
                "data.split": {"validation": 0.3, "test": 0.3, "seed": seed},
                "run.root": root,
                "run.seed": seed,
                "run.tracking": [],
                "evaluate.thresholds": "tuned",
                "evaluate.calibration": "temperature",
            }
            run = finetune.finetune(RECIPES / "digits_multilabel.yaml", **keys)
            plain = finetune.evaluate(run, split="test", threshold=0.5, name=f"plain-{seed}")
            tuning, reliability = run.folder.read_tuning(), run.folder.read_reliability()["test"]
            assert tuning is not None
            rows.append(
                [
                    *(tuning["thresholds"][way] for way in ("untuned", "fitted", "cross_fitted")),
                    plain.metrics["test"]["f1_macro"],
                    run.metrics["test"]["f1_macro"],
                    reliability["before"]["ece"],
                    reliability["after"]["ece"],
                ]
            )
            print(seed, *(f"{value:.4f}" for value in rows[-1]), flush=True)
    means = np.mean(rows, axis=0)
    gain = np.array(rows)[:, 4] - np.array(rows)[:, 3]
    half = 2.776 * gain.std(ddof=1) / np.sqrt(len(gain)) if seeds == 5 else float("nan")
    print("validation macro F1 at 0.5, fitted, cross-fitted; test at 0.5, tuned; test ECE before, after:")
    print(*(f"{value:.4f}" for value in means), f"gain on test {gain.mean():+.4f} ± {half:.4f}")


# ---------------------------------------------------------------- labels


def labels(seeds: int, checkpoint: str) -> None:
    """Planted faults: found and accused."""
    for name, root, most in (("fridge", "bundled:fridge-objects", 134), ("digits", "bundled:digits", 300)):
        for what in (checkpoint, "pixels"):
            vectors, truth = vectors_of(root, what, most)
            clean = out_of_fold(vectors, truth)
            found, first, accused, swapped, false_swaps = [], [], len(suspected(clean, truth)), [], swaps(clean, truth)
            for seed in range(seeds):
                random = np.random.default_rng(seed)
                image, classes = int(random.integers(len(truth))), int(truth.max()) + 1
                given = truth.copy()
                given[image] = (truth[image] + random.integers(1, classes)) % classes
                rows = suspected(out_of_fold(vectors, given), given)
                found.append(image in rows)
                first.append(rows[:1] == [image])
                one, other = random.choice(classes, 2, replace=False)
                test = np.arange(len(truth)) % 5 == seed % 5
                given = np.where(test & (truth == one), other, np.where(test & (truth == other), one, truth))
                pairs = swaps(clean[test], given[test])
                swapped.append({(one, other), (other, one)} <= set(pairs))
            right = (clean.argmax(axis=1) == truth).mean()
            print(
                f"{name}, head on {what}: accuracy out of fold {right:.3f}; clean: {accused} images and "
                f"{len(false_swaps)} classes accused; a wrong label found {np.mean(found):.2f}, first in the list "
                f"{np.mean(first):.2f}; a swap in one fold found {np.mean(swapped):.2f}",
                flush=True,
            )


def vectors_of(root: str, what: str, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of a checkpoint, or small pixels, and class ids."""
    from finetune.data import load_held_out, targets
    from finetune.data.decoded import DecodedImages
    from finetune.model.loading import load_strictly
    from finetune.model.preprocessing import choose_preprocessing
    from finetune.model.sources import locate
    from finetune.predict import encode
    from finetune.recipe import load_recipe
    from finetune.recipe.sections import Model

    recipe = load_recipe({"task": "multiclass", "data": {"kind": "folder", "root": root}})
    data = load_held_out(recipe, "all", cut=False).datasets["all"]
    data = data.select(np.random.default_rng(0).permutation(len(data))[:most])
    images = DecodedImages(data, "auto")
    if what == "pixels":
        small = (images[i].convert("RGB").resize((16, 16)) for i in range(len(images)))
        return np.stack([np.asarray(image, dtype=np.float64).ravel() / 255 for image in small]), targets(data)
    source = locate(what)
    model, _ = load_strictly(source.folder)
    pixels, _ = choose_preprocessing(Model(checkpoint=what), source, None)
    found = encode(model.eval(), images, pixels, batch_size=16, device="cpu")
    return np.concatenate(list(found.values()), axis=1), targets(data)


def out_of_fold(vectors: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Logits of each image from a head that did not learn from it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    logits = np.full((len(truth), int(truth.max()) + 1), -20.0)
    fold = np.arange(len(truth)) % 5
    for held_out in range(5):
        head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head.fit(vectors[fold != held_out], truth[fold != held_out])
        said = head.predict_log_proba(vectors[fold == held_out])
        logits[np.ix_(fold == held_out, head.classes_)] = said
    return logits


def suspected(logits: np.ndarray, given: np.ndarray) -> list[int]:
    from finetune.evaluation.label_errors import suspects

    return [suspect.image for suspect in suspects("multiclass", logits, given)]


def swaps(logits: np.ndarray, given: np.ndarray) -> list[tuple[int, int]]:
    from finetune.evaluation.label_errors import swapped_classes

    return [(row.given, row.suspected) for row in swapped_classes("multiclass", logits, given)]


# ---------------------------------------------------------------- memory


def memory() -> None:
    """Each size in a process of its own."""
    print(
        f"{'task':12}{'images':>10}{'classes':>9}{'logits':>10}{'metrics':>10}{'beyond':>10}{'intervals':>11}{'beyond':>10}"
    )
    for size in range(len(SIZES)):
        subprocess.run([sys.executable, __file__, "one", "--size", str(size)], check=True)


def one(size: int) -> None:
    from finetune.evaluation.intervals import headline_intervals
    from finetune.labels import LabelSpace
    from finetune.metrics import score_metrics

    task, images, classes = SIZES[size]
    random, names = np.random.default_rng(0), LabelSpace.numbered(classes)
    warm = random.normal(size=(9, classes))
    score_metrics(task, warm, np.arange(9) % classes if task == "multiclass" else (warm > 0).astype(int), names)
    logits = random.normal(size=(images, classes)).astype(np.float32)
    one_label = task == "multiclass"
    truth = (
        random.integers(classes, size=images) if one_label else (random.random((images, classes)) < 0.2).astype(np.int8)
    )
    predicted = logits.argmax(axis=1) if one_label else (logits >= 0).astype(np.int8)
    marks = [peak_mb()]
    began = time.perf_counter()
    found = score_metrics(task, logits, truth, names)
    seconds = [time.perf_counter() - began]
    marks.append(peak_mb())
    began = time.perf_counter()
    headline_intervals(task, logits, truth, predicted, found)
    seconds.append(time.perf_counter() - began)
    marks.append(peak_mb())
    print(
        f"{task:12}{images:10}{classes:9}{logits.nbytes / 2**20:7.0f} MB{seconds[0]:8.2f} s"
        f"{marks[1] - marks[0]:7.0f} MB{seconds[1]:9.2f} s{marks[2] - marks[0]:7.0f} MB"
    )


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
