"""Checks that evaluations of rows make on data and results."""

from __future__ import annotations

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.rows import Rows


def need_rows(data: object) -> None:
    """Reject data that are not rows of numbers.

    Raises:
        NotImplementedError: the data are of another kind.
    """
    if not isinstance(data, Rows):
        raise NotImplementedError(f"it measures on rows of numbers, not on {type(data).__name__}")


def has_images(rows: Rows) -> bool:
    """Return whether the rows are images that can be shown and compared: 1 or 3 channels, at least 3 x 3 pixels."""
    return len(rows.shape) == 3 and rows.shape[0] in (1, 3) and min(rows.shape[1:]) >= 3


def need_finite(answers: np.ndarray, who: str) -> np.ndarray:
    """Return the answers if all of them are finite.

    Raises:
        UserError: some answers are not finite.
    """
    if wrong := int((~np.isfinite(answers)).sum()):
        raise UserError(f"{wrong} of {answers.size} values that {who} gives back are not finite numbers")
    return answers
