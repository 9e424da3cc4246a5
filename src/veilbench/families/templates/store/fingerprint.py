"""Identification of a model by a fingerprint of its class, settings and arrays."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from veilbench.bench.trained_model import TrainedModel


def fingerprint(model: TrainedModel) -> str:
    """Return a hash (BLAKE2b, 32 hexadecimal digits) of all that templates depend on except for image and key."""
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    digest = hashlib.blake2b(json.dumps([kind, model.settings()], sort_keys=True).encode(), digest_size=16)
    for name, array in sorted(model.arrays().items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
