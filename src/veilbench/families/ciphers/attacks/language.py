"""The attacker's language model, fitted once for all attacked texts."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

import numpy as np

from veilbench.families.ciphers.attacks.ngrams import NGramModel
from veilbench.families.ciphers.attacks.typography import add_capitals, add_quotations

_LOCK = Lock()  # texts are attacked in parallel: the first thread fits the model, the others wait


def fit_language_model(auxiliary: np.ndarray, order: int) -> NGramModel:
    """Fit an n-gram model to a text and copies of parts of it in capitals and quoted; the last two models are cached.

    Args:
        auxiliary: symbols of the text, shape (length,), uint8.
        order: length of the longest n-gram in characters.
    """
    with _LOCK:
        return _fit(auxiliary.tobytes(), order)


def fit_bigrams(auxiliary: np.ndarray) -> NGramModel:
    """Fit a bigram model to a text as it is; the last two models are cached.

    Args:
        auxiliary: symbols of the text, shape (length,), uint8.
    """
    with _LOCK:
        return _fit_bigrams(auxiliary.tobytes())


@lru_cache(maxsize=2)
def _fit_bigrams(auxiliary: bytes) -> NGramModel:
    return NGramModel.fit(np.frombuffer(auxiliary, np.uint8), 2)


@lru_cache(maxsize=2)
def _fit(auxiliary: bytes, order: int) -> NGramModel:
    return NGramModel.fit(add_capitals(add_quotations(np.frombuffer(auxiliary, np.uint8))), order)
