"""Budget of the training and the test of fresh Eves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from veilbench.bench.limits import Count, Steps, Width


@dataclass(frozen=True)
class EveTraining:
    """How Eves are trained and tested.

    Attributes:
        eves: number of Eves per size, trained at once from different seeds; the intervals are over them.
        steps: optimizer steps of each Eve's training.
        batch_size: blocks per optimizer step.
        test_blocks: number of fresh blocks on which each Eve is tested.
        bits: bits per block.
    """

    eves: Annotated[Count, Ge(2)] = 5
    steps: Steps = 500
    batch_size: Count = 256
    test_blocks: Annotated[Count, Ge(100)] = 4_096
    bits: Width = 16
