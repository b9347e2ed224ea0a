"""Around training: cross-validation, a learning-rate range test, and sweeps: many trainings, or part of one."""

from finetune.search.folds import crossval
from finetune.search.range_test import RangeTest, find_learning_rate
from finetune.search.tables import crossval_table, trials_table
from finetune.search.trials import sweep

__all__ = ["RangeTest", "crossval", "crossval_table", "find_learning_rate", "sweep", "trials_table"]
