"""Shadow filters: logistic regressions on bags of words, trained together on different subsets of the mails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from veilbench.bench.limits import Count, LearningRate, Positive, Steps, require_room
from veilbench.federated.protocol import Protocol

EPOCHS, BATCH_SIZE, LEARNING_RATE = 3, 128, 0.01  # training of shadows of a filter whose training is unknown
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # Adam's beta_1, beta_2 and epsilon (Kingma and Ba 2015)


@dataclass(frozen=True)
class ShadowFilters:
    """Logistic regressions on bags of words, trained as the attacked filter was.

    There are three trainings: a federation of clients that start each round with a new optimizer; Adam on all mails in
    one place, which is one client and one round; and a fit to convergence with an L2 penalty by scikit-learn.

    Attributes:
        count: number of shadow filters; even, since budgets are halved.
        rounds: rounds of federated averaging; None takes the federation's, or 1 without one.
        epochs: passes over the mails per round; None takes the federation's, or `EPOCHS` without one.
        batch_size: average number of training mails per shadow and optimizer step; None likewise, or `BATCH_SIZE`.
        learning_rate: learning rate of Adam; None takes the federation's if it uses Adam, too, else `LEARNING_RATE`.
        inverse_penalty: scikit-learn's C, inverse strength of a penalty; None takes the filter's, or trains by Adam.
    """

    count: Annotated[Count, Ge(4)] = 32
    rounds: Steps | None = None
    epochs: Steps | None = None
    batch_size: Count | None = None
    learning_rate: LearningRate | None = None
    inverse_penalty: Positive | None = None

    def trained_as(self, protocol: Protocol | None, inverse_penalty: float | None = None) -> ShadowFilters:
        """Return these filters with the public training of the attacked filter in place of what is None.

        Args:
            protocol: public settings of its federation; None if there was none.
            inverse_penalty: inverse strength of its penalty; None if it was not fitted to convergence.
        """
        if protocol is None:
            rounds, epochs, batch_size, rate = 1, EPOCHS, BATCH_SIZE, LEARNING_RATE
        else:
            rounds, epochs, batch_size = protocol.rounds, protocol.local_epochs, protocol.batch_size
            rate = protocol.learning_rate if protocol.optimizer == "adam" else LEARNING_RATE
        return replace(
            self,
            rounds=self.rounds or rounds,
            epochs=self.epochs or epochs,
            batch_size=self.batch_size or batch_size,
            learning_rate=self.learning_rate or rate,
            inverse_penalty=self.inverse_penalty or inverse_penalty,
        )

    def logits(
        self,
        tokens: np.ndarray,
        labels: np.ndarray,
        inside: np.ndarray,
        rng: np.random.Generator,
        clients: np.ndarray | None = None,
    ) -> np.ndarray:
        """Train the filters and return their logits of all mails, shape (shadows, n).

        All shadows process the same batches, and the mails that a shadow is not trained on are masked. So one sparse
        matrix product computes the logits of all shadows.

        Args:
            tokens: all mails of the pool, shape (n, length).
            labels: labels of the mails, shape (n,): 0 for ham, 1 for spam.
            inside: whether each shadow is trained on each mail, shape (shadows, n), bool.
            rng: generator that shuffles the mails.
            clients: client of each mail, shape (n,), from 0 on; None has all mails in one place.

        Raises:
            ValueError: a setting of the training is None, see `trained_as`.
        """
        if None in (self.rounds, self.epochs, self.batch_size, self.learning_rate):
            raise ValueError("rounds, epochs, batch_size and learning_rate must be numbers: use `trained_as`")
        bags, shadows = count_words(tokens), f"shadows={len(inside)}"
        require_room(f"{shadows} with {len(labels)} mails each", *inside.shape, each=9)
        if self.inverse_penalty is not None:
            return fit_penalised(bags, labels, inside, self.inverse_penalty)
        require_room(f"{shadows} with {bags.shape[1]} words each", bags.shape[1], len(inside), each=20)
        places = np.zeros(len(labels), np.int64) if clients is None else clients
        members = [np.flatnonzero(places == client) for client in range(int(places.max()) + 1)]
        weights = np.zeros((bags.shape[1], len(inside)), np.float32)
        for _ in range(self.rounds or 1):
            updates = np.zeros_like(weights)
            for own in members:
                share = (inside[:, own].sum(1) / inside.sum(1)).astype(np.float32)
                updates += share * (self._train_client(weights, bags, labels, inside, own, rng) - weights)
            weights += updates
        return np.asarray((bags @ weights).T, np.float64)

    def _train_client(
        self,
        start: np.ndarray,
        bags: Any,
        labels: np.ndarray,
        inside: np.ndarray,
        own: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Return the weights of all shadows, shape (words, shadows), after one client's training on its mails `own`."""
        assert self.epochs is not None
        assert self.batch_size is not None
        assert self.learning_rate is not None
        weights, moments, step = start.copy(), (np.zeros_like(start), np.zeros_like(start)), 0
        for _ in range(self.epochs):
            order = rng.permutation(own)
            batches = max(1, round(len(order) * float(inside[:, own].mean()) / self.batch_size)) if len(own) else 0
            for batch in np.array_split(order, batches) if batches else ():
                step += 1
                rows, trained_on = bags[batch], inside[:, batch].T
                errors = (1 / (1 + np.exp(-(rows @ weights))) - labels[batch, None]) * trained_on
                gradient = rows.T @ (errors / np.maximum(trained_on.sum(0), 1)).astype(np.float32)
                _adam(weights, gradient, moments, step, self.learning_rate)
        return weights


def _adam(
    weights: np.ndarray, gradient: np.ndarray, moments: tuple[np.ndarray, np.ndarray], step: int, rate: float
) -> None:
    """Take one step of Adam, in place."""
    first, second = moments
    first += (1 - FIRST) * (gradient - first)
    second += (1 - SECOND) * (gradient**2 - second)
    scale = np.sqrt(second / (1 - SECOND**step)) + TINY
    weights -= (rate / (1 - FIRST**step)) * first / scale


def fit_penalised(bags: Any, labels: np.ndarray, inside: np.ndarray, inverse_penalty: float) -> np.ndarray:
    """Fit a logistic regression with an L2 penalty for each shadow, as `LogisticFilter` does.

    Args:
        bags: word counts of all mails with a last column of ones, sparse, shape (n, words + 1).
        labels: labels of the mails, shape (n,).
        inside: whether each shadow is trained on each mail, shape (shadows, n), bool.
        inverse_penalty: inverse strength of the penalty, scikit-learn's C.

    Returns:
        Logits of all mails, shape (shadows, n).
    """
    from sklearn.linear_model import LogisticRegression

    counts = bags[:, :-1].astype(np.float64)
    model = LogisticRegression(C=inverse_penalty, solver="liblinear", max_iter=1_000, random_state=0)
    return np.stack([model.fit(counts[own], labels[own]).decision_function(counts) for own in inside])


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
