"""The attacker's language model, fitted once for all attacked texts."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

import numpy as np

from veilbench.families.ciphers.attacks.ngrams import NGramModel, with_capitals

_LOCK = Lock()  # texts are attacked in parallel: the first thread fits the model, the others wait


def language(auxiliary: np.ndarray, order: int) -> NGramModel:
    """Fit a model to the auxiliary text, shape (length,), uint8, with parts repeated in capitals; cached."""
    with _LOCK:
        return _fitted(auxiliary.tobytes(), order)


@lru_cache(maxsize=2)
def _fitted(auxiliary: bytes, order: int) -> NGramModel:
    return NGramModel.fit(with_capitals(np.frombuffer(auxiliary, np.uint8)), order)
