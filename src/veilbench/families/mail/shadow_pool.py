"""One pool of shadow filters, which all attacks with shadows share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.shadows import ShadowFilters
from veilbench.federated.protocol import Protocol
from veilbench.metrics.gaussian_ratio import random_subsets

FEWEST = 8  # shadow filters that can be halved


def join_mails(data: Mails) -> MailPart:
    """Return the mails that the pool is drawn from: training, test and auxiliary mails, in this order."""
    return MailPart.join(data.train, data.test, data.auxiliary)


@dataclass(frozen=True)
class ShadowPool:
    """Shadow filters, each trained on as many mails of the pool as the target, drawn at random.

    Attributes:
        confidences: logits of the mails' own labels, shape (shadows, n).
        inside: whether each shadow was trained on each mail, shape (shadows, n), bool; at least two were, and two not.
    """

    confidences: np.ndarray
    inside: np.ndarray

    def __len__(self) -> int:
        return len(self.inside)

    def first(self, count: int) -> ShadowPool:
        """Return the pool of the first filters."""
        return ShadowPool(self.confidences[:count], self.inside[:count])

    def counts(self) -> list[int]:
        """Return the numbers of filters at which attacks are compared: half of them, if there are enough, and all."""
        half = [len(self) // 2] if len(self) % 4 == 0 and len(self) >= FEWEST else []
        return [*half, len(self)]


def train_pool(filters: ShadowFilters, protocol: Protocol | None, data: Mails, rng: np.random.Generator) -> ShadowPool:
    """Train a pool of shadow filters as the target was: as many mails, the same training, clients of the same sizes.

    Args:
        filters: number and training of the filters, see `ShadowFilters.trained_as`.
        protocol: public settings of the federation, whose clients the mails are dealt to, and whose aggregation
            combines their updates; None for a training in one place.
        data: prepared mails; the pool has training, test and auxiliary mails, see `join_mails`.
        rng: source of the subsets, the clients of each mail, and the order of the mails.
    """
    mails = join_mails(data)
    halves = [filters.count // 2] * 2 if filters.count % 4 == 0 and filters.count >= FEWEST else [filters.count]
    inside = np.concatenate([draw_subsets(count, len(mails), len(data.train), rng) for count in halves])
    clients = aggregation = None
    if protocol is not None:
        aggregation = protocol.build_aggregation()
        sizes = np.bincount(data.clients) / len(data.clients)
        clients = rng.choice(len(sizes), len(mails), p=sizes)
    logits = filters.logits(mails.tokens, mails.labels, inside, rng, clients, aggregation)
    return ShadowPool(logits * (2 * mails.labels - 1), inside)


def draw_subsets(count: int, mails: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw subsets of about `size` mails, shape (count, mails), bool: each mail in at least two, and not in two."""
    shares = np.clip(round(count * size / mails), 2, count - 2)
    return random_subsets(count, mails, round(mails * int(shares) / count), rng)
