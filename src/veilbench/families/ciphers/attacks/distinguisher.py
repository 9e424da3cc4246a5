"""A learned distinguisher between two messages."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


class Distinguisher:
    """Logistic regression on all features or on the first few, whichever scores higher in cross-validation.

    Two models are compared because in a small training set, many uninformative features can hide a good one.

    Args:
        games: training games, each as the coin, 0 or 1, and the features, shape (features,). Both coins must occur
            often enough for four-fold cross-validation.
        few: number of features of the smaller model.
    """

    def __init__(self, games: list[tuple[int, np.ndarray]], few: int = 3) -> None:
        coins, clues = (np.array(column) for column in zip(*games, strict=True))
        candidates = [
            (width, make_pipeline(StandardScaler(), LogisticRegression(C=weight, max_iter=1000)))
            for width, weight in ((few, 10.0), (clues.shape[1], 0.1))
        ]
        scores = [cross_val_score(model, clues[:, :width], coins, cv=4).mean() for width, model in candidates]
        self._width, self._model = candidates[int(np.argmax(scores))]
        self._model.fit(clues[:, : self._width], coins)

    def count_wins(self, games: list[tuple[int, np.ndarray]]) -> int:
        """Return the number of games whose coin is predicted correctly."""
        coins, clues = (np.array(column) for column in zip(*games, strict=True))
        return int((self._model.predict(clues[:, : self._width]) == coins).sum())
