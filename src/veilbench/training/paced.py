"""Central training whose length follows the rows, within bounds."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils.data import IterableDataset

from veilbench.bench.limits import Count, Positive, Steps
from veilbench.training.central import Batches, Central


class Paced(Central):
    """Fits a LightningModule for as many steps as show it every row `epochs` times, within bounds.

    Few rows are soon learned, and time spent on them is lost; many rows teach what can be learned long before all of
    them were seen as often. So small tables get `least_steps`, large ones `most_steps`, and the others in between.

    Args:
        epochs: how often every row is learned from, where the bounds allow it.
        least_steps: of the optimizer, whatever the rows.
        most_steps: of the optimizer, whatever the rows; at least `least_steps`.
        batch_size: rows of one step.
        steps_per_call: optimizer steps within one call of Lightning.
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
        """Optimizer steps for so many training rows."""
        wanted = round(self.epochs * rows / min(self.rows_per_step, rows))
        return min(max(wanted, self.least_steps), self.most_steps)

    def planned_steps(self, data: Any) -> int:
        """See `Central.planned_steps`."""
        return self.steps(len(data.train))

    def batches(self, rows: Tensor, seed: int) -> IterableDataset[Tensor]:
        """See `Central.batches`."""
        return Batches(rows, self.rows_per_step, self.steps_per_call, seed, self.steps(len(rows)))
