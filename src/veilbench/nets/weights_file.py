"""Reading of a network's weights from a file that somebody has trained elsewhere; nothing is unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from veilbench.bench.errors import UserError

PICKLED = (".pt", ".pth", ".ckpt", ".bin")
SUFFIXES = (".safetensors", *PICKLED)
STATE = "state_dict"  # where Lightning and many training scripts keep the weights within a checkpoint


def read_weights(path: str) -> dict[str, np.ndarray]:
    """Read the state dict of a network as arrays by the parameters' names.

    Args:
        path: path of a `.safetensors` file, or of a `.pt`, `.pth`, `.ckpt` or `.bin` file that holds a state dict or a
            checkpoint with a `state_dict`; these are read by `torch.load` with `weights_only=True`.

    Raises:
        UserError: the file is missing or damaged, has another suffix, or holds anything but tensors.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"weights={path}: there is no such file")
    if file.suffix not in SUFFIXES:
        raise UserError(f"weights={path} is not allowed: the name must end in {', '.join(SUFFIXES)}")
    try:
        content: Any = load_file(file) if file.suffix not in PICKLED else torch.load(file, "cpu", weights_only=True)
    except Exception as error:  # both libraries raise errors of their own on a damaged file
        raise UserError(f"weights={path} cannot be read: {str(error).splitlines()[0]}") from error
    return _as_arrays(content, path)


def _as_arrays(content: Any, path: str) -> dict[str, np.ndarray]:
    state = content.get(STATE, content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"weights={path} is not allowed: a state dict is needed, a tensor for each parameter's name")
    halves = (torch.bfloat16, torch.float16)  # NumPy does not know the first
    return {name: (value.float() if value.dtype in halves else value).numpy() for name, value in state.items()}
