"""Shadow filters: logistic regressions on bags of words, trained together on different subsets of the mails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.limits import Count, LearningRate, Steps, require_room
from veilbench.federated.protocol import Protocol

EPOCHS, BATCH_SIZE, LEARNING_RATE = 3, 128, 0.01  # training of shadows of a filter that no federation has trained
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # Adam's beta_1, beta_2 and epsilon (Kingma and Ba 2015)


@dataclass(frozen=True)
class ShadowFilters:
    """Logistic regressions on bags of words, trained together by Adam on different subsets of the mails.

    Attributes:
        count: number of shadow filters; even, since each mail is in half of them.
        epochs: passes over all mails; None takes those of the attacked filter's federation, or `EPOCHS` without one.
        batch_size: average number of training mails per shadow and optimizer step; None likewise, or `BATCH_SIZE`.
        learning_rate: learning rate of Adam; None takes the federation's if it uses Adam, too, else `LEARNING_RATE`.
    """

    count: Annotated[Count, Ge(4)] = 32
    epochs: Steps | None = None
    batch_size: Count | None = None
    learning_rate: LearningRate | None = None

    def trained_as(self, protocol: Protocol | None) -> ShadowFilters:
        """Return these filters with the public training of a federation in place of what is None."""
        if protocol is None:
            epochs, batch_size, rate = EPOCHS, BATCH_SIZE, LEARNING_RATE
        else:
            epochs, batch_size = protocol.rounds * protocol.local_epochs, protocol.batch_size
            rate = protocol.learning_rate if protocol.optimizer == "adam" else LEARNING_RATE
        return replace(
            self,
            epochs=self.epochs or epochs,
            batch_size=self.batch_size or batch_size,
            learning_rate=self.learning_rate or rate,
        )

    def logits(
        self, tokens: np.ndarray, labels: np.ndarray, inside: np.ndarray, questioned: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Train the filters and return their logits of the mails in question, shape (shadows, questioned).

        All shadows process the same batches, and the mails that a shadow is not trained on are masked. So one sparse
        matrix product computes the logits of all shadows.

        Args:
            tokens: all mails of the attacker, those in question first, shape (n, length).
            labels: labels of the mails, shape (n,): 0 for ham, 1 for spam.
            inside: whether each shadow is trained on each mail, shape (shadows, n), bool.
            questioned: number of mails in question.
            rng: generator that shuffles the mails.

        Raises:
            ValueError: a setting of the training is None, see `trained_as`.
        """
        if self.epochs is None or self.batch_size is None or self.learning_rate is None:
            raise ValueError("epochs, batch_size and learning_rate must be numbers: use `trained_as`")
        bags = count_words(tokens)
        shares = inside.mean()
        require_room(f"shadows={len(inside)} with {bags.shape[1]} words each", *inside.shape, each=1)
        require_room(f"shadows={len(inside)} with {bags.shape[1]} words each", bags.shape[1], len(inside), each=16)
        weights = np.zeros((bags.shape[1], len(inside)), np.float32)
        moments, step = (np.zeros_like(weights), np.zeros_like(weights)), 0
        for _ in range(self.epochs):
            order = rng.permutation(len(labels))
            for batch in np.array_split(order, max(1, round(len(order) * shares / self.batch_size))):
                step += 1
                rows, trained_on = bags[batch], inside[:, batch].T
                errors = (1 / (1 + np.exp(-(rows @ weights))) - labels[batch, None]) * trained_on
                gradient = rows.T @ (errors / np.maximum(trained_on.sum(0), 1)).astype(np.float32)
                _adam(weights, gradient, moments, step, self.learning_rate)
        return np.asarray((bags[:questioned] @ weights).T, np.float64)


def _adam(
    weights: np.ndarray, gradient: np.ndarray, moments: tuple[np.ndarray, np.ndarray], step: int, rate: float
) -> None:
    """Take one step of Adam, in place."""
    first, second = moments
    first += (1 - FIRST) * (gradient - first)
    second += (1 - SECOND) * (gradient**2 - second)
    scale = np.sqrt(second / (1 - SECOND**step)) + TINY
    weights -= (rate / (1 - FIRST**step)) * first / scale


def count_words(tokens: np.ndarray):  # type: ignore[no-untyped-def] # a scipy matrix, which has no stubs here
    """Count the words of each mail.

    Args:
        tokens: word numbers of the mails, shape (n, length), 0 for padding.

    Returns:
        A sparse matrix with one column per word that occurs and a last column of ones for the bias, float32.
    """
    from scipy.sparse import coo_matrix, csr_matrix, hstack

    rows, columns = np.nonzero(tokens)
    words, places = np.unique(tokens[rows, columns], return_inverse=True)
    ones = np.ones(len(rows), np.float32)
    bags = coo_matrix((ones, (rows, places)), (len(tokens), len(words))).tocsr()
    return hstack([bags, csr_matrix(np.ones((len(tokens), 1), np.float32))], "csr")
