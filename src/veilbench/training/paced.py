"""Central training whose number of steps scales with the number of rows, within bounds."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils.data import IterableDataset

from veilbench.bench.limits import Count, Positive, Steps
from veilbench.training.central import Batches, Central


class Paced(Central):
    """Trains a LightningModule for `epochs` epochs, but at least `least_steps` and at most `most_steps` steps.

    A fixed number of epochs would give too few steps on small data sets, and more than needed on large ones.

    Args:
        epochs: passes over the data, if the number of steps is within the bounds.
        least_steps: minimum number of optimizer steps.
        most_steps: maximum number of optimizer steps; at least `least_steps`.
        batch_size: rows per optimizer step.
        steps_per_call: optimizer steps per call of `training_step`; a larger number reduces Lightning's overhead.
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
        steps = round(self.epochs * rows / min(self.rows_per_step, rows))
        return min(max(steps, self.least_steps), self.most_steps)

    def planned_steps(self, data: Any) -> int:
        """Return the number of optimizer steps for the training rows of `data`."""
        return self.steps(len(data.train))

    def batches(self, rows: Tensor, seed: int) -> IterableDataset[Tensor]:
        """Return shuffled batches of the rows, `steps(len(rows))` in total."""
        return Batches(rows, self.rows_per_step, self.steps_per_call, seed, self.steps(len(rows)))
