"""Central training in whole epochs: each epoch visits every row once, and its last batch may be smaller."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils.data import IterableDataset

from veilbench.bench.limits import Count, Steps
from veilbench.training.central import Central
from veilbench.training.epoch_batches import EpochBatches


class WholeEpochs(Central):
    """Trains a LightningModule for a number of epochs, or until it stops by itself.

    Args:
        epochs: maximum number of passes over the data.
        batch_size: rows per optimizer step.
        steps_per_call: optimizer steps per call of `training_step`; a larger number reduces Lightning's overhead.
    """

    def __init__(
        self,
        epochs: Steps = 3,
        batch_size: Count = 128,
        steps_per_call: Steps = 25,
    ) -> None:
        self.epochs, self.rows_per_step, self.steps_per_call = epochs, batch_size, steps_per_call

    def planned_steps(self, data: Any) -> int:
        """Return the maximum number of optimizer steps: epochs times batches per epoch."""
        return self.epochs * -(-len(data.train) // self.rows_per_step)

    def batches(self, rows: Tensor, seed: int) -> IterableDataset[Tensor]:
        """Return shuffled batches of whole epochs."""
        return EpochBatches(rows, self.rows_per_step, self.steps_per_call, seed, range(self.epochs))
