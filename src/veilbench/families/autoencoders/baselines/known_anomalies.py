"""A detector that knows the anomalies, and provably withstands small changes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from veilbench.bench.checked_arrays import Shape
from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.baselines.fitted import Fitted
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import DifferentiableDetector
from veilbench.nets.in_parts import apply_in_parts

if TYPE_CHECKING:
    from torch import Tensor

NORMAL_ROWS = 5_000  # training rows to keep; all validation rows are kept
MARGIN = 0.9
AT_ONCE = 64  # rows scored at once, to bound the memory for their distances


class KnownAnomalies(Fitted, DifferentiableDetector):
    """An oracle: scores by how much a row is nearer to a test anomaly than to any normal row; 0 if it is not.

    The score is max(0, d(normal rows) - 0.9 d(anomalies)), with distances to the nearest ones. By the triangle
    inequality, an anomaly moved by up to half its distance from the nearest normal row stays nearer to its origin than
    to any normal row: its score stays positive, while that of normal rows is 0. Nothing can hide it within this
    distance, which makes the detector the negative control of evasion. The factor 0.9 keeps the midpoint safe from
    rounding.

    Args:
        norm: norm of the distances, the same as that of the perturbations.
    """

    array_names = ("normal_rows", "anomalies")

    def __init__(self, norm: Literal["l2", "linf"] = "l2") -> None:
        super().__init__()
        self.norm = norm

    def settings(self) -> dict[str, Any]:
        """Return the constructor's argument."""
        return {"norm": self.norm}

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return training and validation rows, and the test anomalies.

        Raises:
            UserError: the data has no anomalies.
        """
        anomalies = rows.test.x[rows.test.y != 0]
        if not rows.one_class or not len(anomalies):
            raise UserError("KnownAnomalies needs one-class data: set data.normal to the labels that are normal")
        train = rows.train.x[np.sort(rng.permutation(len(rows.train))[:NORMAL_ROWS])]
        return {"normal_rows": np.concatenate([train, rows.validation.x]), "anomalies": anomalies}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return dict.fromkeys(self.array_names, (None, *row))

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        return apply_in_parts(self.score_tensor, rows, AT_ONCE).astype(np.float64)

    def score_tensor(self, rows: Tensor) -> Tensor:
        """Score rows as tensors, shape (n, *shape) to (n,); differentiable."""
        import torch

        power = 2.0 if self.norm == "l2" else float("inf")
        exact = "donot_use_mm_for_euclid_dist"
        normal, odd = (
            torch.cdist(rows.flatten(1), torch.from_numpy(self[name]).to(rows).flatten(1), power, exact).amin(1)
            for name in self.array_names
        )
        return (normal - MARGIN * odd).clamp_min(0)
