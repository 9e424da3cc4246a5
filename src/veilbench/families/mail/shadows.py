"""Shadow filters: logistic regressions on bags of words, trained together on different subsets of the mails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from veilbench.bench.limits import Count, LearningRate, Momentum, NotNegative, Positive, Steps, require_room
from veilbench.families.mail.shadow_rounds import ShadowRounds
from veilbench.families.mail.shadow_steps import ShadowSteps
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.protocol import Protocol

EPOCHS, BATCH_SIZE, LEARNING_RATE = 3, 128, 0.01  # training of shadows of a filter whose training is unknown
AT_ONCE = 32  # shadows that are trained together


@dataclass(frozen=True)
class ShadowFilters:
    """Logistic regressions on bags of words, trained as the attacked filter was.

    There are three trainings: a federation of clients that start each round with a new optimizer, with the noise and
    the rule of the attacked one; Adam on all mails in one place, which is one client and one round; and a fit to
    convergence with an L2 penalty by scikit-learn.

    Attributes:
        count: number of shadow filters; even, since budgets are halved.
        rounds: rounds of federated averaging; None takes the federation's, or 1 without one.
        epochs: passes over the mails per round; None takes the federation's, or `EPOCHS` without one.
        batch_size: average number of training mails per shadow and optimizer step; None likewise, or `BATCH_SIZE`.
        learning_rate: learning rate; None takes the federation's, or `LEARNING_RATE` without one.
        inverse_penalty: scikit-learn's C, inverse strength of a penalty; None takes the filter's, or trains by steps.
        optimizer: optimizer of the steps; None takes the federation's, or Adam without one.
        momentum: momentum of `sgd`; None likewise, or 0.
        proximal: mu of FedProx; None likewise, or 0.
    """

    count: Annotated[Count, Ge(4)] = 32
    rounds: Steps | None = None
    epochs: Steps | None = None
    batch_size: Count | None = None
    learning_rate: LearningRate | None = None
    inverse_penalty: Positive | None = None
    optimizer: Literal["adam", "sgd"] | None = None
    momentum: Momentum | None = None
    proximal: NotNegative | None = None

    def trained_as(self, protocol: Protocol | None, inverse_penalty: float | None = None) -> ShadowFilters:
        """Return these filters with the public training of the attacked filter in place of what is None.

        Args:
            protocol: public settings of its federation; None if there was none.
            inverse_penalty: inverse strength of its penalty; None if it was not fitted to convergence.
        """
        public = protocol or Protocol({}, 1, EPOCHS, BATCH_SIZE, learning_rate=LEARNING_RATE)
        return replace(
            self,
            rounds=self.rounds or public.rounds,
            epochs=self.epochs or public.local_epochs,
            batch_size=self.batch_size or public.batch_size,
            learning_rate=self.learning_rate or public.learning_rate,
            inverse_penalty=self.inverse_penalty or inverse_penalty,
            optimizer=self.optimizer or public.optimizer,
            momentum=public.momentum if self.momentum is None else self.momentum,
            proximal=public.proximal if self.proximal is None else self.proximal,
        )

    def logits(
        self,
        tokens: np.ndarray,
        labels: np.ndarray,
        inside: np.ndarray,
        rng: np.random.Generator,
        clients: np.ndarray | None = None,
        aggregation: Aggregation | None = None,
    ) -> np.ndarray:
        """Train the filters and return their logits of all mails, shape (shadows, n).

        Args:
            tokens: all mails of the pool, shape (n, length).
            labels: labels of the mails, shape (n,): 0 for ham, 1 for spam.
            inside: whether each shadow is trained on each mail, shape (shadows, n), bool.
            rng: generator that shuffles the mails.
            clients: client of each mail, shape (n,), from 0 on; None has all mails in one place.
            aggregation: how the clients' updates are combined, and the noise of their training; None averages them.

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
        if aggregation is None or aggregation.error is not None:
            blocks = [inside]
        else:  # the updates of all clients are kept until they are combined
            blocks = [inside[first : first + AT_ONCE] for first in range(0, len(inside), AT_ONCE)]
        logits = [self._train(bags, labels, block, members, rng, aggregation) for block in blocks]
        return np.concatenate(logits).astype(np.float64)

    def _train(
        self,
        bags: Any,
        labels: np.ndarray,
        inside: np.ndarray,
        members: list[np.ndarray],
        rng: np.random.Generator,
        aggregation: Aggregation | None,
    ) -> np.ndarray:
        """Train some filters in the federation's rounds, and return their logits, shape (shadows, n)."""
        assert self.epochs is not None
        assert self.batch_size is not None
        assert self.learning_rate is not None
        noise = None if aggregation is None else aggregation.example_noise()
        settings = (self.optimizer or "adam", self.momentum or 0.0, self.proximal or 0.0, noise)
        steps = ShadowSteps(self.epochs, self.batch_size, self.learning_rate, *settings)
        weights = np.zeros((bags.shape[1], len(inside)), np.float32)
        federations = ShadowRounds(aggregation, members, inside, rng)
        for _ in range(self.rounds or 1):
            weights = federations.run(steps, weights, bags, labels, rng)
        return np.asarray((bags @ weights).T)


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
