import io
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import datasets
import numpy as np
import pytest
from PIL import Image

import finetune.data.decoded as decoded
from finetune.data.decoded import DecodedImages
from finetune.data.images import ImageError


def dataset_of(paths) -> datasets.Dataset:
    rows = {"image": [{"bytes": None, "path": str(path)} for path in paths], "label": list(range(len(paths)))}
    features = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.Value("int64")})
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.fixture
def decodes(monkeypatch):
    """A list that grows with every decoded image."""
    made = []
    real = decoded.decode
    monkeypatch.setattr(decoded, "decode", lambda source: made.append(source["path"]) or real(source))
    return made


@pytest.fixture
def paths(tmp_path, draw):
    """Eight images of 512 × 256 px: half a MiB each when decoded."""
    return [draw(tmp_path / f"{n}.png", n, (512, 256)) for n in range(8)]


def test_every_image_is_decoded_once_if_all_fit(paths, decodes):
    images = DecodedImages(dataset_of(paths), keep_mb=4)
    assert images.all_kept
    assert len(images) == 8
    for _ in range(3):
        for index, path in enumerate(paths):
            assert np.array_equal(np.asarray(images[index]), np.asarray(Image.open(path)))
    assert len(decodes) == 8


def test_no_more_than_the_budget_is_kept(paths, decodes):
    images = DecodedImages(dataset_of(paths), keep_mb=2)
    assert not images.all_kept
    for _ in range(2):
        for index in range(8):
            assert images[index].size == (512, 256)
    assert len(decodes) == 8 + 4


def test_nothing_is_kept_without_a_budget(paths, decodes):
    images = DecodedImages(dataset_of(paths[:1]), keep_mb=0)
    assert not images.all_kept
    assert images[0] is not images[0]


def test_auto_takes_a_quarter_of_the_free_memory_shared_by_the_processes(paths, monkeypatch):
    monkeypatch.setattr(decoded, "free_memory_bytes", lambda: 16 * 2**20)
    assert DecodedImages(dataset_of(paths)).all_kept
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert not DecodedImages(dataset_of(paths)).all_kept


def test_whether_all_fit_is_asked_no_further_than_needed(paths, monkeypatch):
    asked = []
    real = decoded.pixel_count
    monkeypatch.setattr(decoded, "pixel_count", lambda source: asked.append(1) or real(source))
    assert not DecodedImages(dataset_of(paths), keep_mb=1).all_kept
    assert len(asked) == 3


def test_threads_may_ask_at_once(paths):
    images = DecodedImages(dataset_of(paths), keep_mb=4)
    barrier = threading.Barrier(8)

    def ask(start):
        barrier.wait()
        return [images[(start + step) % 8].tobytes() for step in range(16)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    expected = [Image.open(path).tobytes() for path in paths]
    assert all(answers[start][step] == expected[(start + step) % 8] for start in range(8) for step in range(16))


def test_a_copy_for_a_loader_process_works_and_keeps_nothing(paths, decodes):
    images = DecodedImages(dataset_of(paths), keep_mb=4)
    images[0]
    copy = pickle.loads(pickle.dumps(images))
    assert copy.all_kept
    assert copy[0].tobytes() == copy[0].tobytes() == images[0].tobytes()
    assert len(decodes) == 3


def test_a_forked_process_has_what_was_kept_before_and_keeps_nothing_more(paths, decodes, monkeypatch):
    images = DecodedImages(dataset_of(paths), keep_mb=4)
    images[0]
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert images[0] is images[0]
    assert images[1] is not images[1]


def test_images_within_the_dataset_are_decoded_too():
    file = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(file, "PNG")
    table = datasets.Dataset.from_dict(
        {"image": [{"bytes": file.getvalue(), "path": None}]},
        features=datasets.Features({"image": datasets.Image(decode=False)}),
    )
    assert DecodedImages(table, 1)[0].getpixel((0, 0)) == (255, 0, 0)


def test_an_image_that_went_bad_meanwhile_is_named(paths):
    images = DecodedImages(dataset_of(paths), keep_mb=0)
    paths[2].write_text("gone")
    with pytest.raises(ImageError, match=r"2.png: not an image \(it begins with b'gone'\)"):
        images[2]
