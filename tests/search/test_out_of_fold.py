"""Lines of all folds, decided as each fold's model decides."""

from __future__ import annotations

from finetune.model.decision import Decision
from finetune.search.out_of_fold import scored_lines, thresholds_of

LINES = [
    {"fold": 1, "path": "a", "true": ["can"], "predicted": [], "probabilities": {"can": 0.3, "carton": 0.1}},
    {
        "fold": 2,
        "path": "b",
        "true": [],
        "unknown": ["can"],
        "predicted": [],
        "probabilities": {"can": 0.3, "carton": 0.6},
    },
]


def test_each_image_has_the_thresholds_of_its_fold():
    folds = [Decision(thresholds=(0.2, 0.8)), Decision()]
    assert thresholds_of(LINES, folds, ("can", "carton"), 0.5).tolist() == [[0.2, 0.8], [0.5, 0.5]]


def test_lines_become_scores_with_their_probabilities_and_unknown_labels():
    scored = scored_lines(LINES, ("can", "carton"), "multilabel")
    assert scored.targets.tolist() == [[1, 0], [-1, 0]]
    assert (1 / (1 + 2.718281828459045**-scored.logits)).round(6).tolist() == [[0.3, 0.1], [0.3, 0.6]]
