"""Batches of whole epochs: each epoch visits every row once; its last batch may be smaller."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import IterableDataset


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """Return the order of the rows in one epoch, shape (count,); it depends on the arguments only.

    Args:
        count: number of rows of an epoch.
        seed: seed of the shuffling.
        epoch: number of the epoch.
    """
    generator = torch.Generator().manual_seed(seed + 1_000_003 * epoch)
    return torch.randperm(count, generator=generator)


class EpochBatches(IterableDataset[Tensor]):
    """Shuffled mini-batches of a tensor in memory, several per item, epoch by epoch.

    Args:
        rows: the training data, shape (n, ...).
        batch_size: rows per optimizer step; the last batch of an epoch may have fewer.
        steps_per_call: maximum number of batches per item; the batches of an item have the same size and epoch.
        seed: seed of the shuffling.
        epochs: numbers of the epochs to iterate over; each number has its own order.
    """

    def __init__(self, rows: Tensor, batch_size: int, steps_per_call: int, seed: int, epochs: range) -> None:
        self.rows, self.batch_size, self.steps_per_call = rows, min(batch_size, len(rows)), steps_per_call
        self.seed, self.epochs = seed, epochs

    def __iter__(self) -> Iterator[Tensor]:
        """Yield tensors of shape (steps, batch, ...)."""
        whole = len(self.rows) // self.batch_size * self.batch_size
        for epoch in self.epochs:
            order = epoch_order(len(self.rows), self.seed, epoch)
            for call in torch.split(order[:whole], self.steps_per_call * self.batch_size):
                yield self.rows[call].view(-1, self.batch_size, *self.rows.shape[1:])
            if whole < len(order):
                yield self.rows[order[whole:]][None]
