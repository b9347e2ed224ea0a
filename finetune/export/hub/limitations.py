"""What a model card has to warn of, each sentence from a fact of the run."""

from __future__ import annotations

from collections.abc import Iterator

from finetune.export.hub.facts import Facts
from finetune.export.hub.markdown import escaped
from finetune.export.hub.public_recipe import public_value
from finetune.metrics.definitions import MULTICLASS
from finetune.metrics.names import metric_of
from finetune.report.contents import weakest
from finetune.report.page import percent

WIDE = 0.1
"""From this width on, an interval is worth a sentence."""
FEW = 5
"""Training images of a class below which it is named, as `deit-finetune check` does."""
_NAMED = 10


def limitations(facts: Facts) -> list[str]:
    """Sentences, the gravest first."""
    return [*_stand_ins(facts), *_measured(facts), *_classes(facts), *_images(facts), *_never_asked(facts)]


def _stand_ins(facts: Facts) -> Iterator[str]:
    for key, swap in facts.record.get("replaced", {}).items():
        if key in ("model.checkpoint", "distill.teacher", "data.root", "data.name"):
            wished, used = (public_value(str(swap[end])) for end in ("from", "to"))
            yield f"`{used}` stood in for `{wished}` ({key}), which could not be reached."
    root = getattr(facts.recipe.data, "root", "")
    if "fridge" in root and root.startswith("bundled:"):
        yield "All images were drawn by a program, training and held-out ones; nothing was measured on photographs."
    if facts.recipe.data.kind == "formula":
        yield "All images were drawn by formulas; the classes are formulas and mean nothing in photographs."


def _measured(facts: Facts) -> Iterator[str]:
    if facts.split is None:
        yield "No image was held out, so nothing is known of how often it is right."
    if facts.found.get("images_not_finite"):
        yield f"Of {facts.found['images_not_finite']} held-out images its outputs are no numbers; it is of no use."
    headline = facts.headline
    if headline and headline["interval"] and headline["interval"][1] - headline["interval"][0] > WIDE:
        title, (low, high) = metric_of(headline["name"], facts.task).title, headline["interval"]
        yield (
            f"It was measured on few images: with {facts.found['images']} of them, a measured {title} of "
            f"{headline['value']:.3f} fits anything from {low:.3f} to {high:.3f} on other images of the same kind."
        )
    others = "test" in facts.metrics
    if facts.chose_weights:
        yield (
            f"The saved weights are the best of {facts.evaluations} evaluations on the validation images themselves, "
            f"so what is measured on them is flattering{'; the test images had no part in it' if others else ''}."
        )
    if facts.split is not None:
        yield (
            "The held-out images come from the same source as the training images. Other cameras, places, times or "
            "makers of images were not tried, nor whether it errs more often for some groups of images than for others."
        )


def _classes(facts: Facts) -> Iterator[str]:
    worst = weakest(facts.found, facts.rows)
    if worst is not None:
        precision = worst["precision"]
        right = "" if precision is None else f", and of what is called so {percent(precision)} is right"
        yield (
            f"The weakest class is {escaped(worst['name'])}: of its {worst['support']} {facts.split} images "
            f"{percent(worst['recall'])} are found{right}."
        )
    unmeasured = [name for name, row in facts.found.get("per_class", {}).items() if not row["support"]]
    if unmeasured:
        yield f"No {facts.split} image shows {_listed(unmeasured)}, so nothing was measured of that."
    trained = facts.record["data"].get("findings", {}).get("classes", {}).get("train", {})
    few = [name for name, images in trained.items() if images < FEW]
    if few:
        yield f"Fewer than {FEW} training images show {_listed(few)}."


def _images(facts: Facts) -> Iterator[str]:
    findings = facts.record["data"].get("findings", {})
    if findings.get("dropped"):
        count = len(findings["dropped"])
        yield f"{count} {'image was' if count == 1 else 'images were'} left out, as unreadable or in two splits."
    if findings.get("unknown"):
        count = sum(findings["unknown"].values())
        yield f"Of {count} pairs of an image and a class nobody knows whether they go together; they were left out."
    suspected = facts.run.read_label_errors()["images"] if facts.run.label_errors.is_file() else []
    if suspected:
        count = len(suspected)
        yield f"Of the labels of held-out images {count} may be wrong; each counts as it was given."


def _never_asked(facts: Facts) -> Iterator[str]:
    if facts.task == MULTICLASS:
        below = facts.decision.abstain_below
        but = "" if below is None else ", unless deit-finetune abstains by the threshold above"
        yield f"It gives every image one of its classes, also an image that shows none of them{but}."
    else:
        yield "It knows its own labels only: whatever else an image shows is not told."


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(map(escaped, names[:_NAMED])) + (f" and {more} more classes" if more > 0 else "")
