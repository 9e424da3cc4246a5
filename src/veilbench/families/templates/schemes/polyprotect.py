"""PolyProtect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from veilbench.bench.limits import Count, Natural
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.families.templates.schemes.extractor import Extractor

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_SUM = 1e37  # bound of one template value; features have length 1


class Polyprotect(DifferentiableScheme):
    """A user's polynomial of successive sets of features (Hahn and Marcel 2022, "Towards protecting face embeddings in
    mobile face verification scenarios").

    With a user's coefficients c and exponents e (a permutation of 1 to m), value i of the template is the sum of
    c_j v_(i (m - o) + j)^e_j over j; the last set is padded with zeros. Coefficients are distinct non-zero integers
    with absolute values of at most `largest`. The defaults of `terms` and `largest` are those of public reproductions
    of the paper's experiments; the paper was not available to check them. The smaller the features, the more the linear
    term dominates.

    Args:
        extractor: maps samples to feature vectors.
        terms: number of terms of the polynomial (m of the paper).
        overlap: number of features that neighbouring sets share (o of the paper), 0 to terms - 1.
        largest: largest absolute value of the coefficients, which are non-zero and all different.
        scale: length to which the feature vectors are scaled.
    """  # noqa: D205

    own_arguments = ("terms", "overlap", "largest", "scale")

    def __init__(
        self,
        extractor: Extractor,
        terms: Annotated[int, Ge(1), Le(64)] = 5,
        overlap: Natural = 4,
        largest: Count = 50,
        scale: Annotated[float, Gt(0), Le(1e4)] = 1.0,
    ) -> None:
        if overlap >= terms:
            raise ValueError(f"overlap={overlap} must be below terms={terms}")
        if terms > 2 * largest:
            raise ValueError(f"terms={terms} must be at most {2 * largest}: no two coefficients are equal")
        if largest * terms * max(scale, 1.0) ** terms > LARGEST_SUM:
            raise ValueError(f"scale={scale}, terms={terms}, largest={largest} make sums that float32 cannot hold")
        super().__init__(extractor)
        self.terms, self.overlap, self.largest, self.scale = terms, overlap, largest, scale

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the polynomials' values, shape (n, sets), float32."""
        coefficients, exponents = self.draw_polynomial(rng)
        indices, missing = self._lay_out_sets(features.shape[1])
        filled = np.pad(features * self.scale, ((0, 0), (0, missing)))
        powers = filled[:, indices].astype(np.float64) ** exponents
        return np.asarray(powers @ coefficients, np.float32)

    def draw_polynomial(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw a user's coefficients and exponents, each of shape (terms,), int64."""
        allowed = np.r_[-self.largest : 0, 1 : self.largest + 1]
        return rng.choice(allowed, self.terms, replace=False), rng.permutation(self.terms) + 1

    def _lay_out_sets(self, width: int) -> tuple[np.ndarray, int]:
        """Return the features' indices in each set, shape (sets, terms), and how many zeros the last set lacks."""
        step = self.terms - self.overlap
        sets = 1 + max(0, -(-(width - self.terms) // step))
        indices = np.arange(sets)[:, None] * step + np.arange(self.terms)
        return indices, max(0, (sets - 1) * step + self.terms - width)

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """Return the polynomials' values under the users' keys, shape (n, sets); differentiable."""
        import torch

        drawn = [self.draw_polynomial(np.random.default_rng(int(key))) for key in keys]
        coefficients, exponents = (
            torch.from_numpy(np.stack(part)).to(features.device) for part in zip(*drawn, strict=True)
        )
        indices, missing = self._lay_out_sets(features.shape[1])
        filled = torch.nn.functional.pad(features * self.scale, (0, missing))
        powers = filled[:, torch.from_numpy(indices)].double() ** exponents[:, None]
        return (powers * coefficients[:, None]).sum(2).to(features)
