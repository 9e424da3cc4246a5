"""Networks that an attacker trains to reconstruct rows from codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from veilbench.attack_methods.trained_inverse import Trained
from veilbench.bench.accelerator import Accelerator
from veilbench.training.central import Batches

STEPS_PER_CALL, BATCH = 25, 64
PATIENCE = 200  # steps without improvement that training goes on for, beyond the number that it had taken


class Inverter(pl.LightningModule):
    """Network trained with squared error; keeps the weights with the lowest error on held-out pairs.

    Training stops when the steps taken are twice those to the lowest error, and `PATIENCE` more: a doubling of the
    budget has then brought nothing.

    Args:
        codes: number of values in a code.
        numbers: number of values in a flat row.
        net: network from codes of shape (n, codes) to rows of shape (n, numbers).
        held_out: standardised codes and rows side by side, shape (m, codes + numbers).
        learning_rate: learning rate of Adam.
    """

    held_out: Tensor

    def __init__(self, codes: int, numbers: int, net: nn.Module, held_out: Tensor, learning_rate: float = 2e-3) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.codes, self.numbers, self.learning_rate = codes, numbers, learning_rate
        self.register_buffer("held_out", held_out)
        self.net = net
        self.least, self.best = float("inf"), {k: v.clone() for k, v in self.net.state_dict().items()}
        self.taken, self.best_at, self.errors = 0, 0, dict[int, float]()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam with the constructor's learning rate."""
        return torch.optim.Adam(self.parameters(), self.learning_rate, fused=True)

    def error(self, pairs: Tensor) -> Tensor:
        """Return the mean squared error of pairs, shape (n, codes + numbers)."""
        codes, rows = torch.split(pairs, [self.codes, self.numbers], 1)
        return nn.functional.mse_loss(self.net(codes), rows)

    def training_step(self, batches: Tensor) -> None:
        """Run one optimizer step per batch, shape (steps, batch, codes + numbers), then evaluate the held-out pairs."""
        optimizer = cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            self.manual_backward(self.error(batch))
            optimizer.step()
        with torch.no_grad():
            now = float(self.error(self.held_out))
        self.taken += len(batches)
        if now < self.least:
            self.least, self.best_at = now, self.taken
            self.best = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        self.errors[self.taken] = self.least
        self.trainer.should_stop = self.taken >= 2 * self.best_at + PATIENCE


def fit_perceptron(
    codes: np.ndarray,
    rows: np.ndarray,
    held_out_codes: np.ndarray,
    held_out_rows: np.ndarray,
    hidden: int,
    steps: int,
    accelerator: Accelerator,
    rng: np.random.Generator,
) -> Trained:
    """Train a perceptron with two hidden layers.

    Args:
        codes: training codes, shape (n, code).
        rows: training rows, shape (n, numbers), flat.
        held_out_codes: codes that choose the best weights, shape (m, code).
        held_out_rows: rows of these codes, shape (m, numbers), flat.
        hidden: units of each hidden layer.
        steps: maximum number of optimizer steps.
        accelerator: device and trainer settings.
        rng: source of the first weights and of the batches.

    Returns:
        The map from codes to rows, with its errors on the held-out rows.
    """

    def build() -> nn.Module:
        layers = (nn.Linear(codes.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        return nn.Sequential(*layers, nn.Linear(hidden, rows.shape[1]))

    return fit_network(build, (codes, rows, held_out_codes, held_out_rows), steps, accelerator, rng)


def fit_network(
    build: Callable[[], nn.Module],
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    steps: int,
    accelerator: Accelerator,
    rng: np.random.Generator,
) -> Trained:
    """Train a network on standardised codes and rows.

    Args:
        build: returns a network with fresh weights, from shape (n, codes) to (n, numbers).
        pairs: training codes, training rows, held-out codes and held-out rows; shapes as in `ridge`.
        steps: maximum number of optimizer steps.
        accelerator: device and trainer settings.
        rng: source of the first weights and of the batches.

    Returns:
        The map from codes to rows, with its errors on the held-out rows.
    """
    codes, rows, held_out_codes, held_out_rows = pairs
    centre, scale = codes.mean(0), codes.std(0)
    mean, spread = rows.mean(0), float(rows.std()) or 1.0
    scale = np.where(scale == 0, 1, scale)

    def standardise(x: np.ndarray, y: np.ndarray) -> Tensor:
        return torch.from_numpy(np.hstack([(x - centre) / scale, (y - mean) / spread]).astype(np.float32))

    held_out = standardise(held_out_codes, held_out_rows)
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**62)))
        inverter = Inverter(codes.shape[1], rows.shape[1], build(), held_out)
    batches = Batches(standardise(codes, rows), BATCH, STEPS_PER_CALL, int(rng.integers(2**31)), steps)
    trainer = accelerator.lightning(bar=False, max_epochs=1)
    trainer.fit(inverter, DataLoader(batches, batch_size=None), weights_only=True)
    inverter.net.load_state_dict(inverter.best)
    net = inverter.net.cpu().eval()

    def inverse(seen: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            rows = net(torch.from_numpy(((seen - centre) / scale).astype(np.float32))).numpy()
        return np.asarray(rows * spread + mean)

    error = float(((inverse(held_out_codes) - held_out_rows) ** 2).mean())
    return Trained(inverse, error, {steps: least * spread**2 for steps, least in inverter.errors.items()})
