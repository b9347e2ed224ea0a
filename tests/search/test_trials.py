"""Sweeps: drawn, compared, gone on with, and written out. What a trial trains is real where it matters."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from transformers import TrainerCallback

from finetune.errors import DataError, HardwareError, RecipeError, RunFolderError, TrainingError
from finetune.recipe import dump_recipe, load_recipe
from finetune.run_folder import RunFolder
from finetune.search import sweep, trials
from finetune.training import Interrupted, train

SPACE = {"optim.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}, "augment.preset": ["none", "light"]}
QUICK = {"search.space": SPACE, "optim.max_steps": 2}


@pytest.fixture
def pretended(monkeypatch):
    """Trials train nothing: the accuracy of each is the value of a function of its recipe."""

    def use(accuracy):
        def trained(recipe, *, listeners=(), **options):
            value = accuracy(recipe)
            folder = RunFolder.create(recipe.run.root, recipe.run.name)
            folder.write_metrics({"validation": {"accuracy": value}})
            folder.update_record({"status": "finished"})
            return folder

        monkeypatch.setattr(trials, "train", trained)

    return use


def by_rate(recipe):
    """Best at a rate of 1e-3."""
    return 1.0 - abs(recipe.optim.learning_rate - 1e-3)


def test_a_real_sweep_keeps_each_trial_as_a_run_and_writes_the_best_recipe(recipe_for, command, tmp_path):
    file = tmp_path / "marks.yaml"
    file.write_text(dump_recipe(recipe_for(**QUICK)))
    done = command("sweep", str(file), "--trials", "2")
    assert done.returncode == 0, done.stderr
    assert "2 completed, 0 stopped early, 0 failed" in done.stdout
    assert re.search(r"^trial 1 \(2 of 2\): optim\.learning_rate \S+, augment\.preset \w+$", done.stderr, re.MULTILINE)
    folder = tmp_path / "runs/tiny-sweep"
    assert {path.name for path in folder.iterdir()} == {"study.db", "best.yaml", "trial-0", "trial-1"}
    runs = [RunFolder.open(folder / f"trial-{number}") for number in (0, 1)]
    best = max(runs, key=lambda run: run.read_metrics()["validation"]["accuracy"])  # of equals the first
    recipe = load_recipe(folder / "best.yaml")
    assert recipe.optim == best.read_recipe().optim
    assert recipe.augment == best.read_recipe().augment
    again = train(recipe)
    assert again.path == Path(recipe.run.root).absolute() / "tiny-best"
    assert again.read_metrics() == best.read_metrics()


def test_a_sweep_goes_on_to_the_same_trials_and_counts_those_of_before(recipe_for, pretended):
    pretended(by_rate)
    whole = sweep(recipe_for(**QUICK, **{"run.name": "whole"}), 6)
    recipe = recipe_for(**QUICK)
    assert len(sweep(recipe, 2).trials) == 2
    again = sweep(recipe, 6)
    assert again.trials == whole.trials
    assert [path.name for path in sorted(again.folder.glob("trial-*"))] == [f"trial-{n}" for n in range(6)]
    assert again.trials[0]["value"] == max(trial["value"] for trial in again.trials)
    assert load_recipe(again.best).optim.learning_rate == again.trials[0]["values"]["optim.learning_rate"]


def test_a_lower_loss_is_the_better_one(recipe_for, monkeypatch, pretended):
    pretended(by_rate)
    real = RunFolder.write_metrics
    monkeypatch.setattr(
        RunFolder, "write_metrics", lambda run, m: real(run, {"validation": {"loss": m["validation"]["accuracy"]}})
    )
    found = sweep(recipe_for(**QUICK, **{"evaluate.best_metric": "loss"}), 4)
    assert found.trials[0]["value"] == min(trial["value"] for trial in found.trials)


def test_an_interrupted_trial_does_not_count_and_its_values_come_first_again(recipe_for, pretended):
    recipe, asked = recipe_for(**QUICK), []

    def stops(recipe):
        asked.append(recipe.optim.learning_rate)
        raise Interrupted("asked to stop")

    pretended(stops)
    with pytest.raises(Interrupted, match=r"stopped in trial 0; the same command goes on"):
        sweep(recipe, 2)
    pretended(lambda recipe: asked.append(recipe.optim.learning_rate) or 0.5)
    assert len(sweep(recipe, 2).trials) == 2
    assert asked[1] == asked[0]
    assert len(asked) == 3


class At(TrainerCallback):
    """Does something during a step."""

    def __init__(self, step, act):
        self.step, self.act = step, act

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        if state.global_step == self.step - 1:
            self.act()


@pytest.fixture
def disturbed(monkeypatch):
    """Trials train, but something happens to each during its third step, after a checkpoint of an epoch; what was saved
    when they had ended is returned."""

    def use(act):
        saved = []

        def trained(recipe, *, listeners=(), **options):
            try:
                return train(recipe, listeners=[*listeners, At(3, act)], **options)
            finally:
                root = Path(recipe.run.root)
                saved.append({path.relative_to(root).as_posix() for path in root.glob("*/checkpoints/*")})

        monkeypatch.setattr(trials, "train", trained)
        return saved

    return use


EPOCHS = {"search.space": SPACE, "optim.epochs": 3, "optim.batch_size": 9}  # 2 steps each


def test_an_interrupted_trial_leaves_no_folder_and_those_of_another_study_stay(recipe_for, disturbed, monkeypatch):
    recipe = recipe_for(**EPOCHS)
    folder = sweep(recipe, 1).folder
    (folder / "study.db").unlink()  # another study now, whose first run is trial-0-2
    shutil.copytree(folder / "trial-0/model", folder / "trial-0/checkpoints/checkpoint-1")
    saved = disturbed(lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted, match=r"stopped in trial 0; the same command goes on"):
        sweep(recipe, 2)
    assert saved == [
        {"trial-0/checkpoints/checkpoint-1", "trial-0-2/checkpoints/checkpoint-2", "trial-0-2/checkpoints/checkpoint-3"}
    ]
    assert {path.name for path in folder.iterdir()} == {"best.yaml", "study.db", "trial-0"}
    assert (folder / "trial-0/checkpoints/checkpoint-1").exists()
    monkeypatch.setattr(trials, "train", train)
    again = sweep(recipe, 1)
    assert [trial["run"] for trial in again.trials] == ["trial-1"]
    assert {path.name for path in folder.iterdir()} == {"best.yaml", "study.db", "trial-0", "trial-1"}
    assert not (folder / "trial-1/checkpoints").exists()


def test_a_failed_trial_keeps_its_history_and_no_checkpoints(recipe_for, disturbed):
    def fail():
        raise TrainingError("the loss is nan at step 3")

    recipe = recipe_for(**EPOCHS)
    saved = disturbed(fail)
    with pytest.raises(TrainingError, match=r"none of 1 trials was completed; the first failed: the loss is nan"):
        sweep(recipe, 1)
    assert saved == [{"trial-0/checkpoints/checkpoint-2"}]
    run = RunFolder(Path(recipe.run.root) / "tiny-sweep/trial-0")
    assert [line["step"] for line in run.read_history()] == [2]
    assert not run.checkpoints.exists()


def test_drawn_values_that_do_not_go_together_are_a_failed_trial_with_its_reason(recipe_for, pretended, capsys):
    import optuna
    from optuna.trial import TrialState

    pretended(lambda recipe: 0.5)
    space = {"optim.warmup_steps": {"low": 1, "high": 50, "whole": True}, "optim.max_steps": [20, 60]}
    found = sweep(recipe_for(**{"search.space": space, "search.sampler": "random"}), 12)
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{found.folder}/study.db")
    clash = {t.number for t in study.trials if t.params["optim.warmup_steps"] >= int(t.params["optim.max_steps"])}
    assert 0 < len(clash) < 12
    assert {trial.number for trial in study.trials if trial.state == TrialState.FAIL} == clash
    assert (len(found.trials), found.failed) == (12 - len(clash), len(clash))
    first = study.trials[min(clash)]
    reason = (
        f"the values do not go together: optim.warmup_steps: found {first.params['optim.warmup_steps']}, but training "
        "ends after max_steps 20; expected fewer"
    )
    assert first.user_attrs["reason"] == reason
    assert f"trial {first.number}: failed: {reason}\n" in capsys.readouterr().err


def test_a_trial_that_fails_is_recorded_and_the_sweep_goes_on(recipe_for, pretended):
    def sometimes(recipe):
        if recipe.augment.preset == "none":
            raise HardwareError("out of memory with 8 images in a forward pass")
        return 0.5

    pretended(sometimes)
    found = sweep(recipe_for(**QUICK), 8)
    assert found.failed > 0
    assert found.failed + len(found.trials) == 8
    assert {trial["values"]["augment.preset"] for trial in found.trials} == {"light"}


def test_a_sweep_of_which_every_trial_fails_says_why_the_first_did(recipe_for, pretended):
    def fails(recipe):
        raise TrainingError("the loss is nan at step 1")

    pretended(fails)
    with pytest.raises(TrainingError, match=r"none of 2 trials was completed; the first failed: the loss is nan"):
        sweep(recipe_for(**QUICK), 2)


def test_a_study_of_another_recipe_is_refused_and_the_difference_named(recipe_for, pretended):
    pretended(by_rate)
    sweep(recipe_for(**QUICK), 1)
    sweep(recipe_for(**QUICK, **{"run.keep_checkpoints": 5, "data.workers": 0}), 1)  # nothing of what is learnt
    with pytest.raises(
        RunFolderError,
        match=r"study\.db: the study 'tiny' is another recipe's, it differs in optim\.max_steps; undo that, or begin",
    ):
        sweep(recipe_for(**{**QUICK, "optim.max_steps": 3}), 2)
    with pytest.raises(RunFolderError, match=r"it differs in run\.seed, run\.max_minutes; undo that"):
        sweep(recipe_for(**QUICK, **{"run.max_minutes": 5, "run.seed": 7}), 2)


def test_a_study_of_other_images_or_labels_is_refused_with_what_to_do(recipe_for, pretended, image_folder, tmp_path):
    pretended(by_rate)
    images = tmp_path / "images"
    shutil.copytree(image_folder, images)
    recipe = recipe_for(**QUICK, **{"data.root": str(images)})
    sweep(recipe, 1)
    assert len(sweep(recipe, 2).trials) == 2
    (images / "cross/0.png").rename(images / "circle/from_cross.png")
    with pytest.raises(
        DataError,
        match=r"images: images or labels are others than those that the study 'tiny' \(.*study\.db\) began with, so "
        r"its trials cannot be compared with new ones; restore them, or begin another study with --set run\.name=",
    ):
        sweep(recipe, 3)
    assert len(sweep(recipe_for(**QUICK, **{"data.root": str(images), "run.name": "another"}), 1).trials) == 1
    (images / "circle/from_cross.png").rename(images / "cross/0.png")
    assert len(sweep(recipe, 3).trials) == 3


def test_machines_that_share_a_study_do_not_draw_the_same(recipe_for, pretended, tmp_path):
    pretended(by_rate)
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    one = sweep(recipe_for(**QUICK, **{"search.sampler": "random"}), 1, storage=storage)
    elsewhere = recipe_for(**QUICK, **{"search.sampler": "random", "run.root": str(tmp_path / "other")})
    both = sweep(elsewhere, 2, storage=storage)
    assert len({trial["values"]["optim.learning_rate"] for trial in both.trials}) == 2
    assert one.folder != both.folder


class Reported(Exception):  # noqa: N818
    """The end of a pretended training."""


def test_a_trial_behind_the_median_is_stopped_early(recipe_for):
    import optuna
    from transformers import TrainerControl, TrainerState

    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=2), direction="maximize")
    for value, behind in ((0.8, False), (0.9, False), (0.5, True), (0.95, False)):
        trial = study.ask()
        hear, control = trials._ReportProgress(trial, "accuracy"), TrainerControl()
        state = TrainerState(global_step=3, max_steps=9, log_history=[{"eval_accuracy": value}])
        hear.on_evaluate(None, state, control, metrics={"eval_accuracy": value})
        assert (hear.behind, control.should_training_stop) == (behind, behind)
        study.tell(trial, value)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"search.space": {}}, RecipeError, r"search\.space: is empty, so there is nothing to vary"),
        ({"data.split.validation": 0.0}, DataError, r"data\.split\.validation: is 0, but a sweep compares trials on"),
    ],
)
def test_a_recipe_that_cannot_be_swept_is_refused_before_anything_is_made(recipe_for, changes, error, message):
    recipe = recipe_for(**{**QUICK, **changes})
    with pytest.raises(error, match=message):
        sweep(recipe, 1)
    assert not Path(recipe.run.root).exists()


def test_a_database_that_cannot_be_opened_is_told_without_its_password(recipe_for):
    with pytest.raises(RecipeError, match=r"--storage: nodb://me:\*\*\*@host/x: cannot be opened") as caught:
        sweep(recipe_for(**QUICK), 1, storage="nodb://me:secret@host/x")
    assert "secret" not in str(caught.value)


def test_several_processes_are_refused_with_the_way_to_use_several_gpus(recipe_for, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(HardwareError, match=r"start one sweep for each GPU instead, with the same --storage URL"):
        sweep(recipe_for(**QUICK), 1)


def test_a_missing_optuna_is_told_with_how_to_get_it(recipe_for, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"optuna is not installed, .*pip install 'deit-finetune\[search\]'"):
        sweep(recipe_for(**QUICK), 1)
