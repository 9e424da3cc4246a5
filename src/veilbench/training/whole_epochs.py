"""Central training in whole epochs: every row once in each, the last and smaller batch included."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils.data import IterableDataset

from veilbench.bench.limits import Count, Steps
from veilbench.training.central import Central
from veilbench.training.epoch_batches import EpochBatches


class WholeEpochs(Central):
    """Fits a LightningModule for a number of epochs, or until it says that it is done.

    Args:
        epochs: how often every row is learned from, at most.
        batch_size: rows of one step.
        steps_per_call: optimizer steps within one call of Lightning.
    """

    def __init__(
        self,
        epochs: Steps = 3,
        batch_size: Count = 128,
        steps_per_call: Steps = 25,
    ) -> None:
        self.epochs, self.rows_per_step, self.steps_per_call = epochs, batch_size, steps_per_call

    def planned_steps(self, data: Any) -> int:
        """See `Central.planned_steps`."""
        return self.epochs * -(-len(data.train) // self.rows_per_step)

    def batches(self, rows: Tensor, seed: int) -> IterableDataset[Tensor]:
        """See `Central.batches`."""
        return EpochBatches(rows, self.rows_per_step, self.steps_per_call, seed, range(self.epochs))
