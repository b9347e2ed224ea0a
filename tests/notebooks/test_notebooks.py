"""The notebooks are committed without noise, and run from the first cell to the last."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cells(path: Path, kind: str = "code") -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


RUNS = {
    "batch_inference": {"fridge_multiclass"},
    "evaluate_multiclass": {"fridge_multiclass", "untuned"},
    "evaluate_multilabel": {"fridge_multilabel", "untuned"},
    "fridge_multiclass": {"fridge_multiclass"},
    "fridge_multilabel": {"fridge_multilabel"},
    "online_inference": {"fridge_multiclass"},
}


def test_each_task_is_trained_and_evaluated_in_a_notebook():
    assert [path.stem for path in NOTEBOOKS] == list(RUNS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs_and_traces_of_one_machine(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert len(cells(path)) > 5
    assert [cell["id"] for cell in notebook["cells"]] == [f"cell-{i:02d}" for i in range(len(notebook["cells"]))]
    for cell in cells(path):
        assert (cell["outputs"], cell["execution_count"], cell["metadata"]) == ([], None, {})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_defines_nothing_that_the_package_should_own(path):
    source = "\n".join("".join(cell["source"]) for cell in cells(path))
    assert not [word for word in ("def ", "class ", "lambda", "import torch") if word in source]


@pytest.mark.filterwarnings("default")  # of Jupyter's own machinery
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_without_a_network_and_shows_its_pictures(path, tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("DEIT_FINETUNE_NOTEBOOK_EPOCHS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path / "notebooks")}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == sum("plots." in c["source"][-1] or "show(" in c["source"][-1] for c in cells(path))
    assert {run.name for run in (tmp_path / "runs").iterdir()} == RUNS[path.stem]
