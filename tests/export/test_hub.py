"""A run as a repository of the Hub: what is in the folder, what its card says, and what really arrives at a Hub."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results
from PIL import Image
from transformers import pipeline

import finetune
from finetune import Predictor
from finetune.api import Run
from finetune.api.exported import export
from finetune.errors import CheckpointError, FinetuneError, RunFolderError, UnreachableError
from finetune.export.hub import folder as hub_folder
from finetune.export.hub.licence import base_licence
from finetune.export.hub.markdown import fraction
from finetune.export.hub.model_card import was_edited
from finetune.recipe import load_recipe

OWNER = "anna-of-acme"
"""Stands in every path that these runs know of."""


@pytest.fixture(scope="module")
def home(tmp_path_factory, image_folder, image_table, tiny_vit) -> Path:
    """A user's folder with images, a table of images and a checkpoint."""
    home = tmp_path_factory.mktemp("users") / OWNER
    for name, folder in (("photos", image_folder), ("table", image_table), ("base", tiny_vit)):
        shutil.copytree(folder, home / name)
    return home


@pytest.fixture(scope="module")
def train(home):
    """``train("multilabel", **{"optim.epochs": 1})``: a real run of two instants, everything at absolute paths."""

    def make(task: str = "multiclass", **overrides: Any) -> Run:
        data = {"kind": "folder", "root": str(home / "photos")}
        if task == "multilabel":
            data = {"kind": "csv", "root": str(home / "table")}
        recipe = {
            "task": task,
            "data": {**data, "split": {"validation": 0.25, "test": 0.25}},
            "model": {"checkpoint": str(home / "base")},
            "optim": {"preset": "plain", "epochs": 2, "batch_size": 8, "learning_rate": 1e-3},
            "run": {"root": str(home / "runs"), "name": task, "precision": "fp32", "tracking": []},
        }
        return finetune.finetune(load_recipe(recipe, overrides))

    return make


@pytest.fixture(scope="module")
def runs(train) -> dict[str, Run]:
    """A run of each task; the multi-label one has tuned thresholds and temperatures. Both were exported."""
    tuned = {"evaluate.thresholds": "tuned", "evaluate.calibration": "temperature"}
    made = {"multiclass": train(), "multilabel": train("multilabel", **tuned)}
    for run in made.values():
        run.export("hub", repo="me/photos")
    return made


@pytest.fixture
def run(runs, tmp_path) -> Run:
    """A copy of the multi-class run and its export, to be changed."""
    shutil.copytree(runs["multiclass"].path, tmp_path / "run")
    return finetune.open_run(tmp_path / "run")


def folder_of(run: Run) -> Path:
    return run.path / "export" / "hub"


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------- the folder


@pytest.mark.parametrize(("task", "apply"), [("multiclass", "softmax"), ("multilabel", "sigmoid")])
def test_transformers_pipeline_gives_class_names_and_the_probabilities_of_the_run(runs, home, task, apply):
    run, files = runs[task], sorted(map(str, (home / "photos").rglob("*.png")))
    expected = run.predictor.task.probabilities(run.predictor.logits(files))
    classify = pipeline("image-classification", model=str(folder_of(run)), device="cpu")
    for row, said in zip(expected, classify(files, top_k=3, function_to_apply=apply), strict=True):
        given = {one["label"]: one["score"] for one in said}
        assert given == pytest.approx(dict(zip(("circle", "cross", "square"), row, strict=True)), abs=1e-5)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_predictor_of_the_folder_decides_as_the_run_does(runs, home, task):
    files = sorted(map(str, (home / "photos").rglob("*.png")))
    for ours, said in zip(runs[task].predict(files), Predictor(folder_of(runs[task])).predict(files), strict=True):
        assert said.predicted == ours.predicted
        assert said.probabilities == pytest.approx(ours.probabilities, abs=1e-5)


def test_the_folder_holds_what_a_repository_needs_and_nothing_else(runs):
    needed = {
        "README.md",
        "config.json",
        "metrics.json",
        "model.safetensors",
        "preprocessor_config.json",
        "recipe.yaml",
    }
    assert set(contents_of(folder_of(runs["multiclass"]))) == needed
    assert set(contents_of(folder_of(runs["multilabel"]))) == needed | {"decision.json"}
    assert [path.name for path in (runs["multiclass"].path / "export").iterdir()] == ["hub"]


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_no_file_tells_where_it_was_made(runs, task):
    for name, content in contents_of(folder_of(runs[task])).items():
        for place in (OWNER, str(Path.home()) + "/", os.sep + "tmp" + os.sep):
            assert place.encode() not in content, f"{place} in {name}"


def test_the_uploaded_recipe_loads_and_names_the_keys_that_were_replaced(run):
    said = str(export(run.path, "hub"))
    text = (folder_of(run) / "recipe.yaml").read_text()
    assert text.splitlines()[0].endswith("data.root, model.checkpoint, run.root")
    assert "recipe.yaml: without what is private in data.root, model.checkpoint, run.root" in said
    recipe, public = run.recipe, load_recipe(folder_of(run) / "recipe.yaml")
    assert public.data.root == public.model.checkpoint == public.run.root == "replaced-path"
    for section in ("optim", "augment", "loss", "evaluate", "task"):
        assert getattr(public, section) == getattr(recipe, section)


def test_a_folder_that_says_something_else_is_refused_and_the_earlier_one_stays(run, monkeypatch):
    before = contents_of(folder_of(run))
    monkeypatch.setattr(hub_folder, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(CheckpointError, match=r"does not say what the run says on \d+ images \(the run's test\)"):
        export(run.path, "hub")
    assert contents_of(folder_of(run)) == before
    assert [path.name for path in (run.path / "export").iterdir()] == ["hub"]


def test_a_run_without_metrics_says_so_and_leaves_nothing(make_run):
    bare = make_run("vit", "multiclass")
    with pytest.raises(RunFolderError, match=r"this run has no metrics\.json"):
        export(bare.path, "hub")
    assert not (bare.path / "export").exists()


def test_addresses_lose_their_secrets_and_keep_what_can_be_fetched(run):
    text = (run.path / "recipe.yaml").read_text()
    address = "https://anna:key@example.org/photos.zip"
    (run.path / "recipe.yaml").write_text(text.replace("download: null", f"download: {{url: '{address}?sig=secret'}}"))
    export(run.path, "hub")
    assert load_recipe(folder_of(run) / "recipe.yaml").data.download.url == "https://example.org/photos.zip"


# ---------------------------------------------------------------- the card


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_the_cards_numbers_are_those_of_metrics_json(runs, task):
    metrics, card = runs[task].metrics, folder_of(runs[task]) / "README.md"
    name, results = model_index_to_eval_results(metadata_load(card)["model-index"])
    keys = {"f1": {"macro": "f1_macro", "micro": "f1_micro"}}
    assert name == "photos"
    assert {result.dataset_split for result in results} == {"validation", "test"}
    assert len(results) == 10
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+ \| [^|]+) \|$", card.read_text(), flags=re.MULTILINE))
    for result in results:
        key = keys["f1"][result.metric_args["average"]] if result.metric_type == "f1" else result.metric_type
        scored = metrics[result.dataset_split]
        assert result.metric_value == scored[key]
        ends = scored["intervals"][key]  # None where too many resamples lack a class
        title = result.metric_name.partition(" (")[0]
        shown = rows[title].split(" | ")[list(metrics).index(result.dataset_split)]
        between = f" ({fraction(ends[0])} to {fraction(ends[1])})" if ends else ""
        assert shown == f"{fraction(scored[key])}{between}"


@pytest.mark.parametrize(("task", "tag"), [("multiclass", "multi-class"), ("multilabel", "multi-label")])
def test_the_header_is_what_the_hubs_library_reads_and_writes(runs, task, tag):
    text = (folder_of(runs[task]) / "README.md").read_text()
    card = ModelCard(text)
    assert card.content == text
    assert (card.data.library_name, card.data.pipeline_tag) == ("transformers", "image-classification")
    assert {"vit", tag} <= set(card.data.tags)
    for left_out in ("license", "base_model", "datasets", "widget"):  # nothing of it is known, or was given
        assert card.data.get(left_out) is None


def test_thresholds_and_temperatures_stand_in_the_card_as_what_the_pipeline_ignores(runs):
    decision, text = runs["multilabel"].predictor.decision, (folder_of(runs["multilabel"]) / "README.md").read_text()
    assert "**transformers' pipeline\nignores that file**" in text
    for name, heat, start in zip(("circle", "cross", "square"), decision.temperature, decision.thresholds, strict=True):
        assert f"| {name} | {fraction(heat)} | {fraction(start)} |" in text
    assert 'function_to_apply="sigmoid"' in text


def test_names_cannot_become_markup(run):
    config = json.loads((run.folder.model / "config.json").read_text())
    names = {"0": "circle", "1": "<b>a|b</b>", "2": "*square*"}
    config |= {"id2label": names, "label2id": {name: int(key) for key, name in names.items()}}
    (run.folder.model / "config.json").write_text(json.dumps(config))
    export(run.path, "hub")
    text = (folder_of(run) / "README.md").read_text()
    assert "circle, &lt;b&gt;a\\|b&lt;/b&gt;, \\*square\\*" in text


VARIANTS = {
    "nothing held out": (
        {"data.split.validation": 0.0, "data.split.test": 0.0, "evaluate.every": "never"},
        "Nothing was measured: no image was held out.",
    ),
    "probe": (
        {"model.train": "probe", "optim.preset": "auto", "optim.batch_size": None, "optim.learning_rate": None}
        | {"optim.epochs": None},
        "a linear head that a solver fitted on features of the frozen model",
    ),
    "lora": ({"model.train": "lora"}, "LoRA adapters of rank 8 and the head, merged into the weights that are here"),
    "random": ({"model.weights": "random"}, "random weights (ViTForImageClassification)"),
    "fold": (
        {"data.split.test": 0.0, "data.split.folds": 4, "data.split.fold": 2},
        "The test split is fold 2 of 4, cut by file name and seed 42",
    ),
    "flip": ({"evaluate.flip": True}, "which transformers' pipeline does not take"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_sort_of_run_has_a_card(train, variant):
    overrides, sentence = VARIANTS[variant]
    run = train(**{"run.name": variant, "optim.epochs": 1, **overrides})
    export(run.path, "hub")
    assert sentence in (folder_of(run) / "README.md").read_text()


def test_limitations_follow_from_the_run(runs):
    text = (folder_of(runs["multiclass"]) / "README.md").read_text()
    assert "It was measured on few images: with 6 of them" in text
    assert "the best of 2 evaluations on the validation images themselves" in text
    assert "Fewer than 5 training images show circle, cross, square." in text
    assert "It gives every image one of its classes" in text


# ---------------------------------------------------------------- licence and examples


@pytest.mark.parametrize(
    ("checkpoint", "kind", "weights", "licence"),
    [
        ("facebook/deit-base-patch16-224", "hub", "pretrained", "apache-2.0"),
        ("facebook/deit-base-patch16-224", "hub", "random", None),
        ("bundled:deit-nano", "bundled", "pretrained", "apache-2.0"),
        ("someone/else", "hub", "pretrained", None),
    ],
)
def test_only_a_licence_that_is_known_is_passed_on(tmp_path, checkpoint, kind, weights, licence):
    source = {"checkpoint": checkpoint, "kind": kind, "weights": weights, "path": str(tmp_path)}
    assert base_licence(source) == licence


def test_the_card_beside_a_checkpoint_says_its_licence(tmp_path):
    source = {"checkpoint": "facebook/deit-x", "kind": "folder", "weights": "pretrained", "path": str(tmp_path)}
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# Base\n")
    assert base_licence(source) == "mit"
    (tmp_path / "README.md").write_text("---\nlicense: [\n---\n# Broken\n")
    assert base_licence(source) == "apache-2.0"


def test_a_licence_is_stated_as_the_user_names_it(run):
    assert "licence: none is stated" in str(export(run.path, "hub"))
    assert "licence: mit" in str(export(run.path, "hub", license="mit"))
    assert metadata_load(folder_of(run) / "README.md")["license"] == "mit"


def test_examples_are_bare_copies_and_the_card_has_what_the_model_says_of_them(run, tmp_path):
    turned = Image.Exif()
    turned[0x0112], turned[0x010E] = 6, OWNER
    pixels = np.random.default_rng(0).integers(0, 256, (60, 800, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"{OWNER}.jpg", exif=turned)
    export(run.path, "hub", examples=[tmp_path / f"{OWNER}.jpg"])
    (entry,) = metadata_load(folder_of(run) / "README.md")["widget"]
    copy = folder_of(run) / entry["src"]
    with Image.open(copy) as image:
        assert (image.size, dict(image.getexif())) == ((38, 512), {})
    assert OWNER.encode() not in b"".join(contents_of(folder_of(run)).values())
    (said,) = run.predict(copy)
    assert {row["label"]: row["score"] for row in entry["output"]} == pytest.approx(said.probabilities, abs=1e-4)


# ---------------------------------------------------------------- a card that was edited


def test_an_edited_card_and_files_beside_it_are_kept_until_overwrite(run):
    card, beside = folder_of(run) / "README.md", folder_of(run) / "pictures" / "shelf.png"
    assert not was_edited(card.read_text())
    card.write_text(card.read_text().replace("# photos", "# Our fridge"))
    beside.parent.mkdir()
    beside.write_bytes(b"picture")
    edited = card.read_text()
    said = str(export(run.path, "hub", repo="me/photos"))
    assert "README.md: was edited by hand and is kept; --overwrite writes it anew" in said
    assert (card.read_text(), beside.read_bytes()) == (edited, b"picture")
    card.write_text(f"{edited}\nAsk Anna.\n")
    said = str(export(run.path, "hub", repo="me/photos"))
    assert "README.md: was edited by hand and is kept; --overwrite writes it anew" in said
    assert card.read_text().endswith("Ask Anna.\n")
    said = str(export(run.path, "hub", repo="me/other"))
    assert "is kept, though the run or the options are others than it tells of" in said
    with pytest.raises(FinetuneError, match=r"--license and --examples would do nothing; .* --overwrite"):
        export(run.path, "hub", license="mit")
    export(run.path, "hub", license="mit", overwrite=True)
    assert not was_edited(card.read_text())
    assert beside.read_bytes() == b"picture"


def test_examples_leave_with_the_card_that_showed_them(run):
    image = next((Path(run.record["data"]["root"])).rglob("*.png"))
    export(run.path, "hub", examples=[image])
    assert (folder_of(run) / "examples" / "1.jpg").is_file()
    export(run.path, "hub")
    assert not (folder_of(run) / "examples").exists()


# ---------------------------------------------------------------- to a Hub


@pytest.fixture(scope="module")
def server():
    """The module of the small Hub."""
    file = Path(__file__).parents[1] / "model" / "hub_server.py"
    spec = importlib.util.spec_from_file_location("hub_server", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def to_hub(command, tmp_path):
    """``to_hub(endpoint, "--push", token=…)``: the real command line, with a home of its own."""

    def call(endpoint, *arguments, token=None, **environment):
        own = {
            **{name: value for name, value in os.environ.items() if name not in ("HF_TOKEN", "TRANSFORMERS_OFFLINE")},
            "HF_ENDPOINT": endpoint,
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(tmp_path / "hf"),
            "NO_PROXY": "127.0.0.1",
            **({"HF_TOKEN": token} if token else {}),
            **environment,
        }
        return command(*arguments, env=own)

    return call


@pytest.fixture
def at_hub(monkeypatch, tmp_path):
    """``at_hub(endpoint, token)``: huggingface_hub within this process, as those variables would have set it."""
    from huggingface_hub import constants

    def use(endpoint, token=None, disable_xet=True):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", disable_xet)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        if token:
            monkeypatch.setenv("HF_TOKEN", token)

    return use


PUSH = ("--to", "hub", "--repo", "me/photos", "--push")


def test_the_command_line_uploads_exactly_the_folder_to_a_private_repository(run, server, to_hub, tmp_path):
    private: set[str] = set()
    with server.hub(tmp_path / "hub", private) as (endpoint, seen):
        done = to_hub(endpoint, "export", str(run.path), *PUSH, token=server.WRITER, HF_HUB_DISABLE_XET="1")
    assert done.returncode == 0, done.stderr
    assert f"uploaded to {endpoint}/me/photos (private)" in done.stdout
    assert private == {"me/photos"}
    assert contents_of(tmp_path / "hub" / "me" / "photos") == contents_of(folder_of(run))
    assert any("/large/" in request for request in seen)


def test_the_command_line_says_that_a_token_is_wrong_and_uploads_nothing(run, server, to_hub, tmp_path):
    with server.hub(tmp_path / "hub") as (endpoint, _):
        done = to_hub(endpoint, "export", str(run.path), *PUSH, token="hf_wrong")
    assert done.returncode == 2, done.stderr
    assert "does not accept the token (401: Invalid credentials in Authorization header); make one" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "hub").exists()


def test_the_clients_pipeline_for_xet_uploads_the_same_files(run, server, at_hub, tmp_path):
    with server.hub(tmp_path / "hub", large_files=".none") as (endpoint, _):  # it has no such storage itself
        at_hub(endpoint, server.WRITER, disable_xet=False)
        pushed = export(run.path, "hub", repo="me/photos", push=True).pushed
    assert pushed.private
    assert contents_of(tmp_path / "hub" / "me" / "photos") == contents_of(folder_of(run))


def test_a_second_push_deletes_what_would_mislead_and_leaves_the_rest(run, server, at_hub, tmp_path):
    published = tmp_path / "hub" / "me" / "photos"
    (published / "examples").mkdir(parents=True)
    for name in ("decision.json", "examples/1.jpg", "onnx.bin"):
        (published / name).write_text("earlier")
    with server.hub(tmp_path / "hub", large_files=".none") as (endpoint, _):
        at_hub(endpoint, server.WRITER)
        pushed = export(run.path, "hub", repo="me/photos", push=True, public=True).pushed
    assert str(pushed) == f"{endpoint}/me/photos (public)"
    assert contents_of(published) == {**contents_of(folder_of(run)), "onnx.bin": b"earlier"}


def test_a_public_repository_needs_the_word(run, server, at_hub, tmp_path):
    (tmp_path / "hub" / "me" / "photos").mkdir(parents=True)
    with server.hub(tmp_path / "hub") as (endpoint, _):
        at_hub(endpoint, server.WRITER)
        with pytest.raises(FinetuneError, match="--repo me/photos: is a public repository; add --public"):
            export(run.path, "hub", repo="me/photos", push=True)
    assert contents_of(tmp_path / "hub") == {}


def test_what_was_pushed_is_a_checkpoint_like_any_other(run, server, to_hub, tmp_path, home):
    shutil.copytree(folder_of(run), tmp_path / "hub" / "me" / "photos")
    out = tmp_path / "measured"
    words = ("evaluate", "me/photos", "--data", str(home / "photos"), "--split", "all", "--out", str(out))
    with server.hub(tmp_path / "hub", {"me/photos"}) as (endpoint, _):
        done = to_hub(endpoint, *words, token=server.WRITER)
    assert done.returncode == 0, done.stderr
    expected = finetune.evaluate(run.path, home / "photos", split="all", out=tmp_path / "of_the_run").metrics
    measured = json.loads((out / "metrics.json").read_text())
    assert measured["all"]["loss"] == pytest.approx(expected["all"]["loss"], abs=1e-5)


def test_a_token_without_the_right_to_write_says_what_it_needs(run, server, at_hub, tmp_path):
    with server.hub(tmp_path / "hub") as (endpoint, _):
        at_hub(endpoint, server.READER)
        with pytest.raises(FinetuneError, match=r"may not write to me/photos \(403: .*\); it needs the right to write"):
            export(run.path, "hub", repo="me/photos", push=True)
    assert not (tmp_path / "hub").exists()


def test_a_licence_that_the_hub_does_not_know_is_told_as_it_says(run, server, at_hub, tmp_path):
    with server.hub(tmp_path / "hub") as (endpoint, _):
        at_hub(endpoint, server.WRITER)
        with pytest.raises(
            FinetuneError, match=r'does not accept README\.md: [^;]*"license" must be one of[^;]*; is --lic'
        ):
            export(run.path, "hub", repo="me/photos", push=True, license="none-of-them")
    assert contents_of(tmp_path / "hub") == {}


def test_without_a_token_or_a_network_the_message_says_what_to_do(run, at_hub):
    at_hub("http://127.0.0.1:9")
    with pytest.raises(FinetuneError, match=r"there is no token for the Hub; .* `hf auth login`, or set HF_TOKEN"):
        export(run.path, "hub", repo="me/photos", push=True)
    at_hub("http://127.0.0.1:9", "hf_writer")
    with pytest.raises(UnreachableError, match=r"--push: the Hub cannot be reached \(ConnectError.* the same command"):
        export(run.path, "hub", repo="me/photos", push=True)


def test_a_push_that_cannot_work_is_refused_before_anything_is_written(runs):
    path = runs["multiclass"].path
    with pytest.raises(FinetuneError, match="--push: needs the repository's name; add --repo OWNER/NAME"):
        export(path, "hub", push=True)
    with pytest.raises(UnreachableError, match=r"HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set.* unset it"):
        export(path, "hub", push=True, repo="me/photos")
    with pytest.raises(FinetuneError, match="--public: has a meaning for a push only"):
        export(path, "hub", public=True)


@pytest.mark.parametrize("name", ["photos", "me/my photos", "me/a--b", "me/.photos", "a/b/c", "me/" + 97 * "x"])
def test_a_wrong_name_is_refused_with_the_hubs_rule(runs, name):
    with pytest.raises(FinetuneError, match=rf"--repo {re.escape(name)}: expected OWNER/NAME"):
        export(runs["multiclass"].path, "hub", repo=name)
