"""A filter as a user may bring it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


class Shouting:
    """Takes a mail for spam if it contains a word."""

    classes_ = np.array(["ham", "spam"])

    def __init__(self, word: str = "prize") -> None:
        self.word = word

    def fit(self, texts: Sequence[str], labels: np.ndarray) -> Self:
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        spam = np.array([0.9 if self.word in text.split() else 0.2 for text in texts])
        return np.stack([1 - spam, spam], 1)


def build(strength: float = 1.0) -> Any:
    return make_pipeline(CountVectorizer(binary=True), LogisticRegression(C=strength, max_iter=50))
