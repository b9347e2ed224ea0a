"""Every number of `score_metrics` against its definition in finetune/metrics/README.md, counted out in plain loops.

The definitions below know neither numpy nor scikit-learn. Probabilities have fifty digits, so that two scores tie where
they are equal and nowhere else. Small random splits are numbered: a failure names its case, and the case is its seed.
"""

from __future__ import annotations

import math
from collections import Counter
from decimal import Context, Decimal
from itertools import product

import numpy as np
import pytest

from finetune.labels import LabelSpace
from finetune.metrics import score_metrics

CASES = range(120)  # each of 1 to 5 classes with each of 1 to 12 images, twice
DIGITS = Context(prec=50)
LOWEST_PROBABILITY = 2.0**-52  # 2.2e-16, where log_loss clips


# --- The words of the README, one function each -----------------------------------------------------------------------


def mean(values, weights=None):
    """Over what has a value; None where nothing has."""
    total, weight_of_all = 0.0, 0.0
    for i, value in enumerate(values):
        if value is not None:
            weight = 1 if weights is None else weights[i]
            total += weight * value
            weight_of_all += weight
    return total / weight_of_all if weight_of_all else None


def count(cells):
    """TP, FP and FN of (present, predicted) pairs."""
    tp = fp = fn = 0
    for present, predicted in cells:
        tp += present and predicted
        fp += predicted and not present
        fn += present and not predicted
    return tp, fp, fn


def decided(cells):
    """Precision, recall, F1 and IoU of a class, or of all cells together."""
    tp, fp, fn = count(cells)
    if tp + fn == 0:  # without positives: null, but a precision of 0 if it is predicted
        return {"precision": 0.0 if fp else None, "recall": None, "f1": None, "iou": None}
    return {
        "precision": tp / (tp + fp) if tp + fp else 0.0,  # it occurs and is never predicted: 0, not null
        "recall": tp / (tp + fn),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "iou": tp / (tp + fp + fn),
    }


def decided_of_an_image(cells):
    tp, fp, fn = count(cells)
    if tp + fp + fn == 0:  # no labels, and it gets none
        return {"precision": 1.0, "recall": 1.0, "f1": 1.0, "iou": 1.0}
    return {
        "precision": tp / (tp + fp) if tp + fp else 0.0,
        "recall": tp / (tp + fn) if tp + fn else 0.0,
        "f1": 2 * tp / (2 * tp + fp + fn),
        "iou": tp / (tp + fp + fn),
    }


def average_precision(pairs):
    """Sum of (R_k - R_k-1) * P_k over the distinct scores of (present, score), highest first."""
    positives = sum(present for present, _ in pairs)
    if not positives:
        return None
    total, recall_before = 0.0, 0.0
    for least in sorted({score for _, score in pairs}, reverse=True):
        taken = [present for present, score in pairs if score >= least]
        recall = sum(taken) / positives
        total += (recall - recall_before) * sum(taken) / len(taken)
        recall_before = recall
    return total


def auroc(pairs):
    """Share of (positive, negative) pairs that are ranked rightly, ties counting half."""
    right, compared = 0.0, 0
    for present, score in pairs:
        for other_present, other_score in pairs:
            if present and not other_present:
                compared += 1
                right += 1.0 if score > other_score else 0.5 if score == other_score else 0.0
    return right / compared if compared else None


def means_over_classes(rows, keys):
    """Macro and weighted, over the classes that occur."""
    occurring = [row for row in rows if row["support"]]
    support = [row["support"] for row in occurring]
    names = {"average_precision": ("mAP", "mAP_weighted")}
    found = {}
    for key in keys:
        macro, weighted = names.get(key, (f"{key}_macro", f"{key}_weighted"))
        found[macro] = mean([row[key] for row in occurring])
        found[weighted] = mean([row[key] for row in occurring], support)
    return found


def exact_sum(numbers):
    total = Decimal(0)
    for number in numbers:
        total = DIGITS.add(total, number)
    return total


def softmax(row):
    weights = [DIGITS.exp(Decimal(logit)) for logit in row]
    return [DIGITS.divide(weight, exact_sum(weights)) for weight in weights]


def odds(row, class_id):
    """p / (1 - p), which orders as its logarithm does; without another class it is infinite whatever the logit."""
    others = exact_sum(DIGITS.exp(Decimal(logit)) for i, logit in enumerate(row) if i != class_id)
    exact = DIGITS.divide(DIGITS.exp(Decimal(row[class_id])), others) if len(row) > 1 else Decimal("Infinity")
    return Context(prec=40).plus(exact)  # the last digits depend on the order of the sum


def sigmoid(logit):
    return DIGITS.divide(Decimal(1), exact_sum([Decimal(1), DIGITS.exp(Decimal(-logit))]))


def minus_log(probability):
    return float(-DIGITS.ln(probability))


def ranked_classes(row):
    """Class ids, the highest logit first, the lower id among equals."""
    return sorted(range(len(row)), key=lambda class_id: (-row[class_id], class_id))


def finite(row):
    return all(math.isfinite(logit) for logit in row)


# --- All keys of a split ----------------------------------------------------------------------------------------------


def multiclass_by_definition(logits, targets, names, top_k):
    images = [(row, true) for row, true in zip(logits, targets, strict=True) if true != -1]
    ids, k = range(len(names)), min(top_k, len(names))
    found = {"images": len(images), "images_not_finite": sum(not finite(row) for row, _ in images)}
    support = [sum(true == c for _, true in images) for c in ids]
    measured = ("predicted", "precision", "recall", "f1", "average_precision", "auroc")
    averages = [f"{key}_{of}" for key, of in product(("precision", "recall", "f1"), ("macro", "micro", "weighted"))]
    if not images or found["images_not_finite"]:
        keys = ("loss", "log_loss", "accuracy", f"top{k}_accuracy", "balanced_accuracy", "mcc", "mAP", "mAP_weighted")
        found |= dict.fromkeys([*keys, "auroc_macro", "auroc_weighted", *averages, "confusion_matrix"])
        found["per_class"] = {names[c]: {"support": support[c], **dict.fromkeys(measured)} for c in ids}
        return found

    guesses = [(true, ranked_classes(row)[0]) for row, true in images]
    rows = []
    for c in ids:
        pairs = [(true == c, odds(row, c)) for row, true in images]
        values = decided([(true == c, guess == c) for true, guess in guesses])
        del values["iou"]
        values |= {"support": support[c], "predicted": sum(guess == c for _, guess in guesses)}
        rows.append({**values, "average_precision": average_precision(pairs), "auroc": auroc(pairs)})

    probabilities = [softmax(row)[true] for row, true in images]
    micro = decided([(true == c, guess == c) for true, guess in guesses for c in ids])
    return {
        **found,
        "loss": mean([minus_log(p) for p in probabilities]),
        "log_loss": mean([minus_log(max(p, Decimal(LOWEST_PROBABILITY))) for p in probabilities]),
        "accuracy": mean([true == guess for true, guess in guesses]),
        f"top{k}_accuracy": mean([true in ranked_classes(row)[:k] for row, true in images]),
        "balanced_accuracy": mean([row["recall"] for row in rows]),
        "mcc": correlation(guesses, ids),
        **means_over_classes(rows, ("precision", "recall", "f1", "average_precision", "auroc")),
        **{f"{key}_micro": micro[key] for key in ("precision", "recall", "f1")},
        "per_class": {names[c]: rows[c] for c in ids},
        "confusion_matrix": [[sum(pair == (true, guess) for pair in guesses) for guess in ids] for true in ids],
    }


def correlation(guesses, ids):
    """Of two lists of indicator vectors, as Pearson's: covariance over the root of the variances."""
    if len({true for true, _ in guesses}) == 1:
        return None
    if len({guess for _, guess in guesses}) == 1:
        return 0.0
    covariance = variance_true = variance_guess = 0.0
    for c in ids:
        mean_true, mean_guess = mean([true == c for true, _ in guesses]), mean([guess == c for _, guess in guesses])
        for true, guess in guesses:
            covariance += ((true == c) - mean_true) * ((guess == c) - mean_guess)
            variance_true += ((true == c) - mean_true) ** 2
            variance_guess += ((guess == c) - mean_guess) ** 2
    return covariance / math.sqrt(variance_true * variance_guess)


def multilabel_by_definition(logits, targets, names, thresholds):
    """Thresholds: one for each cell."""
    images = [i for i, row in enumerate(targets) if any(target != -1 for target in row)]
    ids = range(len(names))
    known = [[c for c in ids if targets[i][c] != -1] for i in images]
    found = {"images": len(images), "images_not_finite": sum(not finite(logits[i]) for i in images)}
    counted = [
        {"known": sum(c in there for there in known), "support": sum(targets[i][c] == 1 for i in images)} for c in ids
    ]
    values = ("precision", "recall", "f1", "iou")
    measured = ("predicted", *values, "average_precision", "auroc")
    averages = [f"{key}_{of}" for key, of in product(values, ("macro", "micro", "weighted", "samples"))]
    if not images or found["images_not_finite"]:
        keys = ("loss", "accuracy", "hamming_accuracy", "mAP", "mAP_micro", "mAP_weighted")
        found |= dict.fromkeys([*keys, "auroc_macro", "auroc_micro", "auroc_weighted", *averages])
        found["per_class"] = {names[c]: {**counted[c], **dict.fromkeys(measured)} for c in ids}
        return found

    # (class, present, predicted, logit) of the known cells of each image: nothing else is looked at
    split = [
        [(c, targets[i][c] == 1, sigmoid(logits[i][c]) >= Decimal(thresholds[i][c]), logits[i][c]) for c in there]
        for i, there in zip(images, known, strict=True)
    ]
    cells = [cell for image in split for cell in image]
    rows = []
    for c in ids:
        own = [(present, predicted, logit) for d, present, predicted, logit in cells if d == c]
        pairs = [(present, logit) for present, _, logit in own]
        row = {**counted[c], "predicted": sum(predicted for _, predicted, _ in own)}
        row |= decided([(present, predicted) for present, predicted, _ in own])
        rows.append({**row, "average_precision": average_precision(pairs), "auroc": auroc(pairs)})

    micro = decided([(present, predicted) for _, present, predicted, _ in cells])
    samples = [decided_of_an_image([(present, predicted) for _, present, predicted, _ in image]) for image in split]
    pairs = [(present, logit) for _, present, _, logit in cells]
    return {
        **found,
        "loss": mean([minus_log(sigmoid(logit if present else -logit)) for _, present, _, logit in cells]),
        "accuracy": mean([all(present == predicted for _, present, predicted, _ in image) for image in split]),
        "hamming_accuracy": mean([present == predicted for _, present, predicted, _ in cells]),
        "mAP_micro": average_precision(pairs),
        "auroc_micro": auroc(pairs),
        **means_over_classes(rows, (*values, "average_precision", "auroc")),
        **{f"{key}_micro": micro[key] for key in values},
        **{f"{key}_samples": mean([image[key] for image in samples]) for key in values},
        "per_class": {names[c]: rows[c] for c in ids},
    }


# --- The cases --------------------------------------------------------------------------------------------------------


def drawn_logits(case, rng, images, classes):
    """Any numbers, or halves, which tie often; perhaps a class that is never predicted, or an extreme image."""
    logits = rng.normal(size=(images, classes)) * 2
    if case % 4 == 1:
        logits = rng.integers(-4, 5, (images, classes)) / 2
    if case % 4 == 3:  # the same logits in another order in each image: no rounding may make different ranks of them
        logits = rng.permuted(np.tile(rng.integers(-4, 5, classes) / 2, (images, 1)), axis=1)
    if rng.random() < 0.3:
        logits[:, rng.integers(classes)] -= 20
    if rng.random() < 0.4:
        logits[rng.integers(images)] *= 40
    if case % 13 == 12:
        logits[rng.integers(images), rng.integers(classes)] = rng.choice([np.nan, np.inf, -np.inf])
    return logits.astype((np.float16, np.float32, np.float64)[rng.integers(3)])


def multiclass_case(case):
    """Logits, targets and k."""
    rng, classes, images = np.random.default_rng([0, case]), 1 + case % 5, 1 + case // 5 % 12
    occurring = rng.permutation(classes)[: rng.integers(1, classes + 1)]
    targets = rng.choice(occurring, images)
    targets[rng.random(images) < rng.choice([0.0, 0.3, 0.7])] = -1
    if case % 19 == 7:
        targets[:] = -1
    return drawn_logits(case, rng, images, classes), targets, int(rng.integers(1, 7))


def multilabel_case(case):
    """Logits, targets and thresholds: one for all, one for each class, or one for each cell."""
    rng, classes, images = np.random.default_rng([1, case]), 1 + case % 5, 1 + case // 5 % 12
    targets = (rng.random((images, classes)) < rng.choice([0.1, 0.4, 0.8])).astype(np.int8)
    targets[:, rng.random(classes) < 0.2] = 0
    targets[:, rng.random(classes) < 0.1] = 1
    targets[rng.random((images, classes)) < rng.choice([0.0, 0.3, 0.7])] = -1
    targets[rng.random(images) < 0.1] = -1
    if case % 19 == 7:
        targets[:] = -1
    shape = ((), (classes,), (images, classes))[case % 3]
    thresholds = rng.choice([0.0, 0.2, 0.5, 0.5, 0.5, 0.9], shape)  # a logit of 0 is a probability of exactly 0.5
    return drawn_logits(case, rng, images, classes), targets, thresholds if shape else float(thresholds)


def by_definition(task, logits, targets, setting):
    names = LabelSpace.numbered(logits.shape[1]).names
    if task == "multiclass":
        return multiclass_by_definition(logits.tolist(), targets.tolist(), names, setting)
    thresholds = np.broadcast_to(setting, logits.shape).tolist()
    return multilabel_by_definition(logits.tolist(), targets.tolist(), names, thresholds)


def scored(task, logits, targets, setting):
    name = "top_k" if task == "multiclass" else "threshold"
    return score_metrics(task, logits, targets, LabelSpace.numbered(logits.shape[1]), **{name: setting})


def flat(measured):
    rows = measured["per_class"].items()
    return {
        **{key: value for key, value in measured.items() if key != "per_class"},
        **{f"{key} of {name}": value for name, row in rows for key, value in row.items()},
    }


def differing(found, expected):
    """Key to both values, of those that are not the same but for rounding."""
    found, expected = flat(found), flat(expected)
    return {
        key: (found.get(key, "not there"), expected.get(key, "not there"))
        for key in {**found, **expected}
        if not the_same(found.get(key, "not there"), expected.get(key, "not there"))
    }


def the_same(found, expected):
    if isinstance(found, float) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-12)
    return type(found) is type(expected) and found == expected


@pytest.mark.parametrize("case", CASES)
def test_each_number_of_a_single_label_split_is_what_its_definition_gives(case):
    given = multiclass_case(case)
    assert differing(scored("multiclass", *given), by_definition("multiclass", *given)) == {}


@pytest.mark.parametrize("case", CASES)
def test_each_number_of_a_multi_label_split_is_what_its_definition_gives(case):
    given = multilabel_case(case)
    assert differing(scored("multilabel", *given), by_definition("multilabel", *given)) == {}


# --- What the definitions and the cases are worth ---------------------------------------------------------------------

NAMES = ("can", "carton", "milk")  # milk never occurs, and is predicted once
LN = math.log


def test_definition_and_metric_of_a_single_label_split_are_what_a_hand_gives():
    """Of odds: the can's 3.69+ .50- .50+ .27-; the carton's .12- .50+ .50- .27+."""
    logits = np.array([[2, 0, 0], [0, 0, 0], [0, 0, 0], [9, 9, 9], [0, 0, 1]], dtype=np.float32)
    targets = np.array([0, 1, 0, -1, 1])  # predicted: can, can, can, (not asked), milk
    e = math.e
    hand = {
        "images": 4,
        "loss": (LN(e**2 + 2) - 2 + LN(3) + LN(3) + LN(2 + e)) / 4,
        "accuracy": 2 / 4,
        "top2_accuracy": 3 / 4,
        "precision_macro": (2 / 3 + 0) / 2,
        "precision_micro": 2 / 4,
        "recall_macro": (1 + 0) / 2,
        "f1_weighted": (2 * 4 / 5 + 2 * 0) / 4,
        "mAP": (5 / 6 + 7 / 12) / 2,
        "auroc_macro": (3.5 / 4 + 2.5 / 4) / 2,
        "mcc": (4 * 2 - 2 * 3) / math.sqrt((4 * 4 - 3 * 3 - 1) * (4 * 4 - 2 * 2 - 2 * 2)),
    }
    found = score_metrics("multiclass", logits, targets, LabelSpace(NAMES), top_k=2)
    defined = multiclass_by_definition(logits.tolist(), targets.tolist(), NAMES, 2)
    assert {key: found[key] for key in hand} == pytest.approx(hand)
    assert {key: defined[key] for key in hand} == pytest.approx(hand)
    assert found["confusion_matrix"] == defined["confusion_matrix"] == [[2, 0, 0], [1, 0, 1], [0, 0, 0]]


def test_definition_and_metric_of_a_multi_label_split_are_what_a_hand_gives():
    logits = np.array([[1, 0, -1], [1, 2, 1], [0, 1, -1], [-1, 0, -1], [-1, 2, -1], [-1, -1, -1]], dtype=np.float32)
    targets = np.array([[1, 0, 0], [0, 1, 0], [1, -1, 0], [-1, -1, -1], [0, 1, -1], [0, 0, 0]])
    thresholds = [0.5, 0.8, 0.5]  # wrong are the can and the milk of the second image alone
    plus, minus = LN(1 + math.e) - 1, LN(1 + math.e)  # the loss of a logit of 1 where it is right, and where not
    hand = {
        "images": 5,
        "loss": (7 * plus + 2 * minus + 2 * LN(2) + 2 * (LN(1 + math.e**2) - 2)) / 13,
        "accuracy": 4 / 5,
        "hamming_accuracy": 11 / 13,
        "precision_macro": (2 / 3 + 1) / 2,
        "precision_micro": 4 / 6,
        "precision_samples": (1 + 1 / 3 + 1 + 1 + 1) / 5,
        "recall_macro": 1.0,
        "f1_macro": (4 / 5 + 1) / 2,
        "f1_samples": (1 + 1 / 2 + 1 + 1 + 1) / 5,
        "iou_micro": 4 / 6,
        "mAP": (7 / 12 + 1) / 2,
        "mAP_micro": 2 / 4 * 1 + 1 / 4 * 3 / 5 + 1 / 4 * 4 / 7,
        "auroc_macro": (4.5 / 6 + 1) / 2,
        "auroc_micro": (9 + 9 + 8 + 6.5) / 36,
    }
    found = score_metrics("multilabel", logits, targets, LabelSpace(NAMES), threshold=np.array(thresholds))
    defined = multilabel_by_definition(logits.tolist(), targets.tolist(), NAMES, [thresholds] * 6)
    assert {key: found[key] for key in hand} == pytest.approx(hand)
    assert {key: defined[key] for key in hand} == pytest.approx(hand)
    assert found["per_class"]["milk"] == defined["per_class"]["milk"]
    assert [defined["per_class"]["milk"][key] for key in ("known", "predicted", "precision", "f1")] == [4, 1, 0.0, None]


def traits(task, case):
    """What is special of a case, to count."""
    logits, targets, setting = multiclass_case(case) if task == "multiclass" else multilabel_case(case)
    found = by_definition(task, logits, targets, setting)
    rows = list(found["per_class"].values())
    yield f"{logits.shape[1]} classes"
    yield f"{logits.shape[0]} images"
    yield f"{np.shape(setting)} thresholds" if task == "multilabel" else f"top {setting}"
    yield f"logits of {logits.dtype}"
    if found["images"] == 0:
        yield "all unknown"
    elif found["images_not_finite"]:
        yield "not finite"
    else:
        scores = [[odds(row, c) for row in logits.tolist()] for c in range(logits.shape[1])]
        yield from ["some unknown"] * bool((targets == -1).any())
        yield from ["absent class"] * any(row["support"] == 0 for row in rows)
        yield from ["absent class that is predicted"] * any(row["support"] == 0 < row["predicted"] for row in rows)
        yield from ["class never predicted"] * any(row["predicted"] == 0 < row["support"] for row in rows)
        yield from ["ties"] * any(len(set(column)) < len(column) for column in scores)
        yield from ["a probability at its threshold"] * bool(((logits == 0) & np.equal(setting, 0.5)).any())
        yield from ["no positives at all"] * (sum(row["support"] for row in rows) == 0)
        yield from ["no AUROC"] * (found["auroc_macro"] is None)
        if task == "multiclass":
            yield from ["no correlation"] * (found["mcc"] is None)
            yield from ["clipped loss"] * (found["loss"] > found["log_loss"] + 1e-9)


@pytest.mark.parametrize(
    ("task", "own"),
    [
        ("multiclass", [*(f"top {k}" for k in range(1, 7)), "no correlation", "clipped loss"]),
        ("multilabel", ["no positives at all", "a probability at its threshold"]),
    ],
)
def test_the_cases_hold_all_that_can_be_special(task, own):
    seen = Counter(trait for case in CASES for trait in traits(task, case))
    wanted = ["all unknown", "some unknown", "absent class", "absent class that is predicted", "class never predicted"]
    wanted += ["ties", "not finite", "no AUROC", *own]
    wanted += [f"logits of float{bits}" for bits in (16, 32, 64)]
    assert {trait: seen[trait] for trait in wanted if seen[trait] < 4} == {}
    assert {seen[f"{classes} classes"] for classes in range(1, 6)} == {24}
    assert {seen[f"{images} images"] for images in range(1, 13)} == {10}
    if task == "multilabel":
        assert sum("thresholds" in trait for trait in seen) > 3  # one for all, one a class, one a cell
