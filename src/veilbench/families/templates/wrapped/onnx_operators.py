"""The operators of ONNX that networks for images use, as differentiable torch functions.

Each function takes the operator's inputs in order, and its attributes by name; attributes without an effect on the
result are taken and ignored. What they compute is stated in the ONNX operator schemas, https://onnx.ai/onnx/operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    auto_pad: bytes = b"NOTSET",
    kernel_shape: object = None,
) -> Tensor:
    """Convolve images, shape (n, c, h, w)."""
    _require_pads(auto_pad)
    return functional.conv2d(_pad(x, pads), weight, bias, tuple(strides), 0, tuple(dilations), group)


def pool_maximum(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    ceil_mode: int = 0,
    auto_pad: bytes = b"NOTSET",
    storage_order: int = 0,
) -> Tensor:
    """Return the maximum of each window, shape (n, c, h, w)."""
    _require_pads(auto_pad)
    padded = _pad(x, pads, float("-inf"))
    pooled = functional.max_pool2d(padded, tuple(kernel_shape), tuple(strides), 0, tuple(dilations), bool(ceil_mode))
    return torch.as_tensor(pooled)


def pool_average(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    auto_pad: bytes = b"NOTSET",
) -> Tensor:
    """Return the mean of each window, shape (n, c, h, w)."""
    _require_pads(auto_pad)
    if tuple(pads[:2]) != tuple(pads[2:]):
        raise NotImplementedError(f"AveragePool with pads={list(pads)}")
    kernel, stride, padding = (tuple(part) for part in (kernel_shape, strides, pads[:2]))
    return functional.avg_pool2d(x, kernel, stride, padding, bool(ceil_mode), bool(count_include_pad))


def normalise_batch(
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Tensor:
    """Normalise channels by stored moments, shape (n, c, ...)."""
    return functional.batch_norm(x, mean, variance, scale, bias, False, 0.0, epsilon)


def multiply_general(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Tensor:
    """Return alpha a b + beta c, shape (n, m)."""
    product = alpha * ((a.T if transA else a) @ (b.T if transB else b))
    return product if c is None else product + beta * c


def reshape(x: Tensor, shape: Tensor, *, allowzero: int = 0) -> Tensor:
    """Reshape; a length of 0 keeps that of the input."""
    lengths = [x.shape[axis] if length == 0 and not allowzero else length for axis, length in enumerate(shape.tolist())]
    return x.reshape(lengths)


def flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    """Return a matrix: the axes from `axis` on become columns."""
    return x.reshape(int(torch.tensor(x.shape[:axis]).prod()), -1)


def transpose(x: Tensor, *, perm: Sequence[int] | None = None) -> Tensor:
    """Permute the axes; reverse them by default."""
    return x.permute(*(perm or reversed(range(x.ndim))))


def clip(x: Tensor, low: Any = None, high: Any = None, *, min: Any = None, max: Any = None) -> Tensor:
    """Limit values to a range, which older operator sets give as attributes."""
    low, high = (given if given is not None else attribute for given, attribute in ((low, min), (high, max)))
    return x if low is None and high is None else torch.clamp(x, low, high)


def pad(
    x: Tensor, pads: Tensor, value: Tensor | None = None, axes: object = None, *, mode: bytes = b"constant"
) -> Tensor:
    """Pad the last two axes with a constant."""
    lengths, n = pads.tolist(), x.ndim
    if mode != b"constant" or axes is not None or any(lengths[axis] or lengths[axis + n] for axis in range(n - 2)):
        raise NotImplementedError(f"Pad with mode={mode.decode()}, pads={lengths}")
    return _pad(x, [*lengths[n - 2 : n], *lengths[2 * n - 2 :]], 0.0 if value is None else float(value))


def reduce_with(work: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return an operator that reduces the axes given as input or as attribute, by a torch function."""

    def reduce(x: Tensor, given: Tensor | None = None, *, axes: Any = None, keepdims: int = 1, **_: int) -> Tensor:
        chosen = axes if given is None else given.tolist()
        return work(x, dim=tuple(chosen or range(x.ndim)), keepdim=bool(keepdims))

    return reduce


def unsqueeze(x: Tensor, given: Tensor | None = None, *, axes: Any = None) -> Tensor:
    """Insert axes of length 1."""
    for axis in sorted(axes if given is None else given.tolist()):
        x = x.unsqueeze(axis)
    return x


def squeeze(x: Tensor, given: Tensor | None = None, *, axes: Any = None) -> Tensor:
    """Remove axes of length 1."""
    chosen = axes if given is None else given.tolist()
    return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))


def gather(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    """Select along an axis, by indices of any shape."""
    selected = x.index_select(axis, indices.flatten().long())
    return selected.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def scale_to_length(x: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    """Scale vectors along an axis to length 1."""
    return functional.normalize(x, p, axis)


def _pad(x: Tensor, pads: Sequence[int], value: float = 0.0) -> Tensor:
    """Pad the last two axes by (top, left, bottom, right)."""
    top, left, bottom, right = pads
    return functional.pad(x, [left, right, top, bottom], value=value) if any(pads) else x


def _require_pads(auto_pad: bytes) -> None:
    if auto_pad not in (b"NOTSET", b"VALID"):
        raise NotImplementedError(f"auto_pad={auto_pad.decode()}")


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "AveragePool": pool_average,
    "BatchNormalization": normalise_batch,
    "Clip": clip,
    "Concat": lambda *parts, axis: torch.cat(parts, axis),
    "Constant": lambda *, value: value,
    "Conv": convolve,
    "Div": torch.div,
    "Dropout": lambda x, *_, **__: x,  # networks are applied, not trained
    "Exp": torch.exp,
    "Flatten": flatten,
    "Gather": gather,
    "Gemm": multiply_general,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "HardSigmoid": lambda x, *, alpha=0.2, beta=0.5: torch.clamp(alpha * x + beta, 0, 1),
    "HardSwish": functional.hardswish,
    "Identity": lambda x: x,
    "LeakyRelu": lambda x, *, alpha=0.01: functional.leaky_relu(x, alpha),
    "LpNormalization": scale_to_length,
    "MatMul": torch.matmul,
    "MaxPool": pool_maximum,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "PRelu": lambda x, slope: torch.where(x >= 0, x, slope * x),
    "Pad": pad,
    "Pow": torch.pow,
    "ReduceL2": reduce_with(torch.linalg.vector_norm),
    "ReduceMean": reduce_with(torch.mean),
    "ReduceSum": reduce_with(torch.sum),
    "Relu": torch.relu,
    "Reshape": reshape,
    "Shape": lambda x: torch.tensor(x.shape),
    "Sigmoid": torch.sigmoid,
    "Softmax": lambda x, *, axis=-1: torch.softmax(x, axis),
    "Sqrt": torch.sqrt,
    "Squeeze": squeeze,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
