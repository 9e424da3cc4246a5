"""Central training whose number of steps scales with the number of rows, within bounds."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils.data import IterableDataset

from veilbench.bench.limits import Count, Positive, Steps
from veilbench.training.central import Batches, Central


class Paced(Central):
    """Trains a LightningModule for `epochs` epochs, converted to steps and clipped to a range.

    A fixed number of epochs gives too few steps on small tables and more than needed on large ones. So small tables get
    `least_steps`, large ones `most_steps`, and the others a number in between.

    Args:
        epochs: passes over the data, if the bounds allow it.
        least_steps: minimum number of optimizer steps.
        most_steps: maximum number of optimizer steps; at least `least_steps`.
        batch_size: rows per optimizer step.
        steps_per_call: optimizer steps per call of `training_step`; more reduces Lightning's overhead.
    """

    def __init__(
        self,
        epochs: Positive = 25.0,
        least_steps: Steps = 40,
        most_steps: Steps = 600,
        batch_size: Count = 64,
        steps_per_call: Steps = 100,
    ) -> None:
        if most_steps < least_steps:
            raise ValueError(f"most_steps={most_steps} must be at least least_steps={least_steps}")
        self.epochs, self.least_steps, self.most_steps = epochs, least_steps, most_steps
        self.rows_per_step, self.steps_per_call = batch_size, steps_per_call

    def steps(self, rows: int) -> int:
        """Return the number of optimizer steps for a given number of training rows."""
        wanted = round(self.epochs * rows / min(self.rows_per_step, rows))
        return min(max(wanted, self.least_steps), self.most_steps)

    def planned_steps(self, data: Any) -> int:
        """Return the number of optimizer steps for the training rows of `data`."""
        return self.steps(len(data.train))

    def batches(self, rows: Tensor, seed: int) -> IterableDataset[Tensor]:
        """Return shuffled batches of the rows, `steps(len(rows))` in total."""
        return Batches(rows, self.rows_per_step, self.steps_per_call, seed, self.steps(len(rows)))
