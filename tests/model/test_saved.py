"""A saved model against transformers' own pipeline, which knows nothing of this project."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from finetune.errors import CheckpointError
from finetune.model import choose_task, open_saved, save_model, set_attention
from finetune.model.loading import quiet_transformers

FAMILIES = ["vit", "deit", "distilled", "swin", "beit", "convnext", "resnet", "dinov2", "pvt"]


def probabilities(loaded, task, image):
    batch = loaded.pixels.normalise(torch.from_numpy(loaded.pixels.to_uint8(image)[None]))
    with torch.no_grad():
        scores = task.probabilities(loaded.model(pixel_values=batch).logits.numpy())[0]
    return pytest.approx(dict(zip(loaded.labels.names, scores, strict=True)), abs=1e-6)


def by_pipeline(folder, image):
    from transformers import pipeline

    with quiet_transformers():
        scores = pipeline("image-classification", model=str(folder))(image, top_k=2000)
    return {score["label"]: score["score"] for score in scores}


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_pipeline_loads_the_folder_as_it_is_and_says_the_same(
    checkpoint, load, recipe, image, family, task, tmp_path
):
    loaded = load(checkpoint(family), ("can", "carton", "cup"), task=task)
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    ours = probabilities(loaded, choose_task(recipe("x", task=task)), image)
    assert by_pipeline(tmp_path / "model", image) == ours


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("classes", [1, 2, 1000])
def test_the_pipeline_agrees_for_every_class_count(checkpoint, load, recipe, image, classes, task, tmp_path):
    loaded = load(checkpoint("distilled"), classes, task=task)
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    ours = probabilities(loaded, choose_task(recipe("x", task=task)), image)
    theirs = by_pipeline(tmp_path / "model", image)
    assert theirs == ours


@pytest.mark.parametrize("size", [(499, 666), (666, 499), (20, 9), (300, 300)])
@pytest.mark.parametrize(
    "preprocessing", ["card", {"resize_px": 40, "crop_px": 32}, {"resize": "squash", "resize_px": 32, "crop_px": None}]
)
def test_the_pipeline_agrees_for_every_shape_and_preprocessing(checkpoint, load, recipe, size, preprocessing, tmp_path):
    torch.manual_seed(0)
    image = Image.fromarray((torch.rand(size[1], size[0], 3) * 255).byte().numpy())
    loaded = load(checkpoint("vit"), preprocessing=preprocessing)
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    ours = probabilities(loaded, choose_task(recipe("x")), image)
    assert by_pipeline(tmp_path / "model", image) == ours


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_and_pixels_make_the_round_trip_to_the_last_bit(checkpoint, load, family, tmp_path):
    loaded = load(checkpoint(family))
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    opened = open_saved(tmp_path / "model")
    before, after = loaded.model.state_dict(), opened.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (opened.pixels, opened.labels) == (loaded.pixels, loaded.labels)
    assert not opened.model.training


def test_the_folder_holds_safetensors_config_and_processor_and_no_pickle(checkpoint, load, tmp_path, capfd):
    loaded = load(checkpoint("vit"))
    capfd.readouterr()
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    assert capfd.readouterr() == ("", "")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"config.json", "model.safetensors", "preprocessor_config.json"}


def test_the_file_keeps_the_names_that_older_releases_and_other_tools_know(checkpoint, load, tmp_path):
    loaded = load(checkpoint("vit"))
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    assert "vit.encoder.layer.0.attention.attention.query.weight" in load_file(tmp_path / "model" / "model.safetensors")


def test_saving_again_gives_the_same_files(checkpoint, load, tmp_path):
    loaded = load(checkpoint("vit"))
    for name in ("first", "second"):
        save_model(loaded.model, loaded.pixels, tmp_path / name)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_a_folder_whose_head_does_not_fit_its_config_is_not_opened(checkpoint, load, tmp_path):
    loaded = load(checkpoint("vit"), 3)
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    loaded.model.config.id2label = {0: "a", 1: "b"}
    loaded.model.config.save_pretrained(tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"classifier\.bias is missing or of another shape .* save it again"):
        open_saved(tmp_path / "model")


def test_the_attention_is_chosen_when_opening(checkpoint):
    folder = checkpoint("vit")
    assert open_saved(folder).model.config._attn_implementation == "sdpa"
    opened = open_saved(folder, attention="eager").model
    assert opened.config._attn_implementation == "eager"
    set_attention(opened, "sdpa")
    assert opened.config._attn_implementation == "sdpa"
