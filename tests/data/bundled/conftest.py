"""The drawn sets, drawn once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.data.bundled.fridge.sets import write_fridge_objects, write_multilabel_fridge_objects


@pytest.fixture(scope="session")
def fridge_objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fridge_objects")
    write_fridge_objects(folder)
    return folder


@pytest.fixture(scope="session")
def multilabel_fridge_objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("multilabel_fridge_objects")
    write_multilabel_fridge_objects(folder)
    return folder
