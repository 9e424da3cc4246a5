"""Gradients of ONNX files: every operator computes what ONNX Runtime computes; what has none says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from finished_net import Finished

from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.impersonation import TemplateImpersonation
from veilbench.families.templates.attacks.inversion import TemplateInversion
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.differentiable import has_gradients
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.open_features import DifferentiableOpenFeatures, OpenFeatures
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.families.templates.wrapped.onnx_extractor import OnnxExtractor
from veilbench.families.templates.wrapped.onnx_network import OnnxNetwork
from veilbench.families.templates.wrapped.onnx_operators import OPERATORS

onnx = pytest.importorskip("onnx")
helper, numpy_helper = pytest.importorskip("onnx.helper"), pytest.importorskip("onnx.numpy_helper")
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 3, 6, 6)).astype(np.float32)
Arrays = list[Any]


def graph_of(operator: str, more: Arrays, attributes: dict[str, Any]) -> bytes:
    """An ONNX file of one operator, whose first input is the graph's and whose others are stored."""
    names = [f"w{i}" for i in range(len(more))]
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in zip(names, more, strict=True)]
    nodes = [helper.make_node(operator, ["x", *names], ["y"], **attributes)]
    output = onnx.TensorProto.INT64 if operator == "Shape" else onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, X.shape)]
    graph = helper.make_graph(nodes, "one", ends, [helper.make_tensor_value_info("y", output, None)], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def drawn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


CASES: list[tuple[str, Arrays, dict[str, Any]]] = [
    ("Conv", [drawn(4, 3, 3, 3), drawn(4)], {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
    ("Conv", [drawn(3, 1, 3, 3)], {"group": 3, "dilations": [2, 2]}),
    ("MaxPool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 0, 0], "strides": [2, 2]}),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ("AveragePool", [], {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("BatchNormalization", [drawn(3), drawn(3), drawn(3), drawn(3) ** 2], {"epsilon": 1e-3}),
    ("MatMul", [drawn(6, 4)], {}),
    ("PRelu", [np.abs(drawn(3, 1, 1))], {}),
    ("LeakyRelu", [], {"alpha": 0.3}),
    ("HardSigmoid", [], {"alpha": 0.3, "beta": 0.4}),
    ("Clip", [np.float32(-0.5), np.float32(0.7)], {}),
    ("Pad", [np.array([0, 0, 1, 2, 0, 0, 3, 0]), np.float32(0.5)], {}),
    ("Flatten", [], {"axis": 2}),
    ("Reshape", [np.array([0, -1, 2])], {}),
    ("Transpose", [], {"perm": [0, 2, 3, 1]}),
    ("Gather", [np.array([[2, 0], [1, 1]])], {"axis": 1}),
    ("Concat", [drawn(2, 1, 6, 6)], {"axis": 1}),
    ("Unsqueeze", [np.array([1])], {}),
    ("ReduceMean", [], {"axes": [2, 3], "keepdims": 0}),
    ("ReduceSum", [np.array([1])], {}),
    ("ReduceL2", [], {"axes": [1]}),
    ("LpNormalization", [], {"axis": 1}),
    ("Softmax", [], {"axis": 1}),
    ("Sqrt", [], {}),
    ("Pow", [np.float32(2)], {}),
    *((name, [drawn(3, 1, 1) + 3], {}) for name in ("Add", "Sub", "Mul", "Div")),
    *((name, [], {}) for name in ("Relu", "Sigmoid", "Tanh", "Exp", "Abs", "Neg", "Identity", "HardSwish", "Shape")),
    *((name, [], {}) for name in ("GlobalAveragePool", "Dropout")),
]


@pytest.mark.parametrize(("operator", "more", "attributes"), CASES, ids=[case[0] for case in CASES])
def test_an_operator_is_that_of_onnx_runtime(operator: str, more: Arrays, attributes: dict[str, Any]) -> None:
    import onnxruntime

    content = graph_of(operator, more, attributes)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {"x": X})
    found = OnnxNetwork.of(content)(torch.from_numpy(X))
    assert tuple(found.shape) == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-5)


def test_no_operator_is_listed_without_a_test() -> None:
    shown_elsewhere = {"Gemm", "Constant", "Squeeze"}  # they take matrices, nothing, and axes of length 1
    assert OPERATORS.keys() - {case[0] for case in CASES} == shown_elsewhere


@pytest.fixture(scope="module")
def without_gradients(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same network with the sine of its embeddings, which is not among the operators."""
    model = onnx.load(finished.path("net.onnx"))
    output = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Sin", [output], ["waved"]))
    model.graph.output[0].name = "waved"
    path = tmp_path_factory.mktemp("waved") / "waved.onnx"
    onnx.save(model, path)
    return str(path)


def test_attacks_go_other_ways_without_gradients(without_gradients: str, people: dict[str, Identities]) -> None:
    data = people["net.onnx"]
    scheme = RawTemplate(OnnxExtractor(without_gradients)).fit(data, np.random.default_rng(0))
    assert scheme.lacks()["gradients"].endswith("has no gradients: the operator Sin has no gradients here")
    assert not has_gradients(scheme)
    assert type(OpenFeatures.of(scheme)) is OpenFeatures
    threat = ThreatModel(auxiliary_data=True, own_keys=True, weights=True, score_queries=True, key=True)
    control = RawTemplate(ImageExtractor("pixels", None))
    assert TemplateInversion(threat, control)._way_to_search(scheme) == ""
    attack = TemplateImpersonation(threat, control)
    assert not attack.white_box(scheme)


def test_the_same_file_with_gradients_is_searched(finished: Finished, people: dict[str, Identities]) -> None:
    scheme = RawTemplate(OnnxExtractor(finished.path("net.onnx"))).fit(people["net.onnx"], np.random.default_rng(0))
    assert type(OpenFeatures.of(scheme)) is DifferentiableOpenFeatures
    threat = ThreatModel(auxiliary_data=True, own_keys=True, weights=True)
    assert TemplateInversion(threat, RawTemplate(ImageExtractor()))._way_to_search(scheme) == "white_box"


def test_a_network_that_differs_from_onnx_runtime_has_no_gradients(
    finished: Finished, people: dict[str, Identities], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPERATORS, "MaxPool", lambda x, **_: x[:, :, ::2, ::2])
    extractor = OnnxExtractor(finished.path("net.onnx")).fit(people["net.onnx"].train.images, RNG)
    assert extractor.lacks()["gradients"].endswith("torch's outputs differ")
