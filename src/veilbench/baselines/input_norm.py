"""The plainest detector: how long is the row?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.representations.base import DifferentiableDetector

if TYPE_CHECKING:
    from torch import Tensor


class InputNorm(DifferentiableDetector):
    """Scores a row by its Euclidean distance from the mean training row."""

    def __init__(self) -> None:
        self.mean = np.zeros(0, np.float32)

    def fit(self, data: Any, rng: np.random.Generator) -> InputNorm:
        """Takes the mean row."""
        made = InputNorm()
        made.mean = data.train.x.mean(0)
        return made

    def score(self, rows: np.ndarray) -> np.ndarray:
        """See `Detector.score`."""
        return np.asarray(np.linalg.norm((rows - self.mean).reshape(len(rows), -1).astype(np.float64), axis=1))

    def score_tensor(self, rows: Tensor) -> Tensor:
        """See `DifferentiableDetector.score_tensor`."""
        import torch

        return torch.as_tensor(torch.linalg.vector_norm((rows - rows.new_tensor(self.mean)).flatten(1), dim=1))

    def settings(self) -> dict[str, Any]:
        """None."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """The mean row."""
        return {"mean": self.mean}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> InputNorm:
        """See `Subject.restore`."""
        made = cls()
        made.mean = arrays["mean"]
        return made
