"""A verb's options from YAML."""

from __future__ import annotations

import pytest

from finetune.errors import RecipeError
from finetune.recipe import Section
from finetune.recipe.options import load_options
from finetune.recipe.sections.section import Count, Text


class Pour(Section):
    glass: Text
    fill: float = 0.5
    times: Count | None = None


@pytest.fixture
def file(tmp_path):
    return tmp_path / "pour.yaml"


def test_the_file_is_read_and_an_override_wins(file):
    file.write_text("glass: tall\nfill: 5e-1\ntimes: 2\n")
    assert load_options(Pour, file, {"times": 3}) == Pour(glass="tall", fill=0.5, times=3)


def test_all_faults_are_said_at_once_in_the_order_of_the_file(file):
    file.write_text("fil: 1\ntimes: 0\nfill: full\n")
    with pytest.raises(RecipeError) as caught:
        load_options(Pour, file)
    assert caught.value.faults == [
        "fil: unknown key; did you mean fill? (line 1)",
        "times: found 0, expected a whole number of at least 1, or null (line 2)",
        "fill: found 'full', expected a number (line 3)",
        "glass: missing; expected text that is not empty",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the file is empty; it needs at least glass \(keys: glass, fill, times\)"),
        ("- tall\n", "found a list at the top, expected the keys glass, fill, times"),
        ("glass: a\nglass: b\n", "glass: this key is written twice, in lines 1 and 2"),
        ("glass: a\nshape: b\n", "shape: unknown key; expected glass, fill or times"),
    ],
)
def test_what_is_no_mapping_of_its_keys_is_refused(file, text, message):
    file.write_text(text)
    with pytest.raises(RecipeError, match=message):
        load_options(Pour, file)


def test_a_fault_of_the_command_line_has_no_line_of_the_file(file):
    file.write_text("glass: tall\ntimes: 2\n")
    with pytest.raises(RecipeError, match=r"times: found 0, expected a whole number of at least 1, or null$"):
        load_options(Pour, file, {"times": 0})
