"""Data sets of precomputed embeddings with identities, without images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.errors import UserError
from veilbench.bench.limits import LARGEST_VALUE, Count, NotNegative, Seed
from veilbench.families.templates.data.identities import EmbeddedIdentities, Identities, IdentitiesData
from veilbench.families.templates.data.raw_identities import IdentitySource, RawIdentities, check_labels


class EmbeddingsData(IdentitiesData):
    """Splits a table of embeddings by identity.

    The train part may be small: embeddings are computed already, so only comparisons in evaluations are fitted to it.

    Args:
        source: loader of the embeddings.
        split: shares of the identities for the train, auxiliary and test parts; they sum to 1.
        enrolled: number of embeddings of each test identity to enrol, drawn at random; the others are probes. Test
            identities without a probe are left out, with a note.
        seed: seed of the split.
        shuffled: whether to split the identities in random order; otherwise in the order of their names, with the
            first ones in the train part.
    """

    data_kind: ClassVar[type[Identities]] = EmbeddedIdentities
    samples: ClassVar[str] = "embeddings"

    def __init__(
        self,
        source: IdentitySource,
        split: Sequence[NotNegative] = (0.1, 0.4, 0.5),
        enrolled: Count = 1,
        seed: Seed = 0,
        shuffled: bool = True,
    ) -> None:
        super().__init__(source, split, enrolled, None, seed, shuffled)

    def check(self, raw: RawIdentities) -> None:
        """Reject embeddings that cannot be compared; see `check_embeddings`."""
        check_embeddings(raw)

    def load_samples(self, arrays: Mapping[str, np.ndarray], part: str) -> np.ndarray:
        """Return a part's embeddings from the stored arrays, shape (n, d), float32.

        Raises:
            ValueError: the array is not as `prepare` writes it.
        """
        name = f"{part}.{self.samples}"
        embeddings = require_array(arrays, name, np.float32, (None, None), low=-LARGEST_VALUE, high=LARGEST_VALUE)
        if not embeddings.size:
            raise ValueError(f"{name} is empty: its shape is {list(embeddings.shape)}")
        return embeddings


def check_embeddings(raw: RawIdentities) -> None:
    """Reject embeddings that have no direction, or labels that do not fit them.

    Raises:
        UserError: there are wrong shapes, values that are not finite or too large, or rows of zeros.
    """
    rows = raw.samples
    if rows.ndim != 2 or rows.dtype != np.float32 or rows.shape[1] < 2 or not len(rows):
        raise UserError(f"embeddings are {rows.dtype} of shape {rows.shape}: float32 (n, d) with d >= 2 is needed")
    check_labels(raw)
    if len(bad := np.flatnonzero(~(np.abs(rows) <= LARGEST_VALUE).all(1))):
        raise UserError(f"{len(bad)} embeddings hold NaN or values above {LARGEST_VALUE:g}; the first is row {bad[0]}")
    if len(zero := np.flatnonzero(~rows.any(1))):
        raise UserError(f"{len(zero)} embeddings are all zeros and have no direction; the first is row {zero[0]}")
