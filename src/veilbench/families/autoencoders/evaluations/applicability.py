"""What the evaluations of rows ask of data before they begin."""

from __future__ import annotations

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.rows import Rows


def need_rows(data: object) -> None:
    """Refuse data that are not rows of numbers.

    Raises:
        NotImplementedError: they are something else.
    """
    if not isinstance(data, Rows):
        raise NotImplementedError(f"it measures on rows of numbers, not on {type(data).__name__}")


def has_images(rows: Rows) -> bool:
    """Whether the rows are images that can be shown and compared: 1 or 3 channels, 3 x 3 pixels or more."""
    return len(rows.shape) == 3 and rows.shape[0] in (1, 3) and min(rows.shape[1:]) >= 3


def need_finite(answers: np.ndarray, who: str) -> np.ndarray:
    """The answers, if all of them are numbers.

    Raises:
        UserError: some are not.
    """
    if wrong := int((~np.isfinite(answers)).sum()):
        raise UserError(f"{wrong} of {answers.size} values that {who} gives back are not finite numbers")
    return answers
