"""PolyProtect."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from veilbench.bench.limits import Count, Natural
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.extractor import Extractor

LARGEST_SUM = 1e37  # bound of one template value; features have length 1


class Polyprotect(TemplateScheme):
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
        allowed = np.r_[-self.largest : 0, 1 : self.largest + 1]
        coefficients = rng.choice(allowed, self.terms, replace=False)
        exponents = rng.permutation(self.terms) + 1
        step, width = self.terms - self.overlap, features.shape[1]
        sets = 1 + max(0, -(-(width - self.terms) // step))
        filled = np.pad(features * self.scale, ((0, 0), (0, max(0, (sets - 1) * step + self.terms - width))))
        indices = np.arange(sets)[:, None] * step + np.arange(self.terms)
        powers = filled[:, indices].astype(np.float64) ** exponents
        return np.asarray(powers @ coefficients, np.float32)
