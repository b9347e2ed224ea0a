"""The options of ``deit-finetune predict``, from the command line, from YAML or from Python."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from finetune.recipe.sections.section import Count, Fraction, Section, Text

_FOR_A_FILE = ("all_labels", "format", "part_images", "overwrite")
_NOT_FOR_AZURE = ("top_k", "all_labels", "threshold")


class Predict(Section):
    """What to predict, with which model, and where to write it."""

    run: Text
    """Run folder, or a crossval folder, whose models predict together."""
    inputs: Annotated[list[Text], Field(min_length=1)]
    """Images, folders (with all below them), globs, tables (.csv, .tsv, .parquet) and JSON lines (.jsonl), in order."""
    out: Text | None = None
    """File to write, .parquet, .csv or .jsonl; without it JSON lines are printed."""
    format: Literal["table", "azure"] = "table"
    """azure: the headerless predictions.csv of Azure's batch endpoint."""
    top_k: Count | None = None
    """Columns top_1, top_1_score … of the K most probable classes; printed, the K most probable only."""
    all_labels: bool = False
    """A column score_CLASS for every class."""
    threshold: Fraction | None = None
    """Probability from which a label is predicted, instead of the model's own (multilabel)."""
    column: Text | None = None
    """Column of tables, or key of JSON lines, that holds the image; by default image, image_url, path, filename …"""
    paths_from: Text | None = None
    """Folder that relative paths in tables and JSON lines start from; by default the file's own folder."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 is faster where the hardware has it, and moves probabilities by up to 5e-4."""
    runtime: Literal["torch", "onnx"] = "torch"
    """onnx: predict with what deit-finetune export RUN --to onnx wrote."""
    flip: bool | None = None
    """Average the logits of each image and its mirror image; by default as the run's evaluate.flip says."""
    batch_size: Count | None = None
    """Images per forward pass; by default 16 on a CPU, 64 on a GPU."""
    part_images: Count = 512
    """Images after which what was done is saved; an interruption loses no more than one part of each process."""
    pictures: Text | None = None
    """Folder for a picture of each image beside its scores."""
    overwrite: bool = False
    """Replace the file if it exists, and begin anew where a prediction to it was interrupted."""

    @model_validator(mode="after")
    def _agrees(self) -> Predict:
        if self.out is None:
            self._refuse(_FOR_A_FILE, "has no meaning without out, the file to write")
        if self.format == "azure":
            self._refuse(_NOT_FOR_AZURE, "has no meaning with format azure, which holds all classes and no decision")
        return self

    def _refuse(self, keys: tuple[str, ...], why: str) -> None:
        for key in keys:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key}: {why}")
