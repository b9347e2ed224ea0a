"""What a user writes: one frozen model per section of a recipe, every key declared once.

Descriptions are what ``deit-finetune schema`` publishes and what ``recipes/README.md`` lists.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
SplitName = Literal["train", "validation", "test"]


class Section(BaseModel):
    """Strict and frozen: an unknown key is an error, and nothing changes after loading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


# ---------------------------------------------------------------- data


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
    """Loader processes; auto uses none while all images are kept decoded, else one per core (at most 8)."""


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


Data = Annotated[FolderData | CsvData | JsonlData | HubData, Field(discriminator="kind")]


# ---------------------------------------------------------------- model


class Preprocessing(Section):
    """Preprocessing spelled out, for a checkpoint whose own file is missing or wrong."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Channel means of pixels in [0, 1]."""
    std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)
    """Channel standard deviations of pixels in [0, 1]."""
    resize_px: Count = 256
    """Size in pixels that images are resized to."""
    resize: Literal["shortest_edge", "squash"] = "shortest_edge"
    """Resize the shorter side and keep the shape, or squash to a square."""
    crop_px: Count | None = 224
    """Side of the centre crop in pixels; null takes the image as resized (squash only)."""
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bicubic"
    """Pillow's resampling filter."""

    @model_validator(mode="after")
    def _crop_lies_within(self) -> Preprocessing:
        if self.crop_px is None and self.resize == "shortest_edge":
            raise ValueError("crop_px null leaves images of different shapes; write crop_px, or resize: squash")
        if self.crop_px is not None and self.crop_px > self.resize_px:
            raise ValueError(f"crop_px {self.crop_px} does not fit into resize_px {self.resize_px}")
        return self


class Lora(Section):
    """Low-rank adapters beside frozen layers, merged into an ordinary model at the end (Hu et al., 2021)."""

    rank: Count = 8
    """Rank of the two factors."""
    alpha: Positive = 16.0
    """The product of the factors is scaled by alpha / rank."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Dropout before the first factor."""
    targets: list[Text] = ["q_proj", "v_proj"]
    """Names of the linear layers that get adapters, as the model's modules end; or [all-linear]."""


class Probe(Section):
    """How the linear head on frozen features is fitted."""

    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the training images by which the strength of regularisation is chosen."""
    strengths: Count = 10
    """Strengths of regularisation that are tried, evenly on a logarithmic scale."""


class Model(Section):
    """Where training starts from."""

    checkpoint: Text = "facebook/deit-base-patch16-224"
    """Name on the Hub, a local folder (a run folder too), or ``bundled:NAME``."""
    revision: str | None = None
    """Branch, tag or commit on the Hub."""
    weights: Literal["pretrained", "random"] = "pretrained"
    """pretrained: the checkpoint's; random: its architecture with weights drawn anew, seeded by run.seed."""
    image_size_px: Count | None = None
    """Side of the model's input in pixels; another than the checkpoint's resamples its position embeddings."""
    preprocessing: Literal["auto", "card", "checkpoint"] | Preprocessing = "auto"
    """auto: the checkpoint's own, corrected where the Hub's file is known to be wrong; card: the model card's;
    checkpoint: the file as it is; or spelled out."""
    head: Literal["new", "keep", "extend"] = "new"
    """new: drawn anew; keep: the checkpoint's, whose classes must be the data's; extend: keep the rows of the
    classes that both know by name and draw the others."""
    train: Literal["all", "head", "last_n_blocks", "lora", "probe"] = "all"
    """What learns: all; the head; the last train_blocks blocks with what follows them; adapters (lora) and the head;
    or probe: a linear head that a solver fits on features which are computed once."""
    train_blocks: Count = 2
    """How many blocks learn, for train: last_n_blocks."""
    lora: Lora = Lora()
    """Adapters, for train: lora."""
    probe: Probe = Probe()
    """The fit, for train: probe."""
    drop_path: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Stochastic depth: probability with which the last block's branches are skipped for an image; it rises
    evenly from 0 at the first block."""
    attention: Literal["auto", "eager", "sdpa"] = "auto"
    """Attention implementation; auto takes eager for bf16 on a CPU, where it is faster, else sdpa."""
    activation_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    compile: bool = False
    """torch.compile the training step: a minute or more at the start, faster steps on a GPU."""


# ---------------------------------------------------------------- augment


class Augment(Section):
    """How training images are varied. Evaluation never is. A key that is null is as the preset has it."""

    preset: Literal["none", "light", "deit", "three_augment"] = "light"
    """none: the evaluation crop; light: crops and mirroring; deit: DeiT's own; three_augment: DeiT III's."""
    crop_scale: tuple[Fraction, Fraction] | Literal["evaluation"] | None = None
    """Area of the random crop as a share of the image; evaluation trains on the evaluation crop."""
    crop_ratio: tuple[Positive, Positive] = (0.75, 1.3333333333333333)
    """Width over height of the random crop."""
    horizontal_flip: Fraction | None = None
    """Probability of mirroring left and right."""
    vertical_flip: Fraction = 0.0
    """Probability of mirroring top and bottom."""
    color_jitter: Fraction | None = None
    """Strength s: brightness, contrast and saturation are each multiplied by a factor from 1 - s to 1 + s."""
    rand_augment_operations: Annotated[int, Field(ge=0)] | None = None
    """RandAugment: operations an image may get one after the other, each drawn anew; 0 switches it off."""
    rand_augment_magnitude: Annotated[float, Field(ge=0.0, le=10.0)] = 9.0
    """Mean strength of an operation, from 0 to 10."""
    rand_augment_magnitude_std: NonNegative = 0.5
    """Standard deviation of the strength."""
    rand_augment_increasing: bool = True
    """Whether a higher magnitude is the stronger one for every operation."""
    rand_augment_probability: Fraction = 0.5
    """Probability that a drawn operation is applied."""
    three_augment: Fraction | None = None
    """Probability that an image is made grey, solarised or blurred, one of the three."""
    erasing: Fraction | None = None
    """Probability that a rectangle is replaced by noise."""
    erasing_area: tuple[Fraction, Fraction] = (0.02, 0.3333333333333333)
    """Area of the rectangle as a share of the image."""
    mixup_alpha: NonNegative | None = None
    """Two images and their labels are blended in proportions drawn from Beta(alpha, alpha); 0 switches it off."""
    cutmix_alpha: NonNegative | None = None
    """A rectangle is replaced by another image's, its area drawn from Beta(alpha, alpha); 0 switches it off."""
    mix_probability: Fraction = 1.0
    """Probability that a batch is mixed at all, where mixup or cutmix is on."""
    cutmix_share: Fraction = 0.5
    """Share of the mixed batches that get cutmix, where both are on."""
    repeats: Count | None = None
    """Repeated augmentation: how often an image comes in an epoch, each time varied anew; an epoch keeps its length,
    so it holds fewer different images."""

    @model_validator(mode="after")
    def _ranges_rise(self) -> Augment:
        for name in ("crop_scale", "crop_ratio", "erasing_area"):
            bounds = getattr(self, name)
            if isinstance(bounds, tuple) and not 0 < bounds[0] <= bounds[1]:
                raise ValueError(f"{name} {list(bounds)} must be [low, high] with 0 < low <= high")
        if self.erasing_area[0] >= 1.0:
            raise ValueError(f"erasing_area {list(self.erasing_area)} is the whole image; write a low below 1")
        return self


# ---------------------------------------------------------------- optim, loss


class Optim(Section):
    """How the weights move. A key that is null is as the preset has it; the run's record says what was chosen."""

    preset: Literal["auto", "plain", "azure", "deit", "deit_384", "deit_transfer"] = "auto"
    """auto: by what is trained and how many images there are; plain: 15 epochs of 5e-5; azure: its component's;
    deit: from random weights, as DeiT was; deit_384: its fine-tuning at 384 px; deit_transfer: its transfer to
    CIFAR and the like."""
    epochs: Positive | None = None
    """Passes over the training images; a fraction is allowed."""
    max_steps: Count | None = None
    """Optimiser steps; when given, epochs is not used."""
    batch_size: Count | None = None
    """Images per optimiser step, over all processes and accumulation steps together."""
    accumulation_steps: Count = 1
    """Pieces that a process works its share of a batch through in: less memory, same result (but for mixup and cutmix,
    which mix within a piece)."""
    find_batch_size: bool = False
    """After running out of memory, double accumulation_steps and start again with the same batch; one process."""
    learning_rate: Positive | None = None
    """Peak learning rate."""
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Each block below the head learns at this multiple of the rate of the block above it."""
    head_multiplier: Positive = 1.0
    """The head learns at this multiple of the learning rate."""
    unfreeze_every_epochs: Positive | None = None
    """Gradual unfreezing: the head learns alone at first, and after each such span one block more, from the last
    down."""
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Keep a running average of the weights; it is scored beside the weights themselves, and the better is saved (where
    nothing is evaluated during training, the average)."""
    schedule: Literal["cosine", "linear", "cosine_with_restarts", "polynomial", "constant", "inverse_sqrt"] = "cosine"
    """Course of the learning rate after the warm-up."""
    schedule_args: dict[str, Any] = {}
    """Further arguments of the schedule, such as {num_cycles: 2} or {power: 2.0}."""
    warmup_fraction: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    """Share of all steps over which the learning rate rises from 0."""
    warmup_steps: Count | None = None
    """Steps over which it rises, instead of a share."""
    optimizer: Text | None = None
    """adamw (fused), sgd, adafactor, or any name that transformers' Trainer knows."""
    optimizer_args: dict[str, Any] = {}
    """Further arguments of the optimiser, by its own names."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Decay of AdamW's two running averages."""
    epsilon: Positive = 1e-8
    """AdamW's guard against division by zero."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    """Momentum of sgd."""
    weight_decay: NonNegative | None = None
    """Not applied to biases, norms, class and distillation tokens and position embeddings."""
    max_grad_norm: NonNegative = 1.0
    """Gradients are clipped to this norm; 0 switches clipping off."""


class Loss(Section):
    """What training minimises."""

    kind: Literal["auto", "cross_entropy", "binary_cross_entropy", "focal", "asymmetric"] = "auto"
    """auto: cross_entropy (multiclass) or binary_cross_entropy (multilabel); binary_cross_entropy for multiclass is
    DeiT III's, averaged over the classes; asymmetric is for multilabel. Probabilities are a softmax or sigmoids by the
    task alone."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the target that is spread evenly: over the classes (multiclass), over yes and no (multilabel)."""
    focal_gamma: NonNegative = 2.0
    """focal: how much less a sure and right answer counts."""
    asymmetric_gammas: tuple[NonNegative, NonNegative] = (0.0, 4.0)
    """asymmetric: the focus on present and on absent labels."""
    asymmetric_margin: Fraction = 0.05
    """asymmetric: absent labels below this probability do not count."""
    class_weights: Literal["balanced", "effective_number"] | dict[str, Positive] | None = None
    """Weight of each class: balanced is one over its number of training images; effective_number by how many of them
    are new; both with a mean of 1 over the images. Or given by name, 1 where a class is left out."""
    effective_number_beta: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.999
    """effective_number: 1 / (1 - beta) images are taken to cover a class; with far fewer it is as balanced."""
    pos_weight: Literal["balanced"] | Positive | dict[str, Positive] | None = None
    """multilabel: weight of a present label against an absent one; balanced: absent over present images of each class;
    a number for all; or given by name, 1 where a class is left out."""


class Distill(Section):
    """Learning from another classifier besides the labels."""

    teacher: Text
    """A checkpoint or run folder; its classes must be the data's, in any order."""
    revision: str | None = None
    """Branch, tag or commit on the Hub."""
    kind: Literal["soft", "hard"] = "hard"
    """soft: the teacher's probabilities; hard: its decisions."""
    temperature: Positive | None = None
    """soft: divides the logits of both; null is 1."""
    weight: Fraction = 0.5
    """Share of the teacher in the loss; the labels have the rest."""


# ---------------------------------------------------------------- evaluate, run


class Evaluate(Section):
    """When and how the model is measured."""

    every: Literal["epoch", "steps", "never"] = "epoch"
    """When the validation split is scored during training (and a checkpoint saved)."""
    every_steps: Count | None = None
    """Steps between evaluations, for every: steps."""
    every_epochs: Count | None = None
    """Epochs between evaluations, for every: epoch; null: 1, or where an epoch has fewer than 100 steps so many that a
    run has at most 50 evaluations."""
    batch_size: Count | None = None
    """Images per forward pass and process; by default 16 on a CPU, 64 on a GPU."""
    best_metric: str | None = None
    """Validation metric that picks the saved model; by default accuracy (multiclass) or mAP (multilabel)."""
    patience: Count | None = None
    """Evaluations without a better best_metric after which training stops."""
    min_improvement: NonNegative = 0.0
    """How much better counts as better for patience."""
    threshold: Fraction = 0.5
    """Probability from which a label is predicted (multilabel)."""
    top_k: Count = 5
    """k of top-k accuracy (multiclass), at most the number of classes."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the final metrics and predictions.jsonl."""
    flip: bool = False
    """Average the logits of an image and its mirror image in the final metrics and in predict."""


class Run(Section):
    """Where the run goes and how it is carried out."""

    root: Text = "runs"
    """Folder of run folders, relative to the working directory."""
    name: Annotated[str, Field(pattern=r"^[^/\\]*[^/\\.][^/\\]*$")] | None = None
    """Name of the run folder; by default the recipe's file name."""
    seed: int = 42
    """Seeds the new head, the order of the images and the augmentation."""
    max_minutes: Positive | None = None
    """Training stops after this many minutes, the learning rate coming down in time; the best model is saved."""
    device: Literal["auto", "cpu"] = "auto"
    """auto takes what Accelerate finds; cpu leaves a GPU alone."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the training step; auto takes bf16 where the hardware has it, else fp32."""
    deterministic: bool = False
    """Bit-equal results on a GPU too, at the cost of speed."""
    keep_checkpoints: Count = 2
    """Resumable checkpoints kept: the newest, and the best among them always."""
    log_every_steps: Count = 10
    """Steps between lines of loss and learning rate in the tracking."""
    tracking: list[Literal["tensorboard", "mlflow", "wandb"]] = ["tensorboard"]
    """Where curves are written besides history.jsonl; mlflow and wandb need their package."""


class Span(Section):
    """A range that a sweep draws numbers from."""

    low: float
    """The lowest value."""
    high: float
    """The highest value."""
    log: bool = False
    """Draw evenly on a logarithmic scale."""
    whole: bool = False
    """Draw whole numbers."""

    @model_validator(mode="after")
    def _rises(self) -> Span:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"low {self.low:g} and high {self.high:g} must rise, from above 0 where log is true")
        return self


class Search(Section):
    """What ``deit-finetune sweep`` varies."""

    space: dict[str, Span | list[Any]] = {}
    """Dotted keys, and for each the span or the list of values to draw from."""
    sampler: Literal["tpe", "random"] = "tpe"
    """How values are drawn: by what did well (tree-structured Parzen estimator), or at random."""
    prune: bool = True
    """Stop a trial that is behind the median of the others at the same evaluation."""


class Recipe(Section):
    """A whole recipe. Every key but task and data has a default."""

    task: Literal["multiclass", "multilabel"]
    """multiclass: one label an image, softmax; multilabel: any number, sigmoid."""
    data: Data
    """What to learn from."""
    model: Model = Model()
    """Where training starts from."""
    augment: Augment = Augment()
    """How training images are varied."""
    optim: Optim = Optim()
    """How the weights move."""
    loss: Loss = Loss()
    """What training minimises."""
    distill: Distill | None = None
    """A teacher, if there is one."""
    evaluate: Evaluate = Evaluate()
    """When and how the model is measured."""
    run: Run = Run()
    """Where the run goes and how it is carried out."""
    search: Search = Search()
    """What a sweep varies."""
    offline: dict[str, Any] = {}
    """Overrides by dotted key for where checkpoint or data cannot be reached: data.* is applied when the data
    cannot, all other keys when the checkpoint cannot."""
