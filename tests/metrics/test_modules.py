"""The metrics as modules of evaluate: offline, without traces, several processes at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from finetune.labels import LabelSpace
from finetune.metrics import score_metrics
from finetune.metrics.modules import metric_module, module_path

LOGITS = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
TARGETS = {"multiclass": np.array([0, 1, 2, 0, 1, 2, -1]), "multilabel": np.eye(7, 3, dtype=np.int8)}
LABELS = LabelSpace(("0", "1", "2"))

# Loads both modules as a user would, with every way to the network closed and every warning an error.
LOAD = """
import json, socket, sys, warnings
warnings.simplefilter("error")
def refuse(*_, **__):
    raise AssertionError("the network was used")
socket.getaddrinfo = socket.socket.connect = refuse
import evaluate
found = {}
for task, (path, references) in json.loads(sys.argv[1]).items():
    module = evaluate.load(path)
    found[task] = module.compute(predictions=json.loads(sys.argv[2]), references=references)
    module.add_batch(predictions=json.loads(sys.argv[2]), references=references)
    assert module.compute() == found[task]
print(json.dumps(found))
"""

# Scores with a cache folder that cannot be made: /dev/null is no folder.
SCORE = """
import warnings
warnings.simplefilter("error")
import numpy as np
from finetune.labels import LabelSpace
from finetune.metrics import score_metrics
print(score_metrics("multiclass", np.eye(2), np.arange(2), LabelSpace(("a", "b")))["accuracy"])
"""


@pytest.mark.parametrize("task", TARGETS)
def test_score_metrics_is_what_the_module_computes(task):
    scored = score_metrics(task, LOGITS, TARGETS[task], LABELS)
    assert metric_module(task).compute(predictions=LOGITS, references=TARGETS[task]) == scored


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("task", TARGETS)
def test_batches_that_are_added_give_the_same_and_leave_no_data_behind(task, in_memory, tmp_path):
    module = type(metric_module(task))(cache_dir=str(tmp_path), keep_in_memory=in_memory)
    for rows in (slice(0, 3), slice(3, 7)):
        module.add_batch(predictions=LOGITS[rows], references=TARGETS[task][rows])
    assert module.compute() == score_metrics(task, LOGITS, TARGETS[task], LABELS)
    assert not list(tmp_path.rglob("*.arrow"))


def test_computing_in_one_piece_writes_nothing(tmp_path):
    module = type(metric_module("multiclass"))(cache_dir=str(tmp_path / "cache"))
    module.compute(predictions=LOGITS, references=TARGETS["multiclass"], class_names=["a", "b", "c"], top_k=2)
    assert not (tmp_path / "cache").exists()


def test_modules_load_without_a_network_in_two_processes_at_once(tmp_path):
    given = {task: (str(module_path(task)), targets.tolist()) for task, targets in TARGETS.items()}
    command = [sys.executable, "-c", LOAD, json.dumps(given), json.dumps(LOGITS.tolist())]
    environment = {**os.environ, "HF_HOME": str(tmp_path)}
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    expected = {task: score_metrics(task, LOGITS, targets, LABELS) for task, targets in TARGETS.items()}
    for process in both:
        output, errors = process.communicate()
        assert (process.returncode, errors) == (0, "")
        assert json.loads(output) == expected


def test_scores_need_no_cache_folder():
    environment = {**os.environ, "HF_HOME": "/dev/null/huggingface"}
    found = subprocess.run([sys.executable, "-c", SCORE], env=environment, capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr) == ("1.0\n", "")
