"""``data``: what to learn from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from finetune.recipe.sections.section import Count, Section, Text

SplitName = Literal["train", "validation", "test"]
_MOST_DRAWN = 20_000_000  # images of formulas: a row of each is held, at most some 20 GB


class Download(Section):
    """A zip archive that is fetched once into the cache folder."""

    url: Annotated[str, Field(pattern="^(https?|file)://")]
    """http(s) or file URL of a zip archive."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """Expected digest of the archive; without one the digest found is recorded in the run."""


class Split(Section):
    """How images without a given split are divided."""

    validation: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2
    """Fraction of the images held out for validation, where the data brings no validation split."""
    test: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Fraction held out for test, where the data brings no test split."""
    seed: int = 42
    """The same files and seed give the same split on every machine."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Cut all images into this many folds of equal shares instead; one of them is the test split."""
    fold: Count | None = None
    """Which fold is the test split, from 1; validation is then a fraction of the others."""

    @model_validator(mode="after")
    def _fold_is_one_of_the_folds(self) -> Split:
        if (self.folds is None) != (self.fold is None):
            raise ValueError("folds and fold go together; write both, or neither")
        if self.folds is not None and self.fold is not None and self.fold > self.folds:
            raise ValueError(f"fold {self.fold} is none of the folds 1 to {self.folds}")
        if self.folds is not None and self.test:
            raise ValueError(f"test {self.test} has no place beside folds, which give the test split; write test: 0.0")
        return self

    @model_validator(mode="after")
    def _leaves_training_images(self) -> Split:
        if self.validation + self.test >= 1.0:
            raise ValueError(f"validation {self.validation} and test {self.test} leave nothing to train on")
        return self


class _Data(Section):
    split: Split = Split()
    """Fractions and seed of the split."""
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    """shuffled: every training image once an epoch; balanced: drawn with replacement, so that all classes come
    equally often (multilabel: more equally; an image's chance is the mean of one over the count of its labels)."""
    on_bad_image: Literal["fail", "drop"] = "fail"
    """An image that cannot be read, or that two given splits share, stops the run, or is left out and listed in it."""
    keep_decoded_mb: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Memory in MB for keeping decoded images between epochs; auto takes up to a quarter of what is free."""
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Loader processes; auto uses none while all images are kept decoded, else one per idle core, at most 8: beside a
    GPU all cores, on a CPU those beyond the threads of PyTorch (none, unless OMP_NUM_THREADS leaves some)."""


class _FilesData(_Data):
    root: Text = "."
    """Folder of the images, relative to the working directory, or ``bundled:NAME``."""
    download: Download | None = None
    """Where to fetch the folder if it does not exist."""


class FolderData(_FilesData):
    """Class folders: ``root/can/1.jpg``, or ``root/train/can/1.jpg`` with ``val(idation)`` and ``test`` beside it."""

    kind: Literal["folder"]
    """Class folders."""
    root: Text
    """Folder of class folders, relative to the working directory, or ``bundled:NAME``."""


class CsvData(_FilesData):
    """A table with an image path and labels per row."""

    kind: Literal["csv"]
    """A delimited table."""
    file: str | dict[SplitName, str] = "labels.csv"
    """The table, relative to root; or one table per split."""
    images: str = "images"
    """Folder that paths in the table start from, relative to root."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """Character between cells."""
    path_column: str = "filename"
    """Column with the image path."""
    label_column: str = "labels"
    """Column with one label (multiclass) or several (multilabel)."""
    label_separator: Annotated[str, Field(min_length=1)] = " "
    """What separates labels within a cell (multilabel)."""
    label_columns: list[str] | None = None
    """One 0/1 column per class instead of label_column; an empty cell means that nobody knows (multilabel),
    and a row has exactly one 1 (multiclass)."""
    split_column: str | None = None
    """Column that says train, validation (or val) or test."""
    group_column: str | None = None
    """Rows that share this column's value stay in one split."""


class JsonlData(_FilesData):
    """Azure's JSON lines, ``{"image_url": …, "label": …}``, or the ``MLTable`` folder around them."""

    kind: Literal["jsonl"]
    """JSON lines or MLTable."""
    file: str | dict[SplitName, str] = "MLTable"
    """The .jsonl file or MLTable, relative to root; or one per split."""
    path_column: str = "image_url"
    """Key with the image: a local path or file: URL, relative to the file."""
    label_column: str = "label"
    """Key with a label, or a list of labels (multilabel)."""
    group_column: str | None = None
    """Lines that share this key's value stay in one split."""


class HubData(_Data):
    """Any dataset that ``datasets.load_dataset`` reads, from the Hub or local."""

    kind: Literal["hub"]
    """A dataset for datasets.load_dataset."""
    name: Text
    """Dataset name on the Hub, or a builder: imagefolder, parquet, arrow, webdataset."""
    config: str | None = None
    """Configuration of the dataset."""
    revision: str | None = None
    """Branch, tag or commit on the Hub."""
    data_dir: str | None = None
    """Folder for a local builder."""
    data_files: str | list[str] | dict[str, str | list[str]] | None = None
    """Files for a local builder, or per split."""
    image_column: str = "image"
    """Column with the image."""
    label_column: str = "label"
    """Column with the label, or the list of labels (multilabel)."""
    splits: dict[SplitName, str] | None = None
    """Which of the dataset's splits serves as train, validation and test; by default those of the same name."""
    group_column: str | None = None
    """Rows that share this column's value stay in one split."""


class FormulaData(_Data):
    """Images that mathematics makes, drawn when they are needed: to pre-train without photographs."""

    kind: Literal["formula"]
    """Drawn images."""
    family: Literal["fractals", "contours", "mixed"] = "mixed"
    """fractals: attractors of random contractions; contours: half courses of a pen, a quarter each of things as if
    turned on a lathe and of filled outlines; mixed: of seven classes three, two and one of these, and one fractal."""
    classes: Annotated[int, Field(ge=2, le=1_000_000)] = 1000
    """How many formulas, each of them a class."""
    instances: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Images of each class."""
    image_size_px: Annotated[int, Field(ge=8, le=1024)] = 64
    """Side of the images in pixels."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Another seed makes other formulas; the same one makes the same pixels on every machine."""

    @model_validator(mode="after")
    def _can_be_listed(self) -> FormulaData:
        if (images := self.classes * self.instances) > _MOST_DRAWN:
            raise ValueError(
                f"instances: {self.classes} classes of {self.instances} are {images:,} images; at most {_MOST_DRAWN:,} "
                "can be listed, so make fewer of each class"
            )
        return self


Data = Annotated[FolderData | CsvData | JsonlData | HubData | FormulaData, Field(discriminator="kind")]
