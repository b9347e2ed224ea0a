"""YAML's traps, each with a clear answer."""

from __future__ import annotations

import pytest

from finetune.errors import RecipeError
from finetune.recipe import load_recipe
from finetune.recipe.yaml_text import parse_value

HEAD = "task: multiclass\ndata: {kind: folder, root: photos}\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [("5e-5", 5e-5), ("5E-5", 5e-5), ("1e-3", 1e-3), (".5", 0.5), ("1", 1.0), ("0.001", 0.001)],
)
def test_a_number_may_be_written_with_an_exponent_and_no_point(write, text, value):
    assert load_recipe(write(f"{HEAD}optim: {{learning_rate: {text}}}")).optim.learning_rate == value


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "y", "2024-01-31", "12:30:45", "1.2.3"])
def test_words_of_older_yaml_and_dates_are_text(write, word):
    assert load_recipe(write(f"{HEAD}run: {{name: {word}}}")).run.name == word


def test_yes_is_no_truth(write):
    fault = r"model\.compile: found 'yes', expected true or false; in YAML 1\.2 'yes' is a word \(line 3\)"
    with pytest.raises(RecipeError, match=fault):
        load_recipe(write(f"{HEAD}model: {{compile: yes}}"))


def test_a_number_in_quotes_is_text(write):
    with pytest.raises(RecipeError, match=r"optim\.epochs: found '3', .*; without the quotes it is a number"):
        load_recipe(write(f'{HEAD}optim: {{epochs: "3"}}'))


def test_repeated_keys_are_all_named_with_both_lines(write):
    text = f"{HEAD}optim:\n  epochs: 3\n  epochs: 4\ntask: multilabel\n"
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(text))
    assert caught.value.faults == [
        "optim.epochs: this key is written twice, in lines 4 and 5",
        "task: this key is written twice, in lines 1 and 6",
    ]


def test_a_tab_is_called_a_tab(write):
    with pytest.raises(RecipeError, match=r"line 4, column 1: a tab; YAML is indented with spaces"):
        load_recipe(write(f"{HEAD}optim:\n\tepochs: 3\n"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"the file is empty; a recipe needs at least task and data"),
        ("# only a comment\n", r"the file is empty"),
        ("- task: multiclass\n", r"found a list at the top, expected the keys task, data, model"),
        ("multiclass\n", r"found the text 'multiclass' at the top"),
        ("task: [multiclass\n", r"line 2, column 1: not YAML"),
        ("task: multiclass\n data: x\n", r"line 2, column 6: not YAML: mapping values are not allowed here"),
        (f"{HEAD}---\ntask: multilabel\n", r"line 3, column 1: a second document begins here \(---\)"),
        ("task: !!python/name:os.system\ndata: {}\n", r"line 1, column 7: not YAML"),
        ("task: &a [*a]\n", r"an alias .* stands within what it repeats"),
        ("task: @x\n", r"line 1, column 7: not YAML"),
    ],
)
def test_what_is_no_mapping_or_no_yaml_is_said_with_its_place(write, text, words):
    with pytest.raises(RecipeError, match=words) as caught:
        load_recipe(write(text))
    assert "pets.yaml: " in str(caught.value)


def test_byte_order_mark_and_windows_line_ends_do_not_matter(write):
    text = b"\xef\xbb\xbf" + f"{HEAD}optim:\n  epochs: 3\n".replace("\n", "\r\n").encode()
    assert load_recipe(write(text)).optim.epochs == 3.0


def test_other_encodings_are_named(write):
    with pytest.raises(RecipeError, match=r"pets\.yaml: not UTF-8 text \(byte 0\); save it as UTF-8"):
        load_recipe(write(HEAD.encode("utf-16")))


def test_umlauts_are_text(write):
    assert (
        load_recipe(write("task: multiclass\ndata: {kind: folder, root: Bücher/größer}\n")).data.root == "Bücher/größer"
    )


def test_a_missing_file_suggests_its_neighbour(write):
    path = write(HEAD)
    with pytest.raises(RecipeError, match=r"pet\.yaml: no such file; did you mean .*pets\.yaml\?"):
        load_recipe(path.with_name("pet.yaml"))
    with pytest.raises(RecipeError, match=r"pets: no such file; did you mean .*pets\.yaml\?"):
        load_recipe(path.with_name("pets"))
    with pytest.raises(RecipeError, match=r"nothing/like/this\.yaml: no such file$"):
        load_recipe("nothing/like/this.yaml")


def test_a_folder_is_no_recipe(tmp_path):
    with pytest.raises(
        RecipeError, match=r"this is a folder; a recipe is a YAML file, and `deit-finetune init FOLDER`"
    ):
        load_recipe(tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("5e-5", 5e-5), ("null", None), ("true", True), ("no", "no"), ("bundled:digits", "bundled:digits"),
        ("[0.9, 0.98]", [0.9, 0.98]), ("{num_cycles: 2}", {"num_cycles": 2}), ("'3'", "3"),
        ("C:\\photos", "C:\\photos"),
    ],
)  # fmt: skip
def test_an_overrides_value_is_yaml(text, value):
    assert parse_value(text, "a.b") == value


def test_an_override_without_a_value_or_with_broken_yaml_is_refused():
    with pytest.raises(RecipeError, match=r"--set: a\.b: nothing after the =; write a\.b=null for no value"):
        parse_value("", "a.b")
    with pytest.raises(RecipeError, match=r"--set: a\.b: '\[1' is not YAML; put text with signs in quotes"):
        parse_value("[1", "a.b")
