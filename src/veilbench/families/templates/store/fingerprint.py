"""Identification of a model by a fingerprint of its class, settings and arrays."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from veilbench.bench.subject import Subject


def fingerprint(subject: Subject) -> str:
    """Return 32 hexadecimal digits (BLAKE2b) of everything that templates depend on, except for the user's key."""
    kind = f"{type(subject).__module__}.{type(subject).__qualname__}"
    found = hashlib.blake2b(json.dumps([kind, subject.settings()], sort_keys=True).encode(), digest_size=16)
    for name, array in sorted(subject.arrays().items()):
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
