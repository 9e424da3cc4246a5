"""Weights from a file into a net: each is as the net must have it, or the line says which one is not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.limits import LARGEST_VALUE


def load_weights(net: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Set a net's state. The arrays are copied.

    Args:
        net: of the shape that the weights are of.
        arrays: by the names of the net's state, and no others.

    Raises:
        ValueError: one is missing or too many, or of another shape or type, not finite or beyond every use.
    """
    state = net.state_dict()
    if unknown := sorted(arrays.keys() - state.keys()):
        raise ValueError(f"the array {unknown[0]} is none of this net, which has {len(state)} others")
    for name, weight in state.items():
        low = 0 if name.endswith("running_var") or not weight.is_floating_point() else -LARGEST_VALUE
        dtype = weight.numpy().dtype.type
        if name not in arrays:
            raise ValueError(f"the array {name} is missing")
        shape = tuple(weight.shape) or (1,)  # a single number is saved as a row of one
        require_array({name: np.atleast_1d(arrays[name])}, name, dtype, shape, low=low, high=LARGEST_VALUE)
    net.load_state_dict({name: torch.from_numpy(arrays[name].copy()).view(w.shape) for name, w in state.items()})
