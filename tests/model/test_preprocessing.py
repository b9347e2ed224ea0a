"""Which preprocessing a checkpoint gets, above all the one known fault and its edges."""

from __future__ import annotations

import json
import shutil

import pytest

from finetune.errors import CheckpointError
from finetune.model.preprocessing import CARD, DEIT
from finetune.pixels import PixelPipeline

HALF = (0.5, 0.5, 0.5)
# The Hub's file of facebook/deit-{tiny,small,base}-patch16-224, key by key.
FAULTY = {"do_normalize": True, "do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": 224}
AS_THE_FILE_SAYS = PixelPipeline("squash", 224, None, "bilinear", HALF, HALF)
# … and of the distilled ones.
DISTILLED = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "DeiTFeatureExtractor",
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "size": 256,
}


@pytest.fixture
def published(checkpoint):
    """A folder with a tiny model of 224 px and the preprocessor file that the Hub has."""

    def make(family="vit", image_size=224, file=FAULTY):
        folder = checkpoint(family, image_size=image_size, patch_size=image_size // 4)
        (folder / "preprocessor_config.json").write_text(json.dumps(file))
        return folder

    return make


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_auto_corrects_the_hubs_faulty_file_and_says_so(published, in_hub_cache, load, size):
    name = f"facebook/deit-{size}-patch16-224"
    in_hub_cache(name, published())
    loaded = load(name)
    assert loaded.pixels == DEIT == PixelPipeline("shortest_edge", 256, 224, "bicubic", DEIT.mean, DEIT.std)
    assert loaded.pixels.mean == (0.485, 0.456, 0.406)
    assert loaded.pixels.std == (0.229, 0.224, 0.225)
    note = loaded.source["preprocessing_note"]
    assert note.startswith(f"preprocessing corrected: the file of {name} says squashed to 224 px")
    assert "shorter side to 256 px (bicubic), centre crop 224 px, mean [0.485, 0.456, 0.406]" in note


def test_checkpoint_takes_the_faulty_file_as_it_is(published, in_hub_cache, load):
    in_hub_cache("facebook/deit-tiny-patch16-224", published())
    loaded = load("facebook/deit-tiny-patch16-224", preprocessing="checkpoint")
    assert loaded.pixels == AS_THE_FILE_SAYS
    assert loaded.source["preprocessing_note"] is None


def test_auto_leaves_a_file_alone_that_is_not_exactly_the_faulty_one(published, in_hub_cache, load):
    in_hub_cache("facebook/deit-tiny-patch16-224", published(file={**FAULTY, "image_mean": [0.4, 0.5, 0.5]}))
    loaded = load("facebook/deit-tiny-patch16-224")
    assert loaded.pixels.mean == (0.4, 0.5, 0.5)
    assert loaded.source["preprocessing_note"] is None


def test_auto_leaves_checkpoints_of_other_names_alone(published, in_hub_cache, load):
    in_hub_cache("someone/deit-tiny-patch16-224", published())
    assert load("someone/deit-tiny-patch16-224").pixels == AS_THE_FILE_SAYS


def test_auto_leaves_a_local_folder_of_that_name_alone(published, load, tmp_path, monkeypatch):
    folder = published()
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, tmp_path / "facebook" / "deit-tiny-patch16-224")
    loaded = load("facebook/deit-tiny-patch16-224")
    assert loaded.source["kind"] == "folder"
    assert loaded.pixels == AS_THE_FILE_SAYS


def test_auto_takes_the_distilled_file_as_it_is(published, in_hub_cache, load):
    in_hub_cache("facebook/deit-tiny-distilled-patch16-224", published("distilled", file=DISTILLED))
    loaded = load("facebook/deit-tiny-distilled-patch16-224")
    assert loaded.pixels == PixelPipeline("squash", 256, 224, "bicubic", DEIT.mean, DEIT.std)
    assert loaded.source["preprocessing_note"] is None


def test_auto_says_but_does_not_mend_the_same_fault_at_384_px(published, in_hub_cache, load):
    in_hub_cache("facebook/deit-base-patch16-384", published(image_size=384, file={**FAULTY, "size": 384}))
    loaded = load("facebook/deit-base-patch16-384")
    assert loaded.pixels == PixelPipeline("squash", 384, None, "bilinear", HALF, HALF)
    assert "evaluated with shorter side to 438 px (bicubic), centre crop 384 px" in loaded.source["preprocessing_note"]


def test_the_correction_follows_another_input_size(published, in_hub_cache, load):
    in_hub_cache("facebook/deit-tiny-patch16-224", published())
    loaded = load("facebook/deit-tiny-patch16-224", image_size_px=448)
    assert (loaded.pixels.resize, loaded.pixels.resize_px, loaded.pixels.crop_px) == ("shortest_edge", 512, 448)


def test_card_is_the_model_cards_at_the_models_size(published, checkpoint, load):
    assert load(published(), preprocessing="card").pixels == CARD
    assert PixelPipeline("squash", 256, 224, "bicubic", HALF, HALF) == CARD
    loaded = load(checkpoint("vit"), preprocessing="card")
    assert (loaded.pixels.resize_px, loaded.pixels.crop_px) == (36, 32)
    assert loaded.source["preprocessing_note"].startswith("the model card's preprocessing is used: squashed to 36 px")


def test_what_is_spelled_out_is_used_to_the_letter(checkpoint, load):
    spelled = {
        "resize": "shortest_edge",
        "resize_px": 40,
        "crop_px": 32,
        "interpolation": "lanczos",
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
    }
    expected = PixelPipeline("shortest_edge", 40, 32, "lanczos", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert load(checkpoint("vit"), preprocessing=spelled).pixels == expected


def test_what_is_spelled_out_needs_no_preprocessor_file(checkpoint, load):
    folder = checkpoint("vit")
    (folder / "preprocessor_config.json").unlink()
    assert load(folder, preprocessing="card").pixels.size_px == 32
    assert load(folder, preprocessing={"resize_px": 36, "crop_px": 32}).pixels.resize_px == 36
    with pytest.raises(CheckpointError, match=r"has no preprocessor_config\.json"):
        load(folder)


def test_old_and_new_spellings_of_the_hubs_files_are_read(published, load):
    old = {**FAULTY, "feature_extractor_type": "ViTFeatureExtractor", "resample": 2}
    new = {**FAULTY, "image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}, "resample": 2}
    assert load(published(file=old)).pixels == load(published(file=new)).pixels == AS_THE_FILE_SAYS
