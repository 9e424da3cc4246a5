"""Networks of fresh Eves: adversaries that are trained after the cipher, several at once from different seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from veilbench.bench.accelerator import Accelerator
from veilbench.families.ciphers.attacks.eve_training import EveTraining
from veilbench.families.ciphers.schemes.base import Cipher

STEPS_PER_CALL = 25


class SealedBlocks(IterableDataset[Tensor]):
    """Batches of random blocks, encrypted under random keys and nonces.

    Args:
        cipher: cipher that encrypts the blocks; it must support `Cipher.encrypt_blocks`.
        training: settings, of which `eves` and `bits` are used.
        rows: blocks per optimizer step and Eve.
        steps: total number of steps; up to `STEPS_PER_CALL` of them are stacked in one batch.
        seed: seed of the blocks, keys and nonces.
    """

    def __init__(self, cipher: Cipher, training: EveTraining, rows: int, steps: int, seed: int) -> None:
        self.cipher, self.training, self.rows, self.steps, self.seed = cipher, training, rows, steps, seed

    def __iter__(self) -> Iterator[Tensor]:
        """Yield tensors of shape (eves, steps * rows, 3 * bits): ciphertext, nonce, and the plain bits as 0 and 1."""
        rng = np.random.default_rng(self.seed)
        eves, bits = self.training.eves, self.training.bits
        for step in range(0, self.steps, STEPS_PER_CALL):
            rows = self.rows * min(STEPS_PER_CALL, self.steps - step)
            plain, keys, nonces = rng.integers(0, 2, (3, eves * rows, bits), dtype=np.uint8)
            sealed = self.cipher.encrypt_blocks(plain, keys, nonces)
            row = np.hstack([sealed, 2 * nonces.astype(np.float32) - 1, plain.astype(np.float32)])
            yield torch.from_numpy(row.reshape(eves, rows, 3 * bits))


class Eve(pl.LightningModule):
    """Predicts the plain bits from ciphertext and nonce, without the key.

    Args:
        bits: number of plain bits per block.
        hidden: units in the hidden layer.
        eves: number of independent networks, trained at once.
        rows: blocks per optimizer step.
    """

    def __init__(self, bits: int, hidden: int, eves: int, rows: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.bits, self.rows = bits, rows
        self.adam: torch.optim.Optimizer | None = None
        layers = [(nn.Linear(2 * bits, hidden), nn.ReLU(), nn.Linear(hidden, bits)) for _ in range(eves)]
        self.nets = nn.ModuleList(nn.Sequential(*net) for net in layers)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam with learning rate 0.005: the same object each time, so that training can be continued."""
        self.adam = self.adam or torch.optim.Adam(self.parameters(), 5e-3, fused=True)
        return self.adam

    def forward(self, seen: Tensor) -> Tensor:
        """Map inputs of shape (eves, blocks, 2 * bits) to logits of the plain bits, shape (eves, blocks, bits)."""
        return torch.stack([net(rows) for net, rows in zip(self.nets, seen, strict=True)])

    def training_step(self, batches: Tensor) -> None:
        """Take one optimizer step per `rows` rows of a batch of shape (eves, steps * rows, 3 * bits)."""
        optimizer = cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))
        for batch in torch.split(batches, self.rows, 1):
            optimizer.zero_grad(set_to_none=True)
            seen, plain = batch[..., : 2 * self.bits], batch[..., 2 * self.bits :]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(self(seen), plain)
            self.manual_backward(loss * len(self.nets))
            optimizer.step()


class FreshBlocks:
    """Fresh blocks: one half for choosing the best Eve, the other for testing it.

    Args:
        cipher: cipher that encrypts the blocks.
        training: settings, of which `test_blocks` and `bits` are used.
        seed: seed of the blocks, keys and nonces.
    """

    def __init__(self, cipher: Cipher, training: EveTraining, seed: int) -> None:
        one = replace(training, eves=1)
        blocks = next(iter(SealedBlocks(cipher, one, 2 * training.test_blocks, 1, seed)))
        self.seen, self.plain = blocks[..., : 2 * training.bits], blocks[..., 2 * training.bits :] > 0.5

    @torch.no_grad()
    def measure(self, eve: Eve) -> np.ndarray:
        """Return the share of bits of each test block that the best Eve gets right, shape (test_blocks,)."""
        right = ((eve(self.seen.expand(len(eve.nets), -1, -1)) > 0) == self.plain).float().mean(2).numpy()
        half = right.shape[1] // 2
        return np.asarray(right[right[:, :half].mean(1).argmax(), half:])


def examine_eves(
    cipher: Cipher, training: EveTraining, steps: Sequence[int], accelerator: Accelerator, rng: np.random.Generator
) -> dict[int, np.ndarray]:
    """Train Eves, and test the best of them after each number of steps.

    Args:
        cipher: cipher to attack; it must support `Cipher.encrypt_blocks`.
        training: number of Eves, their size, their training and their test.
        steps: increasing numbers of optimizer steps.
        accelerator: device to train on.
        rng: generator of the seeds of weights, blocks, keys and nonces.

    Returns:
        For each number of steps the share of bits of each test block that were predicted correctly.
    """
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**62)))
        eve = Eve(training.bits, training.hidden, training.eves, training.batch_size)
    blocks, tested, done = FreshBlocks(cipher, training, int(rng.integers(2**31))), dict[int, np.ndarray](), 0
    for count in steps:
        batches = SealedBlocks(cipher, training, training.batch_size, count - done, int(rng.integers(2**31)))
        trainer = accelerator.lightning(bar=False, max_epochs=1)
        trainer.fit(eve, DataLoader(batches, batch_size=None), weights_only=True)
        tested[count], done = blocks.measure(eve.cpu()), count
    return tested
