"""The language model of an attacker, fitted once for all texts that it attacks."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

import numpy as np

from veilbench.families.ciphers.attacks.ngrams import NGramModel, with_capitals

_LOCK = Lock()  # the attack works on several texts at once; the first one fits, the others wait


def language(auxiliary: np.ndarray, order: int) -> NGramModel:
    """A model of the auxiliary text, shape (length,), uint8, with some of it in capitals; the last few are kept."""
    with _LOCK:
        return _fitted(auxiliary.tobytes(), order)


@lru_cache(maxsize=2)
def _fitted(auxiliary: bytes, order: int) -> NGramModel:
    return NGramModel.fit(with_capitals(np.frombuffer(auxiliary, np.uint8)), order)
