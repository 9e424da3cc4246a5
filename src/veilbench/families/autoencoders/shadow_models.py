"""Settings of the shadow models of membership inference; `shadows` trains them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from veilbench.bench.limits import Count, LearningRate, Steps, Width

HIDDEN = 64  # units beside the code, if the attacked model has no dense layers


@dataclass(frozen=True)
class ShadowModels:
    """Number, size and training of shadow models: small autoencoders.

    Attributes:
        count: number of shadow models; even, because each row is in half of them.
        hidden: units of the layers before and after the code; None takes the attacked model's layers if these are
            dense, and `HIDDEN` otherwise.
        code: length of a code; None takes the attacked model's.
        steps: number of Adam steps, taken for all shadow models at once.
        batch_size: rows per step, drawn separately for each shadow model.
        learning_rate: learning rate of Adam.

    Raises:
        ValueError: `count` is odd.
    """

    count: Annotated[Count, Ge(2)] = 16
    hidden: Width | None = 64
    code: Width | None = None
    steps: Steps = 500
    batch_size: Count = 64
    learning_rate: LearningRate = 2e-3

    def __post_init__(self) -> None:
        if self.count % 2:
            raise ValueError(f"count={self.count} must be even: each row is in half of the shadow models")
