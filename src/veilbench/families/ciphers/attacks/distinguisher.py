"""A distinguisher between two messages, learned from games whose coin is known."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


class Distinguisher:
    """Logistic regression on the clues, or on the first few alone, whichever does better on held-out games.

    Args:
        games: pairs of a coin, 0 or 1, and clues, shape (clues,); both coins occur often enough to hold some out.
        few: how many clues the smaller model sees. Many useless clues drown one good one when games are few.
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

    def wins(self, games: list[tuple[int, np.ndarray]]) -> int:
        """How many games' coins it names rightly."""
        coins, clues = (np.array(column) for column in zip(*games, strict=True))
        return int((self._model.predict(clues[:, : self._width]) == coins).sum())
