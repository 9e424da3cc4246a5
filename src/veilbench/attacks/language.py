"""The language model of an attacker, fitted once for all texts that it attacks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from veilbench.attacks.ngrams import NGramModel


def language(auxiliary: np.ndarray, order: int) -> NGramModel:
    """A model of the auxiliary text, shape (length,), uint8; the last few are kept."""
    return _fitted(auxiliary.tobytes(), order)


@lru_cache(maxsize=2)
def _fitted(auxiliary: bytes, order: int) -> NGramModel:
    return NGramModel.fit(np.frombuffer(auxiliary, np.uint8), order)
