"""A run as a model repository of the Hub: a folder that is checked, and uploaded where the user says so."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from finetune.errors import CheckpointError, FinetuneError
from finetune.export.agreement import Samples, samples_of
from finetune.export.hub.facts import read_facts
from finetune.export.hub.licence import base_licence
from finetune.export.hub.model_card import CardWish, model_card, same_when_written, was_edited
from finetune.export.hub.public_recipe import public_recipe
from finetune.export.hub.push import Pushed, check_can_push, check_name
from finetune.export.hub.push import push as upload
from finetune.export.hub.widget import FOLDER as EXAMPLES
from finetune.export.hub.widget import Classify, write_examples
from finetune.export.replacing import replacing
from finetune.metrics.definitions import MULTICLASS
from finetune.model.decision import FILE as DECISION
from finetune.model.loading import quiet_transformers
from finetune.predict import Predictor
from finetune.predict.sources import OneImage, Sources
from finetune.run_folder import RunFolder
from finetune.run_folder.json_files import write_text

CARD, RECIPE, METRICS = "README.md", "recipe.yaml", "metrics.json"
LARGEST_DIFFERENCE = 1e-4
_COMPARED = 16  # images; the weights are the run's own, so that a few show whether all the rest is in its place
_OURS = (CARD, RECIPE, METRICS, DECISION, "config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class HubExport:
    """What was written, and perhaps uploaded.

    Args:
        folder: The folder.
        checked: On how many images of where transformers' pipeline gave the run's probabilities, and how nearly.
        notes: What a user should know of it, a sentence each.
        pushed: Where it was uploaded to.
    """

    folder: Path
    checked: str
    notes: Sequence[str]
    pushed: Pushed | None = None

    def __str__(self) -> str:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        size_mb = sum(path.stat().st_size for path in files) / 2**20
        names = ", ".join(path.relative_to(self.folder).as_posix() for path in files)
        lines = [f"{self.folder} ({size_mb:.1f} MB): {names}", self.checked, *self.notes]
        return "\n".join(lines if self.pushed is None else [*lines, f"uploaded to {self.pushed}"])


def export_hub(
    run: RunFolder,
    repo: str | None = None,
    push: bool = False,
    public: bool = False,
    license: str | None = None,
    examples: Sequence[OneImage] = (),
    overwrite: bool = False,
) -> HubExport:
    """Write ``export/hub``: model, decision, public recipe, metrics and model card, and upload it if `push`.

    A README.md that was edited by hand is kept, and so are files that were put beside it; what else an earlier export
    wrote is replaced. Nothing is uploaded that transformers' pipeline does not load, or for which it gives other
    probabilities than the run does.

    Args:
        repo: OWNER/NAME on the Hub, for `push` and for the card's code lines.
        push: Upload the folder, with the user's own token.
        public: Make the repository public, or upload to one that is; without it, private.
        license: The Hub's identifier of a licence; by default that of what the model began from, where that is known.
        examples: Images that the model's page shows with what the model says of them. They are uploaded, as copies
            without names and EXIF.
        overwrite: Write README.md anew, also where it was edited by hand.
    Raises:
        FinetuneError: a choice makes no sense, or the Hub refuses.
        UnreachableError: the Hub cannot be reached.
        CheckpointError: the folder does not do what the run does; an earlier one stays.
    """
    _check_wishes(repo, push, public)
    target = run.exports / "hub"
    kept = None if overwrite else _edited_card(target, license is not None or bool(examples))
    predictor = Predictor(run.model, device="cpu")
    facts, (recipe, replaced) = read_facts(run, predictor.labels), public_recipe(run)
    with replacing(target) as fresh:
        shutil.copytree(run.model, fresh, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
        classify = _pipeline(fresh, predictor)
        checked = _checked(classify, predictor, samples_of(run, _COMPARED))
        widget = write_examples(examples, fresh, classify)
        wish = CardWish(repo, license or base_licence(facts.base), license is None, recipe, widget)
        card = model_card(facts, wish)
        shutil.copyfile(run.metrics, fresh / METRICS)
        write_text(fresh / RECIPE, recipe)
        write_text(fresh / CARD, kept or card)
        _carry_over(target, fresh, with_examples=kept is not None)
    notes = [_recipe_note(replaced), _card_note(kept, card, wish), "" if push else _not_uploaded(run, repo)]
    pushed = upload(target, str(repo), public=public, stale=(DECISION, f"{EXAMPLES}/*")) if push else None
    return HubExport(target, checked, list(filter(None, notes)), pushed)


def _check_wishes(repo: str | None, push: bool, public: bool) -> None:
    """Refuse at once what could only be refused after minutes of work."""
    if repo is not None:
        check_name(repo)
    if push:
        check_can_push(repo)
    elif public:
        raise FinetuneError("--public: has a meaning for a push only; add --push, or leave it out")


def _edited_card(folder: Path, changes: bool) -> str | None:
    """The text of a card that was edited by hand.

    Args:
        changes: Whether options were given that would change it.
    """
    file = folder / CARD
    card = file.read_text(encoding="utf-8") if file.is_file() else None
    if card is None or not was_edited(card):
        return None
    if changes:
        raise FinetuneError(
            f"{file}: was edited by hand and is kept, so that --license and --examples would do nothing; write them "
            "into it, or add --overwrite to have it written anew"
        )
    return card


def _pipeline(folder: Path, predictor: Predictor) -> Classify:
    """transformers' own pipeline of a folder, giving every class's score as the card tells users to ask for it."""
    from transformers import AutoImageProcessor, pipeline

    with quiet_transformers():
        # Pillow resizes, as in training: where torchvision is installed, transformers would take that.
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)  # type: ignore[no-untyped-call]
        classify = pipeline("image-classification", model=str(folder), image_processor=processor, device="cpu")
    apply = "softmax" if predictor.task.name == MULTICLASS else "sigmoid"
    return partial(classify, top_k=len(predictor.labels), function_to_apply=apply)


def _checked(classify: Classify, predictor: Predictor, samples: Samples) -> str:
    """That a pipeline gives the run's probabilities, without a temperature and a mirror image, which it does not know.

    Raises:
        CheckpointError: it does not.
    """
    sources = Sources(samples.images)
    expected = predictor.task.probabilities(predictor.logits(sources))
    said = [{row["label"]: row["score"] for row in classify(sources[index])} for index in range(len(sources))]
    given = np.array([[row.get(name, np.nan) for name in predictor.labels.names] for row in said])
    difference = float(np.abs(given - expected).max())
    found = f"{len(sources)} images ({samples.source}): largest difference of a probability {difference:.2g}"
    if not difference <= LARGEST_DIFFERENCE:
        raise CheckpointError(
            f"export to hub: transformers' pipeline does not say what the run says on {found}, allowed is "
            f"{LARGEST_DIFFERENCE:g}; this is a fault of the export, please report it"
        )
    return f"loaded by transformers' pipeline and compared with the run on {found}"


def _carry_over(old: Path, fresh: Path, *, with_examples: bool) -> None:
    """Keep what a user put beside an earlier export's files; its examples only where its card stays."""
    for file in old.rglob("*") if old.is_dir() else ():
        name = file.relative_to(old)
        ours = str(name) in _OURS or ".safetensors" in name.name or (name.parts[0] == EXAMPLES and not with_examples)
        if file.is_file() and not ours:
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, fresh / name)


def _card_note(kept: str | None, card: str, wish: CardWish) -> str:
    if kept is not None:
        changed = "" if same_when_written(kept, card) else ", though the run or the options are others than it tells of"
        return f"{CARD}: was edited by hand and is kept{changed}; --overwrite writes it anew"
    if wish.licence is None:
        return "licence: none is stated, as that of what the model began from is not known; --license names one"
    return f"licence: {wish.licence}" + (
        ", that of what it began from; --license names another" if wish.inherited else ""
    )


def _recipe_note(replaced: Sequence[str]) -> str:
    return f"{RECIPE}: without what is private in {', '.join(replaced)}" if replaced else ""


def _not_uploaded(run: RunFolder, repo: str | None) -> str:
    command = f"deit-finetune export {run} --to hub --repo {repo or 'OWNER/NAME'} --push"
    return f"not uploaded; {command} does so, to a private repository"
