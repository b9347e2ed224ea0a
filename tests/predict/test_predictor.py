"""A saved model and images of every kind to predictions; the same numbers as transformers' own pipeline."""

from __future__ import annotations

import os
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from finetune.errors import CheckpointError, DataError
from finetune.model.saved import LoadedModel, save_model
from finetune.predict import Predictor


@pytest.fixture
def photo(tmp_path, images):
    path = tmp_path / "photo.png"
    images[0].save(path)
    return path


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
def test_probabilities_are_those_of_transformers_pipeline_on_the_saved_folder(
    tmp_path, make_model, photo, problem_type
):
    from transformers import pipeline

    loaded = make_model(problem_type)
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    theirs = pipeline("image-classification", model=str(tmp_path / "model"), device="cpu")(str(photo), top_k=3)
    (ours,) = Predictor(tmp_path / "model").predict(photo)
    assert ours.probabilities == pytest.approx({row["label"]: row["score"] for row in theirs}, abs=1e-6)
    assert list(ours.probabilities) == [row["label"] for row in theirs]


@pytest.mark.skipif(not os.environ.get("DEIT_FINETUNE_PHOTOS"), reason="DEIT_FINETUNE_PHOTOS is not set")
def test_real_photographs_score_the_same_as_in_transformers_pipeline(tmp_path, make_model):
    from transformers import pipeline

    photos = sorted(Path(os.environ["DEIT_FINETUNE_PHOTOS"]).rglob("*.jpg"))
    loaded = make_model()
    save_model(loaded.model, loaded.pixels, tmp_path / "model")
    classify = pipeline("image-classification", model=str(tmp_path / "model"), device="cpu")
    theirs = [{row["label"]: row["score"] for row in rows} for rows in classify(list(map(str, photos)), top_k=3)]
    found = Predictor(tmp_path / "model").predict(photos)
    assert len(found) == 18
    for prediction, their in zip(found, theirs, strict=True):
        assert prediction.probabilities == pytest.approx(their, abs=1e-5)


def test_every_form_of_an_image_gives_the_same_prediction(loaded, photo):
    predictor = Predictor(loaded)
    image = Image.open(photo)
    array = np.asarray(image)
    forms = [photo, str(photo), photo.read_bytes(), bytearray(photo.read_bytes()), image, array]
    expected = predictor.predict([photo])[0].probabilities
    for form in forms:
        (found,) = predictor.predict(form)
        assert found.probabilities == expected
    # Several at once make another pass; its rows are the same images all the same.
    for found in [*predictor.predict(forms), *predictor.predict(np.stack([array, array]))]:
        assert found.probabilities == pytest.approx(expected, abs=1e-6)


def test_a_path_is_kept_with_its_prediction_and_pixels_have_none(loaded, photo, images):
    found = Predictor(loaded).predict([photo, str(photo), Image.open(photo), images[0], photo.read_bytes()])
    assert [prediction.path for prediction in found] == [str(photo)] * 3 + [None] * 2


def test_a_split_of_a_data_set_is_predicted_row_by_row(loaded, photo):
    rows = {"image": [str(photo), {"bytes": photo.read_bytes(), "path": "x.png"}], "path": [str(photo), "hub/1"]}
    encoded = datasets.Dataset.from_dict(rows, features=_features(decode=False))
    decoded = datasets.Dataset.from_dict({"image": rows["image"]}, features=datasets.Features(image=datasets.Image()))
    predictor = Predictor(loaded)
    expected = predictor.predict([photo])[0].probabilities
    found = predictor.predict(encoded)
    assert [prediction.path for prediction in found] == [str(photo), "hub/1"]
    for prediction in [*found, *predictor.predict(decoded)]:
        assert prediction.probabilities == pytest.approx(expected, abs=1e-6)


def _features(decode: bool) -> datasets.Features:
    return datasets.Features(image=datasets.Image(decode=decode), path=datasets.Value("string"))


def test_no_images_give_no_predictions(loaded):
    assert Predictor(loaded).predict([]) == []


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
def test_arrays_may_be_grey_or_have_transparency(loaded, shape):
    assert len(Predictor(loaded).predict(np.full(shape, 9, dtype=np.uint8))) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda photo: [photo, photo.with_name("no.jpg")], r"no\.jpg: missing"),
        (lambda photo: [photo, b"GIF89a"], r"image 2 of 2: "),
        (lambda photo: photo.parent, r"is a folder; pass its files"),
        (lambda photo: np.zeros((4, 4, 3), dtype=np.float32), r"type float32 is no image; expected uint8"),
        (lambda photo: np.zeros((3, 4, 5), dtype=np.uint8), r"shape \(3, 4, 5\)"),
        (lambda photo: [photo, None], r"image 2 of 2: an image is given as NoneType; expected a path, a Pillow"),
        (lambda photo: 7, r"images are given as int; expected a path"),
        (lambda photo: {"train": [photo], "test": []}, r"several splits are given \(train, test\); name one"),
        (lambda photo: datasets.Dataset.from_dict({"img": ["a"]}), r"no column 'image'; it has img"),
    ],
)
def test_what_is_no_image_is_named(loaded, photo, given, message):
    with pytest.raises(DataError, match=message):
        Predictor(loaded).predict(given(photo))


def test_a_multilabel_prediction_obeys_the_threshold(make_model, photo):
    loaded = make_model("multi_label_classification")
    everything = Predictor(loaded, threshold=0.0).predict(photo)[0]
    nothing = Predictor(loaded, threshold=1.0).predict(photo)[0]
    assert everything.predicted == ["can", "carton", "milk_bottle"]
    assert nothing.predicted == []
    assert nothing.probabilities == everything.probabilities


def test_a_model_that_does_not_say_its_task_is_refused(make_model):
    loaded = make_model("regression")
    with pytest.raises(CheckpointError, match=r"problem_type regression; expected single_label"):
        Predictor(loaded)


def test_the_same_unread_image_twice_is_read_once_at_a_time(loaded, photo):
    image = Image.open(photo)
    found = Predictor(LoadedModel(loaded.model, loaded.pixels)).predict([image] * 8)
    assert len({tuple(prediction.probabilities.values()) for prediction in found}) == 1


def test_a_predictor_flips_as_it_was_told_unless_the_call_says_otherwise(loaded, photo):
    plain, flips = Predictor(loaded), Predictor(loaded, flip=True)
    without, with_ = plain.predict(photo), flips.predict(photo)
    assert with_ != without
    assert plain.predict(photo, flip=True) == with_
    assert flips.predict(photo, flip=False) == without
