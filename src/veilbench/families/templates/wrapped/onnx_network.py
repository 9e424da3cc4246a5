"""An ONNX graph as a torch module, for gradients.

Converters from ONNX to torch exist, but those in use load torchvision, whose compiled operators must match the build of
torch. The graphs of image encoders consist of few operators, which `onnx_operators` lists.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from veilbench.bench.errors import UserError
from veilbench.families.templates.wrapped.onnx_operators import OPERATORS
from veilbench.nets.onnx_graph import OnnxGraph

TOLERANCE = 1e-3  # largest difference between ONNX Runtime and torch, relative to the length of an output


class OnnxNetwork(nn.Module):
    """Evaluates the nodes of an ONNX graph in order; differentiable in its input.

    Args:
        model: parsed file, an `onnx.ModelProto`, with one input and weights inside.

    Raises:
        ValueError: an operator is not among `OPERATORS`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        graph = model.graph
        names = [f"{node.domain}.{node.op_type}".lstrip(".") for node in graph.node]
        if unknown := sorted(set(names) - OPERATORS.keys()):
            raise ValueError(f"the operator {unknown[0]} has no gradients here")
        weights = {one.name: _to_tensor(one) for one in graph.initializer}
        self.weights = nn.ParameterDict({str(i): nn.Parameter(t, False) for i, t in enumerate(weights.values())})
        self.weight_names = list(weights)
        self.nodes = [(node.op_type, list(node.input), list(node.output), _attributes(node)) for node in graph.node]
        self.input = next(one.name for one in graph.input if one.name not in weights)
        self.output = graph.output[0].name

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return the network of an ONNX file.

        Args:
            content: bytes of the file, with the weights inside.

        Raises:
            UserError: the package onnx is not installed.
            ValueError: the graph has an operator that is not among `OPERATORS`.
        """
        try:
            import onnx
        except ImportError as error:
            raise UserError("gradients of ONNX files need the package onnx: pip install 'veilbench[onnx]'") from error
        return cls(onnx.load_model_from_string(content)).eval()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the graph's first output, shape (n, ...)."""
        values: dict[str, Any] = {"": None, self.input: inputs}  # an empty name stands for an input left out
        values |= dict(zip(self.weight_names, self.weights.values(), strict=True))
        for operator, taken, made, attributes in self.nodes:
            values[made[0]] = OPERATORS[operator](*(values[name] for name in taken), **attributes)
        result: Tensor = values[self.output]
        return result


def why_without_gradients(graph: OnnxGraph, inputs: np.ndarray) -> str:
    """Return why there are no gradients: torch does not evaluate a graph as ONNX Runtime does; empty if it does.

    Args:
        graph: the graph in ONNX Runtime.
        inputs: inputs that both are compared on, shape (n, channels, height, width).
    """
    expected = graph(inputs).reshape(len(inputs), -1)
    try:
        with torch.no_grad():
            converted = OnnxNetwork.of(graph.content)(torch.from_numpy(inputs)).flatten(1).numpy()
        difference = float(np.abs(converted - expected).max() / np.linalg.norm(expected, axis=1).max())
    except Exception as error:  # a graph may ask for what torch cannot do in many ways
        return f"{graph.where} has no gradients: {error}"
    return "" if difference <= TOLERANCE else f"{graph.where} has no gradients: torch's outputs differ"


def _attributes(node: Any) -> dict[str, Any]:
    """Return a node's attributes by their names; tensors become torch's."""
    from onnx import TensorProto
    from onnx.helper import get_attribute_value

    values = {attribute.name: get_attribute_value(attribute) for attribute in node.attribute}
    return {name: _to_tensor(value) if isinstance(value, TensorProto) else value for name, value in values.items()}


def _to_tensor(proto: Any) -> Tensor:
    from onnx.numpy_helper import to_array

    return torch.from_numpy(np.array(to_array(proto)))
