"""Strict loading: every damaged or unsuitable checkpoint by the words it is refused with."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, ViTConfig, ViTModel

from finetune.errors import CheckpointError
from finetune.model.loading import load_strictly, read_preprocessing

WEIGHTS = "model.safetensors"


def edit_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_a_good_checkpoint_is_loaded_in_float32_and_evaluation_mode(checkpoint, build):
    model, not_filled = load_strictly(checkpoint("vit"))
    assert not_filled == set()
    assert not model.training
    expected = build("vit").state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_half_precision_weights_become_float32(build, tmp_path):
    build("vit").half().save_pretrained(tmp_path)
    model, _ = load_strictly(tmp_path)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_distilled_checkpoint_keeps_both_heads(checkpoint):
    model, not_filled = load_strictly(checkpoint("distilled"))
    assert type(model).__name__ == "DeiTForImageClassificationWithTeacher"
    assert not_filled == set()


def test_another_size_names_the_first_tensor_and_both_shapes(checkpoint):
    folder = checkpoint("vit")
    edit_config(folder, intermediate_size=64)
    words = (
        r"only classifier\.bias, classifier\.weight may be new, but 6 other tensors differ .* first "
        r"vit\.layers\.0\.mlp\.fc1\.bias \(48,\) against \(64,\); is it another model or size\?"
    )
    with pytest.raises(CheckpointError, match=words):
        load_strictly(folder)


def test_a_resized_position_table_is_never_drawn_anew_in_silence(checkpoint):
    folder = checkpoint("vit")
    edit_config(folder, image_size=64)
    with pytest.raises(
        CheckpointError, match=r"first vit\.embeddings\.position_embeddings \(1, 17, 32\) against \(1, 65"
    ):
        load_strictly(folder)


def test_missing_and_surplus_tensors_are_named(checkpoint):
    folder = checkpoint("vit")
    edit_config(folder, num_hidden_layers=3)
    with pytest.raises(CheckpointError, match=r"16 other tensors differ .* first vit\.layers\.2\..*, which it lacks"):
        load_strictly(folder)
    edit_config(folder, num_hidden_layers=1)
    with pytest.raises(CheckpointError, match=r"first vit\.layers\.1\..*, for which the model has no place"):
        load_strictly(folder)


def test_one_missing_tensor_is_enough(checkpoint):
    folder = checkpoint("vit")
    tensors = load_file(folder / WEIGHTS)
    del tensors["vit.embeddings.cls_token"]
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"1 other tensor differs .* vit\.embeddings\.cls_token, which it lacks"):
        load_strictly(folder)


def test_a_backbone_alone_lacks_its_head_and_says_so(tmp_path):
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    ViTModel(ViTConfig(**small, image_size=32), add_pooling_layer=False).save_pretrained(tmp_path)
    assert load_strictly(tmp_path)[1] == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("length", [5, 2000, -100])
def test_a_truncated_safetensors_file_is_named(checkpoint, length):
    folder = checkpoint("vit")
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:length])
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors is damaged or incomplete, copy or download it again"
    ):
        load_strictly(folder)


def test_a_git_lfs_pointer_is_recognised(checkpoint):
    folder = checkpoint("vit")
    (folder / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(CheckpointError, match="only a pointer, run `git lfs pull`"):
        load_strictly(folder)


def test_a_checkpoint_without_weights_is_named(checkpoint):
    folder = checkpoint("vit")
    (folder / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=r"it has no weights \(expected model\.safetensors"):
        load_strictly(folder)


def test_a_bin_file_of_tensors_is_loaded(checkpoint, build):
    folder = checkpoint("vit")
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    assert torch.equal(load_strictly(folder)[0].classifier.weight, build("vit").classifier.weight)


class _Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_bin_file_that_would_run_code_is_refused_and_runs_nothing(checkpoint, tmp_path):
    folder = checkpoint("vit")
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": _Runs(tmp_path / "ran")}, protocol=2))
    with pytest.raises(CheckpointError, match="a pickle that would run code, which is refused"):
        load_strictly(folder)
    assert not (tmp_path / "ran").exists()


def test_another_kind_of_model_is_no_image_classifier(tmp_path):
    small = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
        "vocab_size": 9,
    }
    BertModel(BertConfig(**small)).save_pretrained(tmp_path)
    with pytest.raises(
        CheckpointError, match=r"of type 'bert', which transformers does not know as an image classifier"
    ):
        load_strictly(tmp_path)


def test_code_that_comes_with_a_checkpoint_is_not_run(checkpoint):
    folder = checkpoint("vit")
    edit_config(folder, model_type="mine", auto_map={"AutoModelForImageClassification": "mine.Mine"})
    (folder / "mine.py").write_text("raise SystemExit('ran')")
    with pytest.raises(CheckpointError, match="code that comes with a checkpoint is never run"):
        load_strictly(folder)


def test_greyscale_checkpoints_are_refused(checkpoint):
    with pytest.raises(CheckpointError, match="takes images of 1 channels; here images have 3"):
        load_strictly(checkpoint("vit", num_channels=1))


def test_a_folder_without_a_config_says_what_is_expected(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no config\.json; expected a folder that save_pretrained wrote"):
        load_strictly(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="belongs to an adapter, which is no model by itself"):
        load_strictly(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"hidden_size": 3}'])
def test_a_config_that_is_none_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json is no config of a transformers model"):
        load_strictly(tmp_path)


def test_a_missing_preprocessor_file_says_what_to_do(checkpoint):
    folder = checkpoint("vit")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no preprocessor_config\.json.*spell out model\.preprocessing: \{"):
        read_preprocessing(folder)


def test_a_damaged_preprocessor_file_is_named(checkpoint):
    folder = checkpoint("vit")
    (folder / "preprocessor_config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"cannot be loaded: .*preprocessor_config\.json"):
        read_preprocessing(folder)


def test_loading_prints_nothing(checkpoint, capfd):
    folder = checkpoint("vit")
    shutil.copytree(folder, copy := folder.with_name("copy"))
    capfd.readouterr()
    load_strictly(copy)
    read_preprocessing(copy)
    assert capfd.readouterr() == ("", "")
