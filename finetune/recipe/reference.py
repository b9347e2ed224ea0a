"""``recipes/README.md``: every key of a recipe, and where the settings of other tools went.

Written by ``python -m finetune.recipe.reference > recipes/README.md``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from finetune.recipe.augmentation import presets_table as augment_presets
from finetune.recipe.dump import flow
from finetune.recipe.elsewhere import AZURE, TRAINING_ARGUMENTS, Place
from finetune.recipe.keys import alternatives, annotation_of, bare, data_sections, is_section
from finetune.recipe.sections import Recipe, Section
from finetune.recipe.settings import presets_table as optim_presets
from finetune.recipe.words import expectation

INTRODUCTION = """\
# Recipes

A recipe is one YAML file that says what to learn from, where to start and how to train. Every key but `task` and
`data` has a default; [the shortest ones](#the-shortest-recipes) have five lines.

| recipe | what it does |
|---|---|
| [fridge_multiclass.yaml](fridge_multiclass.yaml) | one of four things on a photograph: class folders, softmax |
| [fridge_multilabel.yaml](fridge_multilabel.yaml) | which of four things are on a photograph: a table, sigmoid |
| [digits.yaml](digits.yaml) | handwritten digits that come with scikit-learn; needs no network |
| [digits_multilabel.yaml](digits_multilabel.yaml) | which digits are on a sheet of four; needs no network |
| [predict.yaml](predict.yaml) | no recipe: options of `predict`, for a table of what a run says of a folder |
| [serve.yaml](serve.yaml) | no recipe: options of `serve`, which is asked [so](sample_request.json) |
| [deit_base_imagenet.yaml](deit_base_imagenet.yaml) | DeiT-base from random weights on ImageNet-1k, as DeiT was |

```
deit-finetune init FOLDER                          # writes a recipe for your own images
deit-finetune check recipe.yaml --out look         # looks at the data, says what was found, draws it
deit-finetune show recipe.yaml                     # draws what the model will see
deit-finetune recipe.yaml                          # trains
deit-finetune recipe.yaml --set optim.epochs=3     # with another value for a key; may be repeated
```

A recipe is checked before anything is loaded. Unknown keys, wrong types, impossible values and contradictions are
reported all at once. It is YAML 1.2: `5e-5` is a number, `no` and `yes` are words, a date is text, and a key that
is written twice is an error. Numbers in quotes are text. An editor with a YAML language server completes the keys in
a recipe whose first line names the schema (`deit-finetune schema` prints it):

    # yaml-language-server: $schema=../finetune/assets/recipe.schema.json

## The shortest recipes

```yaml
task: multiclass
data:
  kind: folder
  root: photos          # photos/cat/1.jpg, photos/dog/1.jpg
```

```yaml
task: multilabel
data:
  kind: csv             # photos/labels.csv: filename,labels / 1.jpg,cat dog
  root: photos          # photos/images/1.jpg
```
"""

OVERRIDES = """\
`offline` holds overrides for a machine without the network, by dotted key and in the open. They are applied where
checkpoint or data cannot be reached, with a framed notice and an entry in the run's `record.json`:

```yaml
offline:
  model.checkpoint: bundled:deit-nano
  data.root: bundled:fridge-objects
  optim.epochs: 40
```

`--no-fallback` fails instead. The keys go through the same checks as `--set`.
"""

TRAINING_ARGUMENTS_INTRODUCTION = """\
## From transformers' TrainingArguments

Every field of transformers 5.23's `TrainingArguments`, and the key that does its work here, or why there is none.
"""

AZURE_INTRODUCTION = """\
## From Azure ML's image classification component

Every parameter of `transformers_image_classification_finetune`, and of the pipeline around it.
"""

FILES = """\
## Files of other verbs

`deit-finetune features recipe.yaml --out FILE` writes what reaches the head of the recipe's checkpoint, untrained,
for every image:

| `.parquet`, a row an image | `.npz`, arrays | |
|---|---|---|
| `split` | `splits` | train, validation or test |
| `path` | `paths` | the image |
| `label` | | name of the class (multiclass) |
| `labels`, `unknown` | | names of the labels that are present, and of those that nobody knows (multilabel) |
| | `labels` | class ids (multiclass), or (images, classes) with 1 present, 0 absent, -1 unknown (multilabel) |
| | `classes` | names, in the order of the ids |
| `features` | `features` | float32, (images, width) |
| `features_distillation` | `features_distillation` | of the distillation token; only of a distilled DeiT |

`deit-finetune evaluate RUN --data DATA` writes `RUN/evaluations/NAME/`, with files as of a run:

| file | |
|---|---|
| `data.json` | which model, which data, classes, preprocessing, precision |
| `metrics.json` | by split (`all` where the data bring none), all metrics with `intervals` |
| `predictions.jsonl` | a line an image: `split`, `path`, `true`, `predicted`, `probabilities`, `unknown`, `group` |
| `reliability.json` | by split, `before` and `after` any temperature, a reliability diagram |
| `label_errors.json` | labels that are perhaps wrong |
| `azure.json` | with `--config`: by split, metrics under [Azure's names](../finetune/metrics/README.md#azures-names) |

Probabilities in `predictions.jsonl` are those after any temperature; images of one `group` show the same thing, and an
image without one stands for itself. `before` and `after` hold `ece` and `bins`, rows
of `low`, `high`, `count`, `probability` (the mean) and `share` (that came true); of several labels also `per_class`.
`label_errors.json` has `images`, rows of `split`, `path`, `given` and `suspected` (lists of names) and `score`, the
probability that the label is wrong if one image in twenty has a wrong one, the highest first; and `classes`, rows of
`split`, `given`, `suspected`, and how many `images` `of` the class look like the other.

DeiT's checkpoints for the 1,000 classes of ImageNet are measured on its validation images, in 1,000 folders named by
WordNet ids (`n01440764/…`), whose sorted order is the order of the outputs; some of the folders, with
`--class-names LOC_synset_mapping.txt`. Their authors report top-1 / top-5 of 81.8 / 95.6 for B, 79.9 / 95.0 for S,
72.2 / 91.1 for Ti and 83.4 / 96.5 for the distilled B. These were not measured again here, where neither weights nor
images could be had; whoever has them can: `deit-finetune evaluate facebook/deit-base-patch16-224 --data imagenet/val`.

Where thresholds or temperatures were tuned, `RUN/model/decision.json` has them: `temperature` (a number, or one by
class), `thresholds` (by class), `abstain_below` and `tuned_on`. `predict`, `evaluate` and `crossval` heed it,
`transformers.pipeline` does not know it, and without it the model decides untuned. `RUN/tuning.json` says what they
gained on the validation split: `thresholds` (`f1_macro`), `abstaining` and `calibration` (`ece`), each `untuned`,
`fitted`, and `cross_fitted`, which is the one to believe.

`deit-finetune compare RUN RUN --out FILE` writes `runs`, `images`, `metrics` (by run, on the common images),
`differences` (each run less the first: by metric `difference` and `interval`; `only_first` and `only_this`, images that
one alone has right; McNemar's `p`, in which images of a group count as one, and `p_holm` for several runs) and
`differing`, the images that are not decided alike.

`deit-finetune crossval recipe.yaml` writes `runs/NAME-crossval/metrics.json`
([what a metric means](../finetune/metrics/README.md)):

| key | |
|---|---|
| `folds` | a list with the test metrics of each fold, as in the `metrics.json` of a run |
| `mean` | by metric, the mean of the folds; null where one of them has no value |
| `interval` | by metric, [low, high]: the 95 % interval of the mean |
| `out_of_fold` | the metrics of all images at once, each predicted by the model that did not train on it |

and beside it `reliability.json` and `label_errors.json` of all images, as above.
"""

AUGMENT_PRESETS = """\
What a preset says. Of these keys, one that the recipe writes wins over the preset and leaves the others as they are;
`null` takes the preset's value, and a key that does not take `null` is the same in every preset. A run's `record.json`
has the values that were used under `derived.augmentation`, and `deit-finetune show` draws what they do.
"""

AUGMENT_SOURCES = """\
Where `deit` and `three_augment` are not what the published code of DeiT and DeiT III does:

- The random crop is resized with the filter of the checkpoint's own preprocessing (`model.preprocessing`), which is
  bicubic for DeiT's 224 px checkpoints and bilinear for many ViTs; the published code always takes bicubic. A crop of
  more than twice the size is averaged first.
- RandAugment moves images with bilinear interpolation; timm draws bilinear or bicubic.
- No step works in the run's precision: RandAugment and 3-Augment take and give 256 levels, as the published code does,
  what follows works in float32, and only the model gets bf16 or fp16. bf16 would merge levels, and is slower on a CPU.
- Colour jitter works on floating point; torchvision rounds to 256 levels after brightness, contrast and saturation.
- Mixup and cutmix pair an image with the one half a pass further on; timm pairs the first with the last.
- Blurs of 3-Augment have the exact Gaussian; Pillow stands in for it by three boxes.
"""

OPTIM_PRESETS = """\
What a preset says. Of these keys, one that the recipe writes wins over the preset and leaves the others as they are;
`null` takes the preset's value. A run's `record.json` has what was chosen under `derived.optim`:
"""

PRESETS = {
    "augment": (AUGMENT_PRESETS, augment_presets(), AUGMENT_SOURCES),
    "optim": (OPTIM_PRESETS, optim_presets()),
}


def reference() -> str:
    """The whole text of ``recipes/README.md``."""
    return "\n".join(_blocks())


def _blocks() -> Iterator[str]:
    yield INTRODUCTION
    yield "## Every key\n"
    for name, field in Recipe.model_fields.items():
        yield f"### {name}\n"
        yield from _section(name, field)
    yield FILES
    yield TRAINING_ARGUMENTS_INTRODUCTION
    yield from _places("field", TRAINING_ARGUMENTS)
    yield AZURE_INTRODUCTION
    yield from _places("parameter", AZURE)


def _section(name: str, field: FieldInfo) -> Iterator[str]:
    if name == "data":
        yield from _data()
    elif name != "offline" and _inner_sections(field):
        (section,) = _inner_sections(field)
        yield f"{field.description}\n"
        yield from _table(section.model_fields)
        yield from PRESETS.get(name, ())
    elif name == "offline":
        yield OVERRIDES
    else:
        yield from _table({name: field})


def _data() -> Iterator[str]:
    """Keys that all kinds have first, then those of each kind."""
    sections = data_sections()
    shared = {
        key: field
        for key, field in next(iter(sections.values())).model_fields.items()
        if all(key in section.model_fields for section in sections.values()) and key != "kind"
    }
    yield "What to learn from. `kind` says how the data lie on the disk; these keys come with every kind:\n"
    yield from _table(shared)
    for kind, section in sections.items():
        yield f"#### kind: {kind}\n"
        yield f"{_one_line(section.__doc__)}\n"
        yield from _table({key: field for key, field in section.model_fields.items() if key not in (*shared, "kind")})


def _table(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    yield "| key | takes | default | |"
    yield "|---|---|---|---|"
    for key, field in fields.items():
        yield f"| `{key}` | {_cell(_takes(field))} | {_cell(_default(field))} | {_cell(_one_line(field.description))} |"
        for inner in _inner_sections(field):
            for below, sub in inner.model_fields.items():
                takes, default, what = _takes(sub), _default(sub), _one_line(sub.description)
                yield f"| `{key}.{below}` | {_cell(takes)} | {_cell(default)} | {_cell(what)} |"
    yield ""


def _inner_sections(field: FieldInfo) -> list[type[Section]]:
    return [bare(choice)[0] for choice in alternatives(annotation_of(field)) if is_section(choice)]


def _takes(field: FieldInfo) -> str:
    words = expectation(annotation_of(field))
    for inner in _inner_sections(field):
        words = words.replace(expectation(inner), "the keys below")
    return words


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default()
    if isinstance(default, Section) or default is PydanticUndefined:
        return ""
    return f"`{flow(list(default) if isinstance(default, tuple) else default)}`"


def _places(what: str, places: Mapping[str, Place]) -> Iterator[str]:
    yield f"| {what} | here | |"
    yield "|---|---|---|"
    for name, place in places.items():
        keys = ", ".join(f"`{key}`" for key in place.keys)
        yield f"| `{name}` | {keys or '—'} | {_cell(place.note)} |"
    yield ""


def _one_line(text: str | None) -> str:
    return " ".join((text or "").replace("``", "`").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
