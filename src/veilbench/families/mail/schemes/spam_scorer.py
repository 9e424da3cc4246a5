"""Common interface of all spam filters."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from veilbench.bench.trained_model import TrainedModel


class SpamScorer(TrainedModel):
    """A filter that scores mails by their word numbers."""

    @abstractmethod
    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Map word numbers of shape (n, length) to logits of spam, shape (n,), float64; above 0 is spam."""

    def score(self, tokens: np.ndarray) -> np.ndarray:
        """Map word numbers of shape (n, length) to probabilities of spam, shape (n,), float64."""
        from scipy.special import expit

        probabilities: np.ndarray = expit(self.logits(tokens))
        return probabilities
