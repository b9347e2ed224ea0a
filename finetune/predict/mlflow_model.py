"""A model that was exported to MLflow, as MLflow opens it: images in base64 to labels and scores.

MLflow imports this module from the export itself, which holds this package's Python files, and calls `_load_pyfunc`.
The pixels, the forward pass and the temperatures are therefore those of ``run.predict``. MLflow is not imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from finetune.data.base64_text import content_of
from finetune.data.images import decode
from finetune.errors import DataError
from finetune.predict.outcomes import outcomes
from finetune.predict.predictor import Predictor

COLUMN = "image"


class MlflowModel:
    """What MLflow calls.

    Args:
        predictor: What predicts.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, model_input: Any) -> list[list[dict[str, Any]] | dict[str, str]]:
        """What is on images.

        Args:
            model_input: A pandas.DataFrame whose column ``image`` holds image files in base64, or data: URLs. A path
                or an address is not opened: a served model would read its machine's files for anybody.
        Returns:
            For each row ``[{"label": "can", "score": 0.91}, …]``, all labels, best first, as ``deit-finetune serve``
            and Azure's model cards have it. An image that cannot be read is ``{"error": "…"}`` at its place, also
            where no image can: an exception would cost the other images of a batch their answers, and MLflow and
            Azure would hide its words behind their own.
        """
        texts = _Texts(list(model_input[COLUMN]))
        found = outcomes(self._predictor, texts, [None] * len(texts))
        return [{"error": one} if isinstance(one, str) else one.ranked() for one in found]

    def get_raw_model(self) -> Predictor:
        """What ``mlflow.pyfunc.load_model(…).get_raw_model()`` gives: it decides too, by thresholds that were tuned."""
        return self._predictor


class _Texts:
    """Images in base64, decoded when they are asked for."""

    def __init__(self, texts: Sequence[Any]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int, /) -> Image.Image:
        text = self._texts[index]
        if not isinstance(text, str):
            raise DataError("is no string; expected an image file's bytes in base64")
        return decode(content_of(text))


def _load_pyfunc(data_path: str, model_config: Mapping[str, Any]) -> MlflowModel:
    """Open an export; MLflow knows this function by its name.

    Args:
        data_path: The model's folder in it.
        model_config: ``threshold``, ``flip`` and ``device`` as of `Predictor`; who loads the model may give others, as
            in ``mlflow.pyfunc.load_model(path, model_config={"device": "cpu"})``.
    """
    return MlflowModel(Predictor(data_path, **model_config))
