"""False match rates of a recognition system under attack, and number of victims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Lt, MinLen

from veilbench.bench.limits import Count

MatchRate = Annotated[float, Gt(0), Lt(1)]


@dataclass(frozen=True)
class OperatingPoint:
    """False match rates (FMR) at which a system operates under attack, and the number of its victims.

    Attributes:
        fmr: false match rates at which results are reported, each in (0, 1).
        reference_fmr: false match rate at which the gain is measured, one of `fmr`.
        most_victims: maximum number of victims, drawn from the enrolled identities.

    Raises:
        ValueError: `reference_fmr` is not one of `fmr`.
    """

    fmr: Annotated[Sequence[MatchRate], MinLen(1)] = (0.01, 0.001)
    reference_fmr: MatchRate = 0.01
    most_victims: Annotated[Count, Ge(2)] = 100

    def __post_init__(self) -> None:
        if self.reference_fmr not in self.fmr:
            raise ValueError(f"reference_fmr={self.reference_fmr} must be one of fmr={list(self.fmr)}")

    def blind_success(self, tries: int) -> float:
        """Return the probability that at least one of `tries` blind guesses is accepted: 1 - (1 - FMR)^tries."""
        return 1 - (1 - self.reference_fmr) ** tries
