"""Inference with an ONNX file by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from veilbench.bench.errors import UserError

AT_ONCE = 1024  # rows per call of a graph whose batch size is free, to bound the memory


class OnnxGraph:
    """A network as an ONNX file, with one input and at least one output; the first output counts.

    The graph runs on the CPU. A fixed batch size is filled up by repeating the last row.

    Args:
        content: the bytes of the file, without external data.
        where: name of the file, for error messages.

    Raises:
        UserError: ONNX Runtime is not installed, or cannot load the graph, or the graph has several inputs.
    """

    def __init__(self, content: bytes, where: str) -> None:
        self.content, self.where = content, where
        self.session = _open(content, where)
        if len(inputs := self.session.get_inputs()) != 1 or inputs[0].type != "tensor(float)":
            given = ", ".join(f"{one.name}: {one.type}" for one in inputs)
            raise UserError(f"{where} is not allowed: one input of tensor(float) is needed, and it has {given}")
        self.name, shape = inputs[0].name, inputs[0].shape
        self.batch = shape[0] if shape and isinstance(shape[0], int) else None

    @classmethod
    def read(cls, path: str) -> OnnxGraph:
        """Read a graph from a file.

        Raises:
            UserError: the file is missing, or is no graph that ONNX Runtime can run.
        """
        if not Path(path).is_file():
            raise UserError(f"{path}: there is no such file")
        return cls(Path(path).read_bytes(), path)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Apply the graph to rows, shape (n, ...) to (n, ...), float32.

        Raises:
            UserError: the rows do not fit the graph's input, or the graph gives something else than one row for each.
        """
        size = self.batch or AT_ONCE
        parts = [self._run(rows[start : start + size]) for start in range(0, len(rows), size)]
        return np.concatenate(parts)

    def _run(self, rows: np.ndarray) -> np.ndarray:
        missing = self.batch - len(rows) if self.batch else 0
        filled = np.concatenate([rows, np.repeat(rows[-1:], missing, 0)]) if missing else rows
        try:
            made = np.asarray(self.session.run(None, {self.name: np.ascontiguousarray(filled, np.float32)})[0])
        except Exception as error:  # ONNX Runtime's errors have no common class
            raise UserError(
                f"{self.where} cannot run on rows of shape {rows.shape[1:]}: {_first_line(error)}"
            ) from error
        if made.ndim < 2 or len(made) != len(filled):
            raise UserError(f"{self.where} makes an output of shape {made.shape} from {len(filled)} rows: one each")
        return made[: len(rows)].astype(np.float32)


def _open(content: bytes, where: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"{where} needs the package onnxruntime: pip install 'veilbench[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError(f"{where} is no graph that ONNX Runtime can run: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
