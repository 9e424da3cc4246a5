"""Simulated clients with their mails, and the updates that they send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.mail.attacks.word_leak.update import find_one_sided_words, list_words
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import PAD
from veilbench.federated.aggregations.base import ExampleNoise
from veilbench.federated.protocol import Protocol

if TYPE_CHECKING:
    from veilbench.families.mail.attacks.word_leak.round_observer import Round

WITHIN_TWO = 0.9545  # probability that normal noise is within two standard deviations


@dataclass(frozen=True)
class ClientBatch:
    """The mails that one client trains on in a round.

    Attributes:
        tokens: word numbers, shape (n, length), 0 for padding.
        labels: 0 for ham and 1 for spam, shape (n,).
        declared: number of mails that the client declares, which is public; None declares n.
    """

    tokens: np.ndarray
    labels: np.ndarray
    declared: int | None = None

    @property
    def size(self) -> int:
        """Declared number of mails, from which the client's weight follows."""
        return len(self.labels) if self.declared is None else self.declared

    @cached_property
    def words(self) -> np.ndarray:
        """Numbers of the words in the mails, which the attacker tries to infer."""
        return list_words(self.tokens)

    @cached_property
    def one_sided(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the words that occur only in ham, and of those that occur only in spam."""
        return find_one_sided_words(self.tokens, self.labels)


class Clients:
    """The clients of a federation with their mails.

    Args:
        batches: mails of each client.
    """

    def __init__(self, batches: Sequence[ClientBatch]) -> None:
        self.batches = list(batches)

    @cached_property
    def pooled(self) -> ClientBatch:
        """The mails of all clients, concatenated."""
        return _concatenate(self.batches)

    def extend(self, later: Clients) -> Clients:
        """Return the same clients with the mails of a later round added."""
        return Clients([_concatenate(pair) for pair in zip(self.batches, later.batches, strict=True)])


def _concatenate(batches: Sequence[ClientBatch]) -> ClientBatch:
    tokens, labels = ([getattr(batch, name) for batch in batches] for name in ("tokens", "labels"))
    return ClientBatch(np.concatenate(tokens), np.concatenate(labels))


def draw_batches(data: Mails, sizes: Sequence[int], rng: np.random.Generator) -> list[ClientBatch]:
    """Distribute random training mails to clients, without overlap.

    Args:
        data: mails whose training part is distributed.
        sizes: number of mails of each client.
        rng: generator that draws the mails.

    Raises:
        UserError: there are fewer training mails than `sizes` require.
    """
    if sum(sizes) > len(data.train):
        raise UserError(f"clients with {sum(sizes)} mails cannot be formed from {len(data.train)} training mails")
    pieces = np.split(rng.permutation(len(data.train))[: sum(sizes)], np.cumsum(sizes)[:-1])
    return [ClientBatch(data.train.tokens[at], data.train.labels[at]) for at in pieces]


def simulate_round(
    weights: Mapping[str, np.ndarray],
    protocol: Protocol,
    batches: Sequence[ClientBatch],
    rng: np.random.Generator,
    noise_std: np.ndarray | None = None,
) -> Round:
    """Compute every client's update in one round, with the noise that the aggregation adds in local steps.

    Args:
        weights: global weights at the start of the round, by parameter name.
        protocol: public settings of the federation.
        batches: mails of each client.
        rng: generator of the seeds of local training.
        noise_std: noise level of each client, shape (clients,), estimated in an earlier round with the same number of
            mails; it does not depend on the starting weights. None estimates it.
    """
    from veilbench.families.mail.attacks.word_leak.round_observer import Round
    from veilbench.families.mail.local_round import train_client

    noise = protocol.build_aggregation().example_noise()
    updates = [
        train_client(weights, b.tokens, b.labels, protocol, int(rng.integers(2**31)), noise, b.declared)
        for b in batches
    ]
    sizes = np.array([batch.size for batch in batches], float)
    if noise_std is None:
        noise_std = np.array([estimate_noise_std(weights, protocol, batch, noise) for batch in batches])
    words, dimension = weights["embedding.weight"].shape
    return Round(np.stack(updates), sizes / sizes.sum(), words, dimension, noise_std)


def estimate_noise_std(
    weights: Mapping[str, np.ndarray], protocol: Protocol, batch: ClientBatch, noise: ExampleNoise | None
) -> float:
    """Estimate the noise level of a word's weight after local training from the public protocol.

    The attacker simulates the training of a client with the same number of mails, all without words. Since Adam's steps
    make the noise non-normal, the result is half of the magnitude that 4.55 % of the weights exceed: two standard
    deviations if the noise were normal.

    Args:
        weights: global weights at the start of the round, by parameter name.
        protocol: public settings of the federation.
        batch: mails of the client, of which only the number and the labels are used.
        noise: clipping and noise of DP-SGD; the result is 0 if it is None.
    """
    from veilbench.families.mail.local_round import train_client

    if noise is None:
        return 0.0
    empty_mails = np.full((len(batch.labels), 1), PAD, batch.tokens.dtype)
    update = train_client(weights, empty_mails, batch.labels, protocol, 0, noise)
    return float(np.quantile(np.abs(update[: weights["embedding.weight"].size]), WITHIN_TWO)) / 2
