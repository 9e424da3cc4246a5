"""The loader of models in MLflow: `mlflow.pyfunc.load_model` imports this module and calls `_load_pyfunc`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from veilbench.bench.trained_model import TrainedModel, load_trained_model


class LoadedModel:
    """A trained model as MLflow calls it.

    Args:
        model: the trained model.
    """

    def __init__(self, model: TrainedModel) -> None:
        self.model = model

    def predict(self, model_input: Any, params: Any = None) -> dict[str, np.ndarray]:
        """Apply the model to inputs; see `infer` of its family.

        Args:
            model_input: inputs as an array, a list or a pandas DataFrame; a frame of one column of texts stands for the
                texts.
            params: not used; MLflow passes it.

        Returns:
            Arrays with one entry for each input, by name.
        """
        return self.model.infer(to_array(model_input))

    def get_raw_model(self) -> TrainedModel:
        """Return the trained model, with all methods of its family."""
        return self.model


def to_array(inputs: Any) -> np.ndarray:
    """Convert the inputs of MLflow to an array: numbers to float32, of any shape; texts to shape (n,)."""
    values = np.asarray(inputs)
    if values.dtype.kind in "biuf":
        return values.astype(np.float32)
    return values.reshape(-1).astype(str) if values.ndim < 3 and values.size == len(values) else values


def _load_pyfunc(path: str) -> LoadedModel:
    """Load the model of a folder with `model.json` and `model.safetensors`; the name is MLflow's."""
    return LoadedModel(load_trained_model(Path(path)))
