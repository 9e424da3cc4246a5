"""Local training of many shadow filters at once, as a client of the attacked federation trains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import expit

from veilbench.federated.aggregations.base import ExampleNoise
from veilbench.federated.aggregations.noise import count_steps

FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # Adam's beta_1, beta_2 and epsilon (Kingma and Ba 2015)
SHORTEST = 1e-12  # length below which a gradient is not divided by it


@dataclass(frozen=True)
class ShadowSteps:
    """Steps of an optimizer on the logistic loss, for all shadows together.

    All shadows process the same batches, and the mails that a shadow is not trained on are masked. So one sparse matrix
    product computes the logits of all shadows.

    Attributes:
        epochs: passes over the mails.
        batch_size: average number of training mails per shadow and step; with noise the most that is expected.
        learning_rate: learning rate of the optimizer.
        optimizer: optimizer, which starts anew.
        momentum: momentum of `sgd`.
        proximal: mu of FedProx (Li et al. 2020), the strength of the pull towards the first weights.
        noise: clipping and noise of DP-SGD; None for ordinary training.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: Literal["adam", "sgd"] = "adam"
    momentum: float = 0.0
    proximal: float = 0.0
    noise: ExampleNoise | None = None

    def train(
        self,
        start: np.ndarray,
        bags: Any,
        labels: np.ndarray,
        inside: np.ndarray,
        own: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Return the weights of all shadows after one client's training, shape (words, shadows).

        Args:
            start: weights before, shape (words, shadows).
            bags: word counts of all mails with a last column of ones, sparse, shape (n, words).
            labels: labels of the mails, shape (n,).
            inside: whether each shadow is trained on each mail, shape (shadows, n), bool.
            own: indices of the client's mails.
            rng: generator of the batches and of the noise.
        """
        weights, moments = start.copy(), (np.zeros_like(start), np.zeros_like(start))
        if not len(own):
            return weights
        for step, batch in enumerate(self._draw_batches(inside, own, rng), 1):
            rows, trained_on = bags[batch], inside[:, batch].T
            errors = (expit(rows @ weights) - labels[batch, None]) * trained_on
            if self.noise is None:
                gradient = rows.T @ (errors / np.maximum(trained_on.sum(0), 1)).astype(np.float32)
            else:
                gradient = self._add_noise(self.noise, rows, errors, rng) / self._expect_batch(inside, own)
            if self.proximal:
                gradient += np.float32(self.proximal) * (weights - start)
            self._move(weights, gradient, moments, step)
        return weights

    def _draw_batches(self, inside: np.ndarray, own: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield the mails of each step: parts of a random order, or Poisson samples if noise is added."""
        steps = self._count_steps(inside, own)
        for _ in range(self.epochs):
            if self.noise is None:
                yield from np.array_split(rng.permutation(own), steps)
            else:
                yield from (own[rng.random(len(own)) < 1 / steps] for _ in range(steps))

    def _count_steps(self, inside: np.ndarray, own: np.ndarray) -> int:
        """Return the number of steps of an epoch, which follows from the mails of an average shadow."""
        trained_on = len(own) * float(inside[:, own].mean())
        if self.noise is None:
            return max(1, round(trained_on / self.batch_size))
        return count_steps(max(1, round(trained_on)), self.batch_size)

    def _expect_batch(self, inside: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return the expected number of mails of a Poisson sample, shape (shadows,), float32."""
        expected = np.maximum(inside[:, own].sum(1), 1) / self._count_steps(inside, own)
        return np.asarray(expected, np.float32)

    def _add_noise(self, noise: ExampleNoise, rows: Any, errors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the sums of the mails' clipped gradients with noise, shape (words, shadows).

        A mail's gradient is its error times its word counts.
        """
        lengths = np.abs(errors) * np.sqrt(np.asarray(rows.multiply(rows).sum(1)))
        clipped = errors * np.minimum(1, noise.clip / np.maximum(lengths, SHORTEST))
        drawn = rng.standard_normal((rows.shape[1], errors.shape[1]), np.float32)
        total: np.ndarray = (
            rows.T @ clipped.astype(np.float32) + np.float32(noise.noise_multiplier * noise.clip) * drawn
        )
        return total

    def _move(
        self, weights: np.ndarray, gradient: np.ndarray, moments: tuple[np.ndarray, np.ndarray], step: int
    ) -> None:
        """Take one step of the optimizer, in place."""
        first, second = moments
        if self.optimizer == "sgd":
            first *= np.float32(self.momentum)
            first += gradient
            weights -= np.float32(self.learning_rate) * first
            return
        first += (1 - FIRST) * (gradient - first)
        second += (1 - SECOND) * (gradient**2 - second)
        scale = np.sqrt(second / (1 - SECOND**step)) + TINY
        weights -= (self.learning_rate / (1 - FIRST**step)) * first / scale
