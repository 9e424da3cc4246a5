"""A model of an ONNX file, run by ONNX Runtime."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import torch

from veilbench.bench.errors import UserError
from veilbench.families.templates.wrapped.onnx_network import OnnxNetwork

TOLERANCE = 1e-3  # largest difference of outputs of length 1, between ONNX Runtime and torch


class OnnxModel:
    """Runs an ONNX model with one input and, if torch can evaluate its graph too, gives gradients.

    Args:
        content: bytes of the file, with the weights inside.

    Raises:
        UserError: the bytes are no such model, or the extra `onnx` is not installed.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        runtime = import_onnx("onnxruntime")
        try:
            self.session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises errors of its own
            first = next(iter(str(error).splitlines()), type(error).__name__)
            raise UserError(f"ONNX Runtime refuses the model: {first}") from error
        if len(inputs := self.session.get_inputs()) != 1 or inputs[0].type != "tensor(float)":
            kinds = ", ".join(f"{one.name} {one.type}" for one in inputs)
            raise UserError(f"the model takes {kinds or 'nothing'}, and one input tensor(float) is needed")
        self.input = inputs[0]

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """Return the first output for inputs of shape (n, channels, height, width); one by one if the model says so.

        Raises:
            UserError: the inputs do not fit the model.
        """
        batches = np.split(inputs, len(inputs)) if self.input.shape[0] == 1 else [inputs]
        try:
            return np.concatenate([self.session.run(None, {self.input.name: batch})[0] for batch in batches])
        except Exception as error:  # ONNX Runtime raises errors of its own
            first = next(iter(str(error).splitlines()), type(error).__name__)
            raise UserError(f"the model takes images of shape {self.input.shape}: {first}") from error

    def convert(self) -> OnnxNetwork:
        """Return the same model as a torch module.

        Raises:
            ValueError: torch cannot evaluate the graph; the message says why.
        """
        onnx = import_onnx("onnx")
        return OnnxNetwork(onnx.load_model_from_string(self.content)).eval()

    def why_without_gradients(self, inputs: np.ndarray) -> str:
        """Return why there are no gradients: torch does not evaluate the graph as ONNX Runtime does; empty if it does.

        Args:
            inputs: inputs that both are compared on, shape (n, channels, height, width).
        """
        try:
            with torch.no_grad():
                converted = self.convert()(torch.from_numpy(inputs)).flatten(1).numpy()
        except Exception as error:  # a graph may ask for what torch cannot do in many ways
            return f"there are no gradients of the ONNX file: {error}"
        expected = self.run(inputs).reshape(len(inputs), -1)
        difference = np.abs(converted - expected).max() / max(float(np.linalg.norm(expected, axis=1).max()), 1e-12)
        if difference <= TOLERANCE:
            return ""
        return f"there are no gradients of the ONNX file: torch's outputs differ by {difference:.2g}"


def import_onnx(name: str) -> ModuleType | Any:
    """Import a library of the extra `onnx`.

    Raises:
        UserError: it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(f"ONNX files need {name}: install the extra with `pip install 'veilbench[onnx]'`") from error
