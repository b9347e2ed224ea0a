"""The model card of a run: a README.md that says nothing but what the run's files say."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from finetune.export.hub.card_metadata import card_metadata, data_name, on_the_hub, title_of
from finetune.export.hub.facts import Facts
from finetune.export.hub.licence import base_on_the_hub
from finetune.export.hub.limitations import limitations
from finetune.export.hub.markdown import duration, escaped, fraction
from finetune.metrics.definitions import MULTICLASS
from finetune.metrics.names import metric_of
from finetune.model.preprocessing import describe
from finetune.report.contents import class_rows, headlines
from finetune.report.page import percent

SHOWN = 10
"""Classes that stand in a table; the others are folded."""

_MARK = re.compile(r"\n<!-- deit-finetune wrote this card: ([0-9a-f]{64}) -->\n")


@dataclass(frozen=True)
class CardWish:
    """What a card says besides what the run does.

    Args:
        repo: The name on the Hub; without one, code lines name a folder.
        licence: The Hub's identifier.
        inherited: Whether it is that of what the model began from, and not named by the user.
        recipe: The recipe as others may read it.
        widget: Example images, and what the model says of them.
    """

    repo: str | None
    licence: str | None
    inherited: bool
    recipe: str
    widget: Sequence[Mapping[str, Any]] = field(default=())


def model_card(facts: Facts, wish: CardWish) -> str:
    """The card's text, YAML header included. Its last line tells `was_edited` what was written."""
    title = wish.repo.rpartition("/")[2] if wish.repo else facts.recipe.run.name or facts.run.path.name
    environment = Environment(
        loader=PackageLoader("finetune", "assets"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for name in (escaped, fraction, percent, duration):
        environment.filters[name.__name__] = name
    body = environment.get_template("model_card.md.j2").render(
        title=title, facts=facts, wish=wish, multiclass=facts.task == MULTICLASS, **_contents(facts)
    )
    header = card_metadata(facts, title, wish.licence, wish.widget).to_yaml()
    text = f"---\n{header}\n---\n\n{body.rstrip()}\n"
    return f"{text}\n<!-- deit-finetune wrote this card: {_digest(text)} -->\n"


def was_edited(card: str) -> bool:
    """Whether a card is no longer what `model_card` wrote.

    >>> was_edited("# Mine"), was_edited("---")
    (True, True)
    """
    mark = _MARK.search(card)
    return mark is None or mark[1] != _digest(card[: mark.start()]) or mark.end() < len(card)


def same_when_written(card: str, other: str) -> bool:
    """Whether two cards were written from the same facts and wishes, whatever was edited since."""
    marks = [_MARK.search(text) for text in (card, other)]
    return all(marks) and len({mark[1] for mark in marks if mark}) == 1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _contents(facts: Facts) -> dict[str, Any]:
    """Plain values for the template."""
    rows = headlines(facts.task, facts.metrics)
    titles = {row["name"]: title_of(row["name"], facts.task) for row in rows}
    findings = facts.record["data"].get("findings", {})
    reliability = facts.run.read_reliability().get(str(facts.split), {}) if facts.run.reliability.is_file() else {}
    return {
        "shown": SHOWN,
        "headlines": rows,
        "titles": titles,
        "definitions": {titles[name]: metric_of(name, facts.task).definition for name in titles},
        "by_chance": by_chance(facts),
        "weakest_classes": class_rows(facts.found, facts.rows),
        "limitations": limitations(facts),
        "base": base_in_words(facts),
        "training": training_rows(facts),
        "thresholds": dict(zip(facts.labels.names, facts.decision.thresholds or (), strict=False)),
        "temperatures": dict(zip(facts.labels.names, facts.decision.temperature or (), strict=False)),
        "ece": {when: (reliability.get(when) or {}).get("ece") for when in ("before", "after")},
        "tuning": facts.run.read_tuning() or {},
        "data": data_name(facts.recipe.data),
        "data_on_the_hub": on_the_hub(facts.recipe.data),
        "group_column": getattr(facts.recipe.data, "group_column", None),
        "findings": findings,
        "evaluate": facts.recipe.evaluate,
    }


def by_chance(facts: Facts) -> float | None:
    """What the first headline metric is without looking: the share of the most frequent class (accuracy), or the mean
    share of images that show a class (mean average precision)."""
    classes = [row for row in facts.found.get("per_class", {}).values() if row["support"]]
    if not classes:
        return None
    if facts.task == MULTICLASS:
        return float(max(row["support"] for row in classes) / facts.found["images"])
    return float(sum(row["support"] / row["known"] for row in classes) / len(classes))


def base_in_words(facts: Facts) -> str:
    """What the weights were before, without a place on the user's machine."""
    base, hub = facts.base, base_on_the_hub(facts.base)
    if base.get("weights") == "random":
        return f"random weights ({base['architecture']})"
    if hub is not None:
        return f"[`{hub}`](https://huggingface.co/{hub}) (commit `{base['commit']}`)"
    if base["kind"] == "bundled":
        return f"`{base['checkpoint']}` of deit-finetune, which saw no photograph, only images that formulas draw"
    (digest, *_) = (base.get("weights_sha256") or {"": "unknown"}).values()
    what = "another run of deit-finetune" if base["kind"] == "run" else "a checkpoint that the Hub does not name"
    return f"{what} (`{base['architecture']}`, SHA-256 of its weights `{digest[:16]}…`)"


def training_rows(facts: Facts) -> dict[str, str]:
    """What was done, a row each."""
    record, recipe = facts.record, facts.recipe
    hardware, seconds = record["hardware"], record["seconds"]
    where = f"{hardware['device']}, {hardware['processes']} {'process' if hardware['processes'] == 1 else 'processes'}"
    if hardware["device"] == "cpu":
        where += f" of {hardware['threads']} {'thread' if hardware['threads'] == 1 else 'threads'}"
    rows = {
        "began from": base_in_words(facts),
        "learned": f"{_learned(facts)}: {record['trained_parameters']:,} of {record['parameters']:,} parameters",
        "images are": describe(facts.pixels),
        **_optimised(facts),
        "augmentation": recipe.augment.preset,
        "hardware": f"{where}; arithmetic {hardware['precision']}",
        "time": f"{duration(seconds['training'] + seconds.get('encoding', 0.0))} of training; energy was not measured",
        "when": str(record.get("created", ""))[:10],
    }
    if recipe.distill is not None:
        rows["teacher"] = (
            f"{recipe.distill.kind} targets of another classifier, {recipe.distill.weight:.0%} of the loss"
        )
    return {name: row for name, row in rows.items() if row}


def _learned(facts: Facts) -> str:
    model = facts.recipe.model
    return {
        "all": "all weights",
        "head": "the head alone",
        "last_n_blocks": f"the last {model.train_blocks} blocks and the head",
        "lora": f"LoRA adapters of rank {model.lora.rank} and the head, merged into the weights that are here",
        "probe": "a linear head that a solver fitted on features of the frozen model",
    }[model.train]


def _optimised(facts: Facts) -> dict[str, str]:
    chosen = facts.record["derived"].get("optim")
    if chosen is None:  # a probe has no steps
        return {}
    saved = facts.record["best"]["step"]
    how = f", the best {facts.record['derived']['best_metric']} of {facts.evaluations} evaluations"
    return {
        "optimiser": f"{chosen['optimizer']}, learning rate {chosen['learning_rate']:g}, weight decay "
        f"{chosen['weight_decay']:g}, batches of {chosen['batch_size']} images, {chosen['epochs']:g} epochs planned",
        "saved weights": f"those of step {saved}{how if facts.chose_weights else ''}",
    }
