"""The command line as a user meets it: words, exit codes, and how soon it answers."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from finetune.cli import INTERRUPTED, OK, STOPPED, USERS_MISTAKE, VERBS, _parser, _with_verb, main
from finetune.cli.verbs import _load
from finetune.cli.words import EXAMPLES
from finetune.recipe import recipe_schema

HEAVY = {"torch", "transformers", "datasets", "numpy", "sklearn", "evaluate", "matplotlib", "accelerate", "pydantic"}
RECIPE = "task: multiclass\ndata: {kind: folder, root: photos}\n"


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "pets.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the training verb was called with; nothing is trained."""
    import finetune.api.summary
    import finetune.training

    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(finetune.api.summary, "summary", lambda run: "what came out")
    monkeypatch.setattr(
        finetune.training, "train", lambda recipe, **options: calls.append({"recipe": recipe, **options})
    )
    return calls


# ---------------------------------------------------------------- help and the shape of a command


def test_help_names_every_verb_an_example_and_every_exit_code(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert text.isascii()
    for word in (*(verb for verb in VERBS if verb != "train"), "--set", "--resume", "--no-fallback", "example:"):
        assert word in text, word
    for code in (0, 1, 2, 75, 130):
        assert f"\n  {code} " in text, code


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_own_help(capsys, verb):
    with pytest.raises(SystemExit, match="0"):
        main([verb, "--help"])
    assert f"usage: deit-finetune {verb} " in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_ends_with_examples_that_its_options_and_the_recipe_take(capsys, recipe_file, verb):
    with pytest.raises(SystemExit, match="0"):
        main([verb, "--help"])
    text = capsys.readouterr().out
    assert text.isascii()
    shown = text.partition("\nexamples:\n")[2]
    assert shown == EXAMPLES[verb]
    assert max(map(len, shown.splitlines())) <= 120
    commands = [shlex.split(line, comments=True) for line in shown.replace("\\\n", " ").splitlines()]
    assert 1 <= len(commands) <= 4
    calls = []
    for program, *words in commands:
        assert program == "deit-finetune"
        options = _parser().parse_args(_with_verb(list(itertools.takewhile(lambda word: word != ">", words))))
        calls.append(options.call)
        if hasattr(options, "overrides"):
            options.recipe = recipe_file
            _load(options)
    assert calls[0] == VERBS[verb][0]


def test_the_help_of_every_verb_imports_nothing_heavy():
    program = (
        "import sys\nfrom finetune.cli import VERBS, main\n"
        "for verb in VERBS:\n    try:\n        main([verb, '--help'])\n    except SystemExit:\n        pass\n"
        f"print(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.split() == []


def test_no_words_at_all_show_the_help_as_a_mistake(capsys):
    assert main([]) == USERS_MISTAKE
    assert "exit codes:" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"deit-finetune {version('deit-finetune')}\n"


@pytest.mark.parametrize("first", [[], ["train"]])
def test_a_recipe_alone_means_train(recipe_file, trained, first):
    assert main([*first, str(recipe_file), "--set", "optim.epochs=3", "--set", "run.name=no"]) == OK
    (call,) = trained
    assert (call["recipe"].optim.epochs, call["recipe"].run.name) == (3.0, "no")
    assert (call["fallback"], call["resume"], call["overwrite"]) == (True, False, False)


def test_options_may_stand_before_the_recipe_and_reach_training(recipe_file, trained):
    assert main(["--resume", "--overwrite", "--no-fallback", "--set", "data.download=null", str(recipe_file)]) == OK
    (call,) = trained
    assert (call["fallback"], call["resume"], call["overwrite"]) == (False, True, True)


# ---------------------------------------------------------------- the user's mistakes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chek"], "deit-finetune: 'chek': neither a verb nor a recipe; did you mean 'check'?\n"),
        (["nothing.yaml"], "deit-finetune: nothing.yaml: no such file\n"),
        (
            ["init", "nowhere"],
            "deit-finetune: nowhere: no such file or folder; expected a folder of images or a table\n",
        ),
        (
            ["pets.yaml", "--set", "epochs"],
            "deit-finetune: --set: epochs: expected KEY=VALUE, such as optim.epochs=3\n",
        ),
        (
            ["pets.yaml", "--set", "run.seed="],
            "deit-finetune: --set: run.seed: nothing after the =; write run.seed=null",
        ),
        (
            ["pets.yaml", "--set", "optim.epoch=3"],
            "deit-finetune: pets.yaml: optim.epoch: unknown key; did you mean epochs? (an override)\n",
        ),
    ],
)
def test_a_mistake_is_one_message_on_stderr_and_exit_code_2(capsys, monkeypatch, recipe_file, words, message):
    monkeypatch.chdir(recipe_file.parent)
    assert main(words) == USERS_MISTAKE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert "Traceback" not in err


def test_an_unknown_option_is_exit_code_2_too(capsys, recipe_file):
    with pytest.raises(SystemExit, match="2"):
        main([str(recipe_file), "--overwrit"])
    assert "unrecognized arguments: --overwrit" in capsys.readouterr().err


@pytest.mark.parametrize(("rank", "heard"), [("0", True), ("1", False)])
def test_of_several_processes_only_the_first_complains(capsys, monkeypatch, rank, heard):
    monkeypatch.setenv("LOCAL_RANK", rank)
    assert main(["nothing.yaml"]) == USERS_MISTAKE
    assert bool(capsys.readouterr().err) == heard


def test_a_fault_of_our_own_is_not_caught(monkeypatch, recipe_file):
    import finetune.training

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(finetune.training, "train", broken)
    with pytest.raises(ZeroDivisionError, match="ours"):
        main([str(recipe_file)])


# ---------------------------------------------------------------- interruptions


def test_an_interrupted_run_exits_with_75_and_says_how_to_go_on(capsys, monkeypatch, recipe_file):
    import finetune.training

    def interrupted(*_: Any, **__: Any) -> None:
        raise finetune.training.Interrupted("saved at step 7; --resume goes on")

    monkeypatch.setattr(finetune.training, "train", interrupted)
    assert main([str(recipe_file)]) == INTERRUPTED == finetune.training.EXIT_CODE == 75
    assert capsys.readouterr().err == "deit-finetune: saved at step 7; --resume goes on\n"


def test_ctrl_c_before_there_is_anything_to_save_exits_with_130(capsys, monkeypatch, recipe_file):
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("finetune.recipe.load_recipe", stop)
    assert main([str(recipe_file)]) == STOPPED
    assert capsys.readouterr().err == "deit-finetune: stopped; nothing was saved\n"


# ---------------------------------------------------------------- verbs


def test_schema_prints_the_schema(capsys):
    assert main(["schema"]) == OK
    assert json.loads(capsys.readouterr().out) == recipe_schema()


def test_check_reads_the_data_and_prints_what_was_found(capsys, image_folder):
    main(["init", str(image_folder), "--out", str(image_folder.parent / "checked.yaml"), "--overwrite"])
    capsys.readouterr()
    assert main(["check", str(image_folder.parent / "checked.yaml")]) == OK
    out = capsys.readouterr().out
    assert "circle" in out
    assert "8" in out


def test_check_writes_pictures_of_what_it_found_and_says_which(capsys, tmp_path, image_folder):
    import shutil

    from PIL import Image

    shutil.copytree(image_folder, tmp_path / "images")
    Image.new("RGB", (40, 48)).save(tmp_path / "images" / "circle" / "black.png")
    recipe = tmp_path / "looked.yaml"
    recipe.write_text(f"task: multiclass\ndata: {{kind: folder, root: {tmp_path / 'images'}}}\n")
    assert main(["check", str(recipe), "--out", str(tmp_path / "look")]) == OK
    out = capsys.readouterr().out
    assert "  - 1 image is of one colour and shows nothing: circle/black.png (black); " in out
    assert out.endswith(f"no faults\n\n{tmp_path / 'look'}: findings.json, plain.png\n")
    assert sorted(file.name for file in (tmp_path / "look").iterdir()) == ["findings.json", "plain.png"]


def test_check_names_what_is_wrong_with_the_data_and_exits_with_2(capsys, recipe_file, monkeypatch):
    monkeypatch.chdir(recipe_file.parent)
    assert main(["check", "pets.yaml"]) == USERS_MISTAKE
    assert "photos" in capsys.readouterr().err


@pytest.fixture(scope="module")
def drawn(draw_run, tmp_path_factory):
    """A finished run, and a folder of ``ü.png``, which is red, and ``bad.png``, which is no image."""
    folder = tmp_path_factory.mktemp("asked")
    Image.new("RGB", (40, 30), "red").save(folder / "ü.png")
    (folder / "bad.png").write_bytes(b"no picture")
    return str(draw_run(["can", "carton", "milk"]).path), folder


def printed(capsys, *words: Any) -> tuple[int, list[dict[str, Any]], str]:
    code = main(["predict", *map(str, words)])
    said = capsys.readouterr()
    return code, [json.loads(line) for line in said.out.splitlines()], said.err


def test_predict_prints_a_json_line_per_image(capsys, drawn):
    import finetune

    run, folder = drawn
    (expected,) = finetune.open_run(run, device="cpu").predict(folder / "ü.png")
    code, lines, _ = printed(capsys, run, folder / "ü.png", folder / "ü.png")
    assert (code, len(lines)) == (OK, 2)
    for line in lines:
        assert (line["path"], line["predicted"]) == (str(folder / "ü.png"), expected.predicted)
        assert line["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    _, (line,), _ = printed(capsys, run, folder / "ü.png", "--top-k", "1")
    assert list(line["probabilities"]) == expected.predicted


def test_predict_answers_the_good_images_beside_a_bad_one_however_they_are_named(capsys, drawn, monkeypatch):
    run, folder = drawn
    monkeypatch.setenv("HOME", str(folder))
    code, lines, said = printed(capsys, run, folder / "bad.png", "~/ü.png")
    assert code == OK
    assert [list(line) for line in lines] == [["path", "error"], ["path", "predicted", "probabilities"]]
    assert "1 of 2 images cannot be read" in said
    code, lines, _ = printed(capsys, run, folder / "bad.png")
    assert (code, len(lines)) == (USERS_MISTAKE, 1)


def test_predict_has_nothing_to_say_of_a_table_without_rows(capsys, drawn, tmp_path):
    (tmp_path / "none.csv").write_text("image\n")
    assert printed(capsys, drawn[0], tmp_path / "none.csv") == (OK, [], "")


# ---------------------------------------------------------------- as a process


def best_seconds(call: Callable[[], Any], times: int = 5) -> float:
    """The fastest of several calls: what the program needs, not what else the machine was doing."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def test_help_answers_in_a_third_of_a_second(command):
    assert best_seconds(lambda: command("--help")) < 0.3


def test_a_faulty_recipe_is_answered_within_a_second(command, recipe_file):
    recipe_file.write_text(f"{RECIPE}optim: {{learning_rat: 5e-5}}\n")
    assert best_seconds(lambda: command(str(recipe_file))) < 1.0
    result = command(str(recipe_file))
    assert result.returncode == 2
    assert result.stderr == (
        f"deit-finetune: {recipe_file}: optim.learning_rat: unknown key; did you mean learning_rate? (line 3)\n"
    )


def test_a_reader_who_has_seen_enough_of_the_schema_is_no_error(tmp_path):
    call = f"{sys.executable} -m finetune schema | head -n 1"
    result = subprocess.run(call, shell=True, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("{\n", "")


def test_the_installed_command_is_this_one(command):
    script = Path(sys.executable).with_name("deit-finetune")
    if not script.exists():
        pytest.skip("the package is not installed as a command")
    result = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == command("--version").stdout


def test_under_torchrun_a_mistake_is_said_once(tmp_path):
    call = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "finetune", "nothing.yaml"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(call, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert result.returncode != 0
    assert result.stderr.count("deit-finetune: nothing.yaml: no such file") == 1


def test_check_counts_what_is_there_also_where_there_are_faults(capsys, tmp_path, image_folder):
    import shutil

    images = tmp_path / "images"
    shutil.copytree(image_folder, images)
    (images / "circle" / "broken.png").write_bytes(b"no image")
    recipe = tmp_path / "checked.yaml"
    recipe.write_text(f"task: multiclass\ndata: {{kind: folder, root: {images}}}\n")
    assert main(["check", str(recipe)]) == USERS_MISTAKE
    shown = capsys.readouterr().out
    assert "circle" in shown
    assert "1 of 25 images cannot be read" in shown


@pytest.mark.parametrize(("word", "flip"), [("--flip", True), ("--no-flip", False)])
def test_flip_is_handed_to_predict(capsys, drawn, tmp_path, word, flip):
    import finetune

    run, _ = drawn
    image = Image.linear_gradient("L").rotate(90)  # its mirror image is another one
    image.save(tmp_path / "a.png")
    (expected,) = finetune.open_run(run, device="cpu").predict(tmp_path / "a.png", flip=flip)
    _, (line,), _ = printed(capsys, run, tmp_path / "a.png", word)
    assert line["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)


def test_a_top_k_that_is_no_count_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "runs/x", "a.jpg", "--top-k", "-1"])
    assert "expected a whole number from 1 up" in capsys.readouterr().err


def test_an_optimizer_that_cannot_work_here_is_refused_at_once():
    from finetune.errors import RecipeError
    from finetune.recipe import load_recipe

    plain = {"task": "multiclass", "data": {"kind": "folder", "root": "x"}, "optim": {"optimizer": "galore_adamw"}}
    with pytest.raises(RecipeError, match=r"optim\.optimizer: found 'galore_adamw', which has no place here"):
        load_recipe(plain)
