"""Loading of weights from a file into a network, with checks that name the first array that does not fit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.limits import LARGEST_VALUE


def load_weights(net: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Set a network's state from arrays, which are copied.

    Args:
        net: network with the architecture that the weights belong to.
        arrays: one array for each name in the network's state, and no others.

    Raises:
        ValueError: an array is missing or unknown, has another shape or type, or has values that are not finite or too
        large.
    """
    state = net.state_dict()
    if unknown := sorted(arrays.keys() - state.keys()):
        raise ValueError(f"the array {unknown[0]} is none of this net, which has {len(state)} others")
    for name, weight in state.items():
        low = 0 if name.endswith("running_var") or not weight.is_floating_point() else -LARGEST_VALUE
        dtype = weight.numpy().dtype.type
        if name not in arrays:
            raise ValueError(f"the array {name} is missing")
        shape = tuple(weight.shape) or (1,)  # a scalar is saved with shape (1,)
        require_array({name: np.atleast_1d(arrays[name])}, name, dtype, shape, low=low, high=LARGEST_VALUE)
    net.load_state_dict({name: torch.from_numpy(arrays[name].copy()).view(w.shape) for name, w in state.items()})
