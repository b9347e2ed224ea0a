"""The YAML header of a model card: what the Hub sorts models by, and the measured numbers in its own form.

There is no ``widget`` without images that the user gave for it: an example input has to be a file of the repository or
a public address (https://huggingface.co/docs/hub/models-widgets), and a user's training images are not published
unasked. The labels that the Hub shows are those of ``id2label`` in config.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from finetune.export.hub.facts import Facts
from finetune.export.hub.licence import base_on_the_hub
from finetune.metrics.definitions import MULTICLASS
from finetune.metrics.names import metric_of
from finetune.model.sources import is_hub_name
from finetune.reachability import LOCAL_BUILDERS
from finetune.recipe.sections import Data
from finetune.report.contents import headlines

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

TASK = "image-classification"
_AVERAGES = {"f1_macro": "macro", "f1_micro": "micro"}
_BUILDERS = {"folder": "imagefolder", "csv": "csv", "jsonl": "json", "formula": "formula"}


class DataName(NamedTuple):
    """What a model index calls a data set; the identifier is the Hub's, or the builder that would read such files."""

    identifier: str
    name: str
    config: str | None = None
    revision: str | None = None


def card_metadata(facts: Facts, name: str, licence: str | None, widget: Sequence[Mapping[str, Any]]) -> ModelCardData:
    """The header.

    Args:
        name: The model's.
        licence: The Hub's identifier; None leaves it out.
        widget: Example images and what the model says of them.
    """
    from huggingface_hub import ModelCardData

    data, kind = data_name(facts.recipe.data), facts.base["model_type"]
    measured = list(_eval_results(facts, data))
    return ModelCardData(
        license=licence,
        library_name="transformers",
        pipeline_tag=TASK,
        base_model=base_on_the_hub(facts.base),
        datasets=[data.identifier] if on_the_hub(facts.recipe.data) else None,
        tags=[
            "vision",
            kind,
            *(["deit"] if _is_deit(facts) else []),
            "multi-class" if facts.task == MULTICLASS else "multi-label",
            "deit-finetune",
        ],
        metrics=["accuracy", "f1"],
        model_name=name if measured else None,
        eval_results=measured or None,
        widget=list(widget) or None,
    )


def _is_deit(facts: Facts) -> bool:
    """Most DeiT checkpoints have the architecture ``vit``, and say what they are in their names alone."""
    return facts.base["kind"] in ("hub", "bundled") and "deit" in facts.base["checkpoint"]


def on_the_hub(data: Data) -> bool:
    """Whether the images are a data set of the Hub, and not files that one of ``datasets``' builders read."""
    if data.kind != "hub" or data.name in LOCAL_BUILDERS:
        return False
    return is_hub_name(data.name) and not Path(data.name).expanduser().exists()


def data_name(data: Data) -> DataName:
    """What to call the images. Those of a user's disk have no name that tells others anything.

    >>> from finetune.recipe.sections import FolderData, HubData
    >>> data_name(HubData(kind="hub", name="uoft-cs/cifar10", revision="v1"))
    DataName(identifier='uoft-cs/cifar10', name='uoft-cs/cifar10', config=None, revision='v1')
    >>> data_name(FolderData(kind="folder", root="bundled:digits")).name
    'bundled:digits of deit-finetune'
    >>> data_name(FolderData(kind="folder", root="photos")).name
    'own images'
    """
    if data.kind == "hub":
        if on_the_hub(data):
            return DataName(data.name, data.name, data.config, data.revision)
        return DataName(data.name if data.name in LOCAL_BUILDERS else "imagefolder", "own images")
    if data.kind == "formula":
        return DataName("formula", f"images of formulas ({data.family})")
    bundled = data.root.startswith("bundled:")
    return DataName(_BUILDERS[data.kind], f"{data.root} of deit-finetune" if bundled else "own images")


def _eval_results(facts: Facts, data: DataName) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    for row in headlines(facts.task, facts.metrics):
        for (split, scored), cell in zip(facts.metrics.items(), row["cells"], strict=True):
            if cell["value"] is None:
                continue
            averaged = _AVERAGES.get(row["name"])
            yield EvalResult(
                task_type=TASK,
                dataset_type=data.identifier,
                dataset_name=data.name,
                dataset_config=data.config,
                dataset_split=split,
                dataset_revision=data.revision,
                metric_type="f1" if averaged else row["name"],
                metric_value=cell["value"],
                metric_name=_told(row["name"], facts.task, scored["images"], cell["interval"]),
                metric_args={"average": averaged} if averaged else None,
            )


def title_of(metric: str, task: str) -> str:
    """A metric's name in a sentence.

    >>> title_of("top5_accuracy", "multiclass"), title_of("accuracy", "multilabel")
    ('top-5 accuracy', 'exact match')
    """
    k = metric.removeprefix("top").removesuffix("_accuracy")
    return metric_of(metric, task).title.replace("top-k", f"top-{k}")


def _told(metric: str, task: str, images: int, interval: Sequence[float] | None) -> str:
    of = "" if interval is None else f", 95 % interval {interval[0]:.3f} to {interval[1]:.3f}"
    return f"{title_of(metric, task)} ({images} images{of})"
