"""Interfaces of models on rows, which encode, score or restore them.

Rows are float32 arrays of shape (n, *shape): (n, features) for tables and signals, (n, channels, height, width) for
images.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.trained_model import TrainedModel

if TYPE_CHECKING:
    from torch import Tensor

    from veilbench.corruptions.base import Corruption


AT_ONCE = 100_000  # rows to score at a time


class Representation(TrainedModel):
    """Encodes rows, and decodes rows from codes."""

    @abstractmethod
    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Encode rows, shape (n, *shape) to (n, code), float32."""

    @abstractmethod
    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Decode codes, shape (n, code) to (n, *shape), float32."""

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """Encode rows and decode them again, shape (n, *shape), float32."""
        return self.decode(self.encode(rows))

    def infer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Reconstruct rows, shape (n, *shape), as `reconstruction`; a detector also gives each row's `score`."""
        scored = {"score": self.score(inputs)} if isinstance(self, Detector) else {}
        return {"reconstruction": self.reconstruct(inputs), **scored}


class Detector(TrainedModel):
    """Scores rows: the higher, the more anomalous."""

    @abstractmethod
    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64."""

    def infer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Score rows, shape (n, *shape), as `score`, shape (n,); the higher, the more anomalous."""
        return {"score": self.score(inputs)}

    def feature_scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the contribution of each feature to the score, shape (n, *shape).

        Raises:
            NotImplementedError: the score is not a sum over features.
        """
        raise NotImplementedError(f"the score of {type(self).__name__} is not made of features' parts")


def score_in_parts(detector: Detector, rows: np.ndarray) -> np.ndarray:
    """Score rows, shape (n, *shape) to (n,), float64, at most `AT_ONCE` at a time, to bound the memory."""
    if len(rows) <= AT_ONCE:
        return np.asarray(detector.score(rows), np.float64)
    parts = np.split(rows, range(AT_ONCE, len(rows), AT_ONCE))
    return np.concatenate([np.asarray(detector.score(part), np.float64) for part in parts])


class DifferentiableDetector(Detector):
    """A detector whose score has a gradient, for white-box attacks."""

    @abstractmethod
    def score_tensor(self, rows: Tensor) -> Tensor:
        """Return `score` on tensors, shape (n, *shape) to (n,); differentiable in `rows`."""


class Restorer(TrainedModel):
    """Restores corrupted images.

    Attributes:
        each_channel: whether a restorer of grey images restores each channel of a colour image by itself.
    """

    each_channel = False

    @abstractmethod
    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        """Restore corrupted rows, shape (n, *shape), float32."""

    def for_corruption(self, corruption: Corruption) -> Restorer:
        """Return a restorer that knows the corruption and its settings; itself if that changes nothing."""
        return self

    def infer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Restore corrupted rows, shape (n, *shape), as `restored`, same shape."""
        return {"restored": self.restore_rows(inputs)}
