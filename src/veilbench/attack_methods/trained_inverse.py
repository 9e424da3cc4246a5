"""An inverter with its errors on held-out rows."""

from __future__ import annotations

from typing import NamedTuple

from veilbench.attack_methods.ridge import Inverse


class Trained(NamedTuple):
    """An inverter with its errors on held-out rows.

    Attributes:
        inverse: the map from codes to flat rows.
        error: its mean squared error on the held-out rows.
        errors: the lowest mean squared error on the held-out rows so far, by the number of training steps; empty if it
            was not trained in steps.
    """

    inverse: Inverse
    error: float
    errors: dict[int, float]
