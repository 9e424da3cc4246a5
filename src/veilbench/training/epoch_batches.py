"""Batches of whole epochs: every row once in each, the last and smaller batch included."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import IterableDataset


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The order of the rows in one epoch, shape (count,): the same whoever asks, and whatever was asked before."""
    generator = torch.Generator().manual_seed(seed + 1_000_003 * epoch)
    return torch.randperm(count, generator=generator)


class EpochBatches(IterableDataset[Tensor]):
    """Shuffled batches from a tensor in memory, many at a time, epoch by epoch.

    Args:
        rows: the training data, shape (n, ...).
        batch_size: rows of one optimizer step; the last of an epoch may have fewer.
        steps_per_call: batches handed to one `training_step`, of one size and one epoch.
        seed: shuffles.
        epochs: which ones.
    """

    def __init__(self, rows: Tensor, batch_size: int, steps_per_call: int, seed: int, epochs: range) -> None:
        self.rows, self.batch_size, self.steps_per_call = rows, min(batch_size, len(rows)), steps_per_call
        self.seed, self.epochs = seed, epochs

    def __iter__(self) -> Iterator[Tensor]:
        """Tensors of shape (steps, batch, ...)."""
        whole = len(self.rows) // self.batch_size * self.batch_size
        for epoch in self.epochs:
            order = epoch_order(len(self.rows), self.seed, epoch)
            for call in torch.split(order[:whole], self.steps_per_call * self.batch_size):
                yield self.rows[call].view(-1, self.batch_size, *self.rows.shape[1:])
            if whole < len(order):
                yield self.rows[order[whole:]][None]
