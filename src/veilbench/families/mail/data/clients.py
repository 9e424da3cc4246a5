"""Distribution of the training mails to the clients of a federation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, Positive


class Deal(Protocol):
    """A way to distribute mails to clients."""

    def deal(self, labels: np.ndarray, topics: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Assign mails to clients.

        Args:
            labels: 0 for ham and 1 for spam, shape (n,).
            topics: topic of each mail, shape (n,).
            rng: generator of the assignment.

        Returns:
            The client of each mail, from 0, shape (n,), int64; every client has at least one mail.
        """
        ...


class UnequalClients:
    """Gives random mails to clients of given sizes, and all remaining mails to a last client.

    Args:
        sizes: numbers of mails of all clients but the last; the source system has two of 1,000.
    """

    def __init__(self, sizes: Sequence[Count] = (1_000, 1_000)) -> None:
        self.sizes = list(sizes)

    def deal(self, labels: np.ndarray, topics: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the client of each mail, shape (n,), int64.

        Raises:
            UserError: no mail remains for the last client.
        """
        if sum(self.sizes) >= len(labels):
            raise UserError(f"clients.sizes={self.sizes} leave nothing of {len(labels)} mails for the last client")
        sizes = [*self.sizes, len(labels) - sum(self.sizes)]
        return rng.permutation(np.repeat(np.arange(len(sizes)), sizes))


class EqualClients:
    """Gives equal numbers of random mails to all clients; the numbers differ by at most one.

    Args:
        count: number of clients that share the mails.
    """

    def __init__(self, count: Count = 10) -> None:
        self.count = count

    def deal(self, labels: np.ndarray, topics: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the client of each mail, shape (n,), int64.

        Raises:
            UserError: there are fewer mails than clients.
        """
        if self.count > len(labels):
            raise UserError(f"clients.count={self.count} is more than the {len(labels)} training mails")
        return rng.permutation(np.arange(len(labels)) % self.count)


class DirichletClients:
    """Gives clients different shares of each label or topic, drawn from a Dirichlet distribution (Hsu et al. 2019).

    Args:
        count: number of clients that share the mails.
        alpha: concentration parameter. Small values give each label or topic to few clients; large values give all
            clients nearly equal shares.
        by: whether the clients differ by `label` or by `topic`.
    """

    def __init__(
        self,
        count: Count = 10,
        alpha: Positive = 0.5,
        by: Literal["label", "topic"] = "label",
    ) -> None:
        self.count, self.alpha, self.by = count, alpha, by

    def deal(self, labels: np.ndarray, topics: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the client of each mail, shape (n,), int64.

        A client that would have no mails gets one mail from the client with the most.

        Raises:
            UserError: there are fewer mails than clients.
        """
        if self.count > len(labels):
            raise UserError(f"clients.count={self.count} is more than the {len(labels)} training mails")
        groups, clients = labels if self.by == "label" else topics, np.empty(len(labels), np.int64)
        for group in np.unique(groups):
            indices = rng.permutation(np.flatnonzero(groups == group))
            shares = np.cumsum(rng.dirichlet([self.alpha] * self.count))[:-1]
            clients[indices] = np.searchsorted(shares, (np.arange(len(indices)) + 0.5) / len(indices))
        for client in np.setdiff1d(np.arange(self.count), clients):
            clients[np.flatnonzero(clients == np.bincount(clients).argmax())[0]] = client
        return clients
