"""The interfaces of everything that works on rows: it codes them, scores them, or restores them.

Rows are float32 arrays of shape (n, *shape): (n, features) for tables and signals, (n, channels, height, width) for
images.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.subject import Subject

if TYPE_CHECKING:
    from torch import Tensor


class Representation(Subject):
    """Codes rows, and gives rows back from codes."""

    @abstractmethod
    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Shape (n, *shape) to (n, code), float32."""

    @abstractmethod
    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Shape (n, code) to (n, *shape), float32."""

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """The rows through the code and back."""
        return self.decode(self.encode(rows))


class Detector(Subject):
    """Scores rows: the higher, the odder."""

    @abstractmethod
    def score(self, rows: np.ndarray) -> np.ndarray:
        """Shape (n, *shape) to (n,), float64."""

    def feature_scores(self, rows: np.ndarray) -> np.ndarray:
        """How much each feature adds to the score, shape (n, *shape).

        Raises:
            NotImplementedError: the score is not made of parts.
        """
        raise NotImplementedError(f"the score of {type(self).__name__} is not made of features' parts")


class DifferentiableDetector(Detector):
    """A detector whose score has a gradient, for white-box attacks."""

    @abstractmethod
    def score_tensor(self, rows: Tensor) -> Tensor:
        """`score` on tensors, shape (n, *shape) to (n,); differentiable in `rows`."""


class Restorer(Subject):
    """Undoes what a corruption did to images."""

    @abstractmethod
    def restored(self, rows: np.ndarray) -> np.ndarray:
        """Corrupted rows to restored ones, shape (n, *shape) both."""
