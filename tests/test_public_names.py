"""What ``import finetune`` offers: these names, each found where it lives, and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest

import finetune

PUBLIC = {
    "FinetuneError",
    "Folds",
    "LabelSpace",
    "Prediction",
    "Predictor",
    "Recipe",
    "Run",
    "compare",
    "crossval",
    "errors",
    "evaluate",
    "finetune",
    "load_data",
    "load_recipe",
    "open_run",
}


def test_the_public_names_are_these():
    assert set(finetune.__all__) == PUBLIC
    assert len(finetune.__all__) == len(PUBLIC)
    assert set(dir(finetune)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there_and_says_what_it_is(name):
    assert getattr(finetune, name).__doc__


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'finetune' has no attribute 'fine_tune'"):
        _ = finetune.fine_tune


def test_importing_the_package_loads_none_of_its_modules():
    program = "import sys, finetune; print(*[name for name in sys.modules if name.startswith('finetune.')])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []
