"""Common interface of all spam filters."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from veilbench.bench.trained_model import TrainedModel, unsupported


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

    @unsupported("it knows no words")
    def score_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Compute the probability of spam of each text, shape (n,), float64.

        Raises:
            NotImplementedError: the filter scores word numbers alone.
        """
        raise NotImplementedError(f"{type(self).__name__} knows no words")

    def infer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Score mails.

        Args:
            inputs: texts of mails, shape (n,).

        Returns:
            `spam`: the probability that each mail is spam, shape (n,).
        """
        return {"spam": self.score_texts([str(text) for text in inputs])}
