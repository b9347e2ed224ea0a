"""Another input size: position embeddings are resampled, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from finetune.errors import CheckpointError
from finetune.model import open_saved, save_model
from finetune.model.input_size import resample_positions


@pytest.mark.parametrize(
    ("family", "table", "extra"), [("vit", "vit", 1), ("deit", "deit", 2), ("distilled", "deit", 2)]
)
def test_patches_are_resampled_and_tokens_keep_their_positions(build, checkpoint, load, family, table, extra):
    name = f"{table}.embeddings.position_embeddings"
    before = build(family).state_dict()
    loaded = load(checkpoint(family), image_size_px=48)
    after = loaded.model.state_dict()
    assert after[name].shape == (1, 36 + extra, 32)
    assert torch.equal(after[name][:, :extra], before[name][:, :extra])
    same = set(after) - {name} - set(loaded.source["head"]["parameters"])
    assert all(torch.equal(after[other], before[other]) for other in same)


def test_resampling_is_what_the_model_itself_would_interpolate(build, checkpoint, load):
    model = build("vit")
    pixels = torch.randn(1, 3, 48, 48)
    resized = load(checkpoint("vit"), tuple(model.config.id2label.values()), head="keep", image_size_px=48).model
    with torch.no_grad():
        assert torch.equal(resized(pixels).logits, model(pixels, interpolate_pos_encoding=True).logits)


def test_a_smooth_table_keeps_its_shape():
    ramp = torch.linspace(0, 1, 8).repeat(8, 1)  # grows from left to right
    table = torch.cat([torch.tensor([9.0]), ramp.flatten()]).view(1, 65, 1)
    bigger = resample_positions(table, extra=1, grid=16)[0, :, 0]
    assert bigger[0] == 9.0
    rows = bigger[1:].view(16, 16)
    assert torch.allclose(rows, rows[0].expand(16, 16), atol=1e-6)
    assert (rows[0].diff() > 0).all()
    assert rows[0].mean().item() == pytest.approx(0.5, abs=1e-4)


def test_the_resized_model_is_saved_and_opened_unchanged(checkpoint, load, image, tmp_path):
    loaded = load(checkpoint("distilled"), image_size_px=48)
    save_model(loaded.model, loaded.pixels, tmp_path / "m")
    opened = open_saved(tmp_path / "m")
    assert opened.model.config.image_size == 48
    assert opened.pixels == loaded.pixels
    batch = opened.pixels.normalise(torch.from_numpy(opened.pixels.to_uint8(image)[None]))
    with torch.no_grad():
        assert torch.equal(opened.model(batch).logits, loaded.model(batch).logits)


def test_resize_and_crop_follow_the_size_with_the_same_share_cropped_away(checkpoint, load):
    loaded = load(checkpoint("vit"), image_size_px=64)  # the checkpoint: 36 px, of which 32 are cut out
    assert (loaded.pixels.resize_px, loaded.pixels.crop_px) == (72, 64)
    assert (loaded.source["image_size_px"], loaded.source["checkpoint_image_size_px"]) == (64, 32)


def test_the_checkpoints_own_size_changes_nothing(build, checkpoint, load):
    before = build("vit").state_dict()
    after = load(checkpoint("vit"), image_size_px=32).model.state_dict()
    assert torch.equal(after["vit.embeddings.position_embeddings"], before["vit.embeddings.position_embeddings"])


def test_a_size_that_is_no_multiple_of_the_patch_says_which_are(checkpoint, load):
    with pytest.raises(
        CheckpointError, match=r"image_size_px: 50 is no multiple of the checkpoint's patch of 8 px; use 48"
    ):
        load(checkpoint("vit"), image_size_px=50)
    with pytest.raises(CheckpointError, match=r"image_size_px: 5 is no multiple .*; use 8$"):
        load(checkpoint("vit"), image_size_px=5)


@pytest.mark.parametrize("family", ["swin", "convnext", "resnet", "dinov2", "pvt"])
def test_other_families_take_another_size_too(checkpoint, load, family):
    loaded = load(checkpoint(family), image_size_px=64)
    with torch.no_grad():
        logits = loaded.model(pixel_values=torch.randn(1, 3, 64, 64)).logits
    assert np.isfinite(logits.numpy()).all()
    assert loaded.pixels.size_px == 64


def test_weights_that_depend_on_the_size_in_another_way_are_refused(checkpoint, load):
    words = r"relative_position_bias_table of BeitForImageClassification depends on the image size, \(52, 2\) against"
    with pytest.raises(CheckpointError, match=words):
        load(checkpoint("beit"), image_size_px=64)


def test_preprocessing_of_another_size_than_the_models_is_refused(checkpoint, load):
    words = r"preprocessing gives images of 224 px, but the checkpoint takes 32 px; set model\.image_size_px: 224"
    with pytest.raises(CheckpointError, match=words):
        load(checkpoint("vit"), preprocessing={"resize_px": 256})
    assert load(checkpoint("vit"), preprocessing={"resize_px": 256}, image_size_px=224).model.config.image_size == 224


@pytest.mark.parametrize("family", ["vit", "deit", "distilled"])
def test_the_saved_model_of_another_size_gives_a_pipeline_the_same_probabilities(
    build, checkpoint, load, image, tmp_path, family
):
    from transformers import pipeline

    names = tuple(build(family).config.id2label.values())
    loaded = load(checkpoint(family), names, head="keep", image_size_px=48)
    save_model(loaded.model, loaded.pixels, tmp_path / "m")
    classify = pipeline("image-classification", model=str(tmp_path / "m"), device="cpu")
    found = {answer["label"]: answer["score"] for answer in classify(image, top_k=len(names))}
    with torch.no_grad():
        batch = loaded.pixels.normalise(torch.from_numpy(loaded.pixels.to_uint8(image)[None]))
        expected = loaded.model(batch).logits.softmax(-1)[0]
    assert classify.model.config.image_size == 48
    assert [found[name] for name in names] == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.mark.parametrize("family", ["vit", "deit", "distilled"])
def test_weights_of_another_size_come_back_from_disk_to_the_last_bit(checkpoint, load, tmp_path, family):
    loaded = load(checkpoint(family), image_size_px=48)
    save_model(loaded.model, loaded.pixels, tmp_path / "m")
    opened = open_saved(tmp_path / "m").model.state_dict()
    assert opened.keys() == loaded.model.state_dict().keys()
    assert all(torch.equal(tensor, opened[name]) for name, tensor in loaded.model.state_dict().items())


def test_a_distilled_model_of_another_size_answers_as_it_would_by_interpolating(build, checkpoint, load):
    model, pixels = build("distilled"), torch.randn(1, 3, 48, 48)
    resized = load(checkpoint("distilled"), tuple(model.config.id2label.values()), head="keep", image_size_px=48).model
    with torch.no_grad():
        expected = model(pixels, interpolate_pos_encoding=True)
        found = resized(pixels)
    assert torch.equal(found.cls_logits, expected.cls_logits)
    assert torch.equal(found.distillation_logits, expected.distillation_logits)
