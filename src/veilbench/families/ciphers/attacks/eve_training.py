"""Budget of the training and the test of fresh Eves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from veilbench.bench.limits import Count, Width


@dataclass(frozen=True)
class EveTraining:
    """How Eves are trained and tested.

    Attributes:
        eves: number of Eves, trained at once from different seeds.
        hidden: units in each Eve's hidden layer.
        batch_size: blocks per optimizer step and Eve.
        test_blocks: number of fresh blocks on which the best Eve is tested; she is chosen on the same number of others.
        bits: number of plain bits per block.
    """

    eves: Count = 2
    hidden: Width = 512
    batch_size: Count = 512
    test_blocks: Annotated[Count, Ge(100)] = 4_096
    bits: Width = 16
