"""What every filter can do, whatever it is made of."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from veilbench.bench.subject import Subject


class SpamScorer(Subject):
    """Scores mails by their words' numbers."""

    @abstractmethod
    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Word numbers of shape (n, length) to logits of spam, shape (n,), float64; above 0 is spam."""
