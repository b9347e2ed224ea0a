from __future__ import annotations

from finetune.api.summary import summary
from finetune.training import train


def test_a_summary_ends_with_the_metrics_and_the_run_folder(recipe_for):
    run = train(recipe_for(**{"optim.max_steps": 1}))
    lines = summary(run).splitlines()
    assert lines[0].split() == ["validation", "95", "%", "interval"]
    assert {line.split()[0] for line in lines if line} >= {"accuracy", "mAP", "f1_macro", "circle", "saved:"}
    assert lines[-1] == f"run folder: {run}"


def test_the_notice_of_a_fallback_stands_above_the_table(recipe_for):
    run = train(recipe_for(**{"optim.max_steps": 1}))
    run.update_record({"notice": "+--- stood in ---+"})
    assert summary(run).startswith("+--- stood in ---+\n\n")


def test_without_held_out_images_it_says_that_nothing_was_measured(recipe_for):
    run = train(recipe_for(**{"optim.max_steps": 1, "data.split.validation": 0.0}))
    assert "no image was held out" in summary(run)
