"""The columns of a file of predictions, the same in Parquet, CSV and JSON lines.

=================== ============================================================================================
path                the image's path, or TABLE#ROW (from 1) for one that lies in a table
predicted           multiclass: the label, empty where the model abstains; multilabel: the labels, a list
score               multiclass: the highest probability
scores              multilabel: the probabilities of the predicted labels, a list
top_1, top_1_score… the K most probable classes, with --top-k K
score_CLASS         the probability of each class, in the model's order, with --all-labels
error               why there is no prediction; empty where there is one
=================== ============================================================================================

In CSV a list is JSON. The azure format has other columns and no header: the row's number in its file (from 0), the
probabilities of all classes, the most probable first, their names, and the file's name; both lists are empty for an
image that cannot be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from finetune.batch.rows import Row
from finetune.metrics.definitions import MULTICLASS
from finetune.predict import Prediction


@dataclass(frozen=True)
class Columns:
    """Which columns a file has.

    Args:
        task: multiclass or multilabel.
        classes: In the order of the model's outputs.
        top_k: At most the number of classes.
    """

    task: str
    classes: tuple[str, ...]
    top_k: int = 0
    all_labels: bool = False
    azure: bool = False

    def line(self, row: Row, said: Prediction | None, error: str | None = None) -> dict[str, Any]:
        """The values of one image, by column; None where there is none."""
        if self.azure:
            ranked = {} if said is None else said.probabilities
            return {
                "row": row.number,
                "predictions": list(ranked.values()),
                "labels": list(ranked),
                "file": row.file,
                "error": error,  # counted, and not written
            }
        values: dict[str, Any] = dict.fromkeys(self.names())
        values |= {"path": row.shown, "error": error}
        if said is None:
            return values
        probabilities = said.probabilities
        if self.task == MULTICLASS:
            values["predicted"] = said.predicted[0] if said.predicted else None
            values["score"] = said.top(1)[0][1]
        else:
            values["predicted"] = said.predicted
            values["scores"] = [probabilities[name] for name in said.predicted]
        for place, (name, score) in enumerate(said.top(self.top_k), start=1):
            values |= {f"top_{place}": name, f"top_{place}_score": score}
        if self.all_labels:
            values |= {f"score_{name}": probabilities[name] for name in self.classes}
        return values

    def names(self) -> list[str]:
        """The columns in order."""
        if self.azure:
            return ["row", "predictions", "labels", "file"]
        top = [name for place in range(1, self.top_k + 1) for name in (f"top_{place}", f"top_{place}_score")]
        every = [f"score_{name}" for name in self.classes] if self.all_labels else []
        return ["path", "predicted", "score" if self.task == MULTICLASS else "scores", *top, *every, "error"]

    def schema(self) -> Any:
        """The columns as Arrow types."""
        import pyarrow as pa  # type: ignore[import-untyped]

        text, number = pa.string(), pa.float64()
        several = self.task != MULTICLASS
        types = {"path": text, "predicted": pa.list_(text) if several else text, "error": text}
        types |= {"scores": pa.list_(number)} if several else {}
        types |= {f"top_{place}": text for place in range(1, self.top_k + 1)}
        return pa.schema([(name, types.get(name, number)) for name in self.names()])
