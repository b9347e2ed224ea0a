"""Any number of images to a file of predictions: streamed, in order, and gone on with after an interruption."""

from finetune.batch.columns import Columns
from finetune.batch.inputs import Inputs
from finetune.batch.parts import in_parts
from finetune.batch.rows import Row
from finetune.batch.scoring import Answer, answers
from finetune.batch.write import Written, meet, predict_to, with_threshold

__all__ = [
    "Answer",
    "Columns",
    "Inputs",
    "Row",
    "Written",
    "answers",
    "in_parts",
    "meet",
    "predict_to",
    "with_threshold",
]
