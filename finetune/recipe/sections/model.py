"""``model``: where training starts from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from finetune.recipe.sections.section import Count, Positive, Section, Text


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
    targets: Annotated[list[Text], Field(min_length=1)] = ["q_proj", "v_proj"]
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
    """pretrained: the checkpoint's; random: its architecture with weights drawn anew, seeded by run.seed, for train:
    all (or probe, as a baseline)."""
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
