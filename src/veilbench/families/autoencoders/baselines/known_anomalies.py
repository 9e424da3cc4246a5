"""A detector that has seen the anomalies, and is known to withstand small changes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from veilbench.bench.checked_arrays import Shape
from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.baselines.fitted import Fitted
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import DifferentiableDetector
from veilbench.nets.in_parts import in_parts

if TYPE_CHECKING:
    from torch import Tensor

NORMAL_ROWS = 5_000  # training rows kept; the validation rows are kept all
MARGIN = 0.9
AT_ONCE = 64  # rows, for each of which there is a distance to every row kept


class KnownAnomalies(Fitted, DifferentiableDetector):
    """How much nearer a row is to a test anomaly than to any normal row, 0 where it is not: no detector but an oracle.

    The score is max(0, d(normal rows) - 0.9 d(anomalies)), with the distances to the nearest ones. By the triangle
    inequality an anomaly that is moved by up to half its distance from the nearest normal row stays nearer to where it
    was than to any normal row: its score stays positive, and no normal row's is. Nothing can hide it there, which makes
    this the negative control of evasion. The margin of 0.9 keeps the very middle on the safe side of rounding.

    Args:
        norm: of the distances; that of the changes.
    """

    names = ("normal_rows", "anomalies")

    def __init__(self, norm: Literal["l2", "linf"] = "l2") -> None:
        super().__init__()
        self.norm = norm

    def settings(self) -> dict[str, Any]:
        """The constructor's argument."""
        return {"norm": self.norm}

    def learned(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Training and validation rows, and the test's anomalies.

        Raises:
            UserError: there are no anomalies to know.
        """
        anomalies = rows.test.x[rows.test.y != 0]
        if not rows.one_class or not len(anomalies):
            raise UserError("to know the anomalies takes one-class data: set data.normal to the labels that are normal")
        train = rows.train.x[np.sort(rng.permutation(len(rows.train))[:NORMAL_ROWS])]
        return {"normal_rows": np.concatenate([train, rows.validation.x]), "anomalies": anomalies}

    def shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return dict.fromkeys(self.names, (None, *row))

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        return in_parts(self.score_tensor, rows, AT_ONCE).astype(np.float64)

    def score_tensor(self, rows: Tensor) -> Tensor:
        """Score rows as tensors, shape (n, *shape) to (n,); differentiable."""
        import torch

        power = 2.0 if self.norm == "l2" else float("inf")
        exact = "donot_use_mm_for_euclid_dist"
        normal, odd = (
            torch.cdist(rows.flatten(1), torch.from_numpy(self[name]).to(rows).flatten(1), power, exact).amin(1)
            for name in self.names
        )
        return (normal - MARGIN * odd).clamp_min(0)
