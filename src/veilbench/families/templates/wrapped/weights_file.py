"""Weights of torch modules from files; nothing in a file is executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from veilbench.bench.errors import UserError

SUFFIXES = (".safetensors", ".pt", ".pth")


def read_weights(path: str) -> dict[str, Tensor]:
    """Read a state dict from a .safetensors, .pt or .pth file.

    The last two are read with `weights_only`, which refuses everything but tensors and plain containers. A state dict
    may also lie in the file under the key `state_dict`, as in checkpoints.

    Raises:
        UserError: the file is missing, damaged, or holds something else.
    """
    if not Path(path).is_file():
        raise UserError(f"weights={path}: there is no such file")
    try:
        safe = Path(path).suffix.lower() == ".safetensors"
        content = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, zipfile, pickle and torch raise errors of their own on a damaged file
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"weights={path} cannot be read as tensors alone: {first}") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"weights={path} holds no state dict: a mapping from names to tensors is needed")
    return dict(content)


def convert_weights(weights: Mapping[str, Tensor], net: nn.Module) -> dict[str, np.ndarray]:
    """Return weights as arrays of the types that a network has; names that it lacks are left for `load_weights`."""
    types = {name: tensor.dtype for name, tensor in net.state_dict().items()}
    return {name: tensor.to(types.get(name, torch.float32)).numpy() for name, tensor in weights.items()}
