"""Which of a model's outputs is which class of the data: by name, and for ImageNet by the order of WordNet ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finetune.errors import DataError, did_you_mean
from finetune.labels import LabelSpace

WORDNET = re.compile(r"n\d{8}")
_NAMED = 5


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names of outputs that are told apart: ImageNet's "crane" is a bird and a machine.

    >>> distinct(["crane", "tench", "crane"])
    ('crane (0)', 'tench', 'crane (2)')
    """
    count = Counter(names)
    return tuple(f"{name} ({i})" if count[name] > 1 else name for i, name in enumerate(names))


def outputs_of(
    data: LabelSpace, model: LabelSpace, names: Sequence[str] | None = None, whole: LabelSpace | None = None
) -> list[int]:
    """For each class of the data, which of the model's outputs it is.

    Args:
        data: The classes of the data that are asked for.
        model: The model's, in the order of its outputs.
        names: What the data call each of the model's outputs, where that is something else.
        whole: All classes of the data; by default those that are asked for.
    Returns:
        Places among the model's outputs. Names are compared as they are; then, for names such as "tench, Tinca
        tinca", with each of their parts that no other output has. Where the data have as many WordNet ids as the
        model has outputs, their sorted order is the order of the outputs, as in ImageNet-1k.
    Raises:
        DataError: the model lacks a class; the nearest is suggested.

    >>> outputs_of(LabelSpace(("tench", "shark")), LabelSpace(("great white, shark", "tench, Tinca tinca")))
    [1, 0]
    """
    known = LabelSpace(tuple(names)) if names is not None else model
    if len(known) != len(model):
        raise DataError(
            f"{len(known)} class names are given, but the model has {len(model)} outputs; give one for each"
        )
    found = {**_parts(known.names), **known.label2id}
    missing = [name for name in data.names if name not in found]
    if not missing:
        return [found[name] for name in data.names]
    if names is None and all(WORDNET.fullmatch(name) for name in data.names):
        return _by_order(data, whole or data, model)
    listed = ", ".join(repr(name) for name in missing[:_NAMED])
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    if names is not None:
        raise DataError(
            f"the class names given lack {listed}{more}{did_you_mean(missing[0], known.names)}; it has {len(known)}, "
            f"{', '.join(known.names[:_NAMED])}{', …' if len(known) > _NAMED else ''}"
        )
    raise DataError(
        f"the model has no class {listed}{more}{did_you_mean(missing[0], known.names)}; its {len(known)} classes are "
        f"{', '.join(known.names[:_NAMED])}{', …' if len(known) > _NAMED else ''}; --classes evaluates on some of the "
        "data's classes, --class-names says what the data call the model's"
    )


def read_class_names(path: Path) -> list[str]:
    """The names in a text file, one a line. Of lines such as "n01440764 tench, Tinca tinca", ImageNet's own list
    (LOC_synset_mapping.txt), the WordNet id counts.

    Raises:
        DataError: it cannot be read, or holds no names.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error}); expected a class name on each line") from error
    if not lines:
        raise DataError(f"{path}: holds no names; expected one on each line, in the order of the model's outputs")
    ids = [line.split(maxsplit=1)[0] for line in lines]
    return ids if all(WORDNET.fullmatch(name) for name in ids) else lines


def model_targets(targets: NDArray[np.integer], outputs: Sequence[int], classes: int) -> NDArray[np.integer]:
    """The data's targets in the order of the model's outputs.

    Args:
        targets: (images,) ids or (images, data's classes) of 1, 0 and -1.
        outputs: As of `outputs_of`.
        classes: How many outputs the model has.
    Returns:
        (images,) ids, or (images, classes), where a class that the data do not know is -1, unknown.
    """
    if targets.ndim == 1:
        return np.where(targets >= 0, np.asarray(outputs, dtype=np.int64)[np.maximum(targets, 0)], -1)
    placed = np.full((len(targets), classes), -1, dtype=targets.dtype)
    placed[:, outputs] = targets
    return placed


def _parts(names: Sequence[str]) -> dict[str, int]:
    parts = [(part.strip(), i) for i, name in enumerate(names) for part in name.split(",") if part.strip()]
    count = Counter(part for part, _ in parts)
    return {part: i for part, i in parts if count[part] == 1}


def _by_order(data: LabelSpace, whole: LabelSpace, model: LabelSpace) -> list[int]:
    if len(whole) != len(model):
        raise DataError(
            f"the data have {len(whole)} WordNet ids, the model has {len(model)} outputs; only a folder of all of them "
            "says by its order which is which; --class-names FILE, such as ImageNet's LOC_synset_mapping.txt, says it "
            "of some"
        )
    order = sorted(whole.names)
    return [order.index(name) for name in data.names]
