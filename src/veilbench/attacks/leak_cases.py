"""Clients with mails of their own, and the updates that they would send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from veilbench.attacks.word_leak import words_in
from veilbench.data.mail import Mails
from veilbench.data.vocabulary import PAD
from veilbench.errors import UserError
from veilbench.experiment import build
from veilbench.federated.aggregations.base import Aggregation, ExampleNoise
from veilbench.federated.protocol import Protocol

if TYPE_CHECKING:
    from veilbench.attacks.leak_view import Round


@dataclass(frozen=True)
class Case:
    """One client's mails of a round.

    Attributes:
        tokens: shape (n, length).
        labels: shape (n,).
    """

    tokens: np.ndarray
    labels: np.ndarray

    def words(self) -> np.ndarray:
        """Numbers of the words in the mails: what an attacker wants to know."""
        return words_in(self.tokens)


def together(cases: Sequence[Case]) -> Case:
    """All clients as one."""
    return Case(np.concatenate([case.tokens for case in cases]), np.concatenate([case.labels for case in cases]))


def joined(before: Sequence[Case], after: Sequence[Case]) -> list[Case]:
    """The clients with the mails of both."""
    return [together(pair) for pair in zip(before, after, strict=True)]


def dealt(data: Mails, sizes: Sequence[int], rng: np.random.Generator) -> list[Case]:
    """Clients with so many training mails each, none in two.

    Raises:
        UserError: there are not so many.
    """
    if sum(sizes) > len(data.train):
        raise UserError(f"clients with {sum(sizes)} mails cannot be made of {len(data.train)} training mails")
    pieces = np.split(rng.permutation(len(data.train))[: sum(sizes)], np.cumsum(sizes)[:-1])
    return [Case(data.train.tokens[at], data.train.labels[at]) for at in pieces]


def example_noise(protocol: Protocol) -> ExampleNoise | None:
    """What clients of this federation add within their local steps."""
    aggregation: Aggregation = build(dict(protocol.aggregation))
    return aggregation.example_noise()


def one_round(
    weights: Mapping[str, np.ndarray],
    protocol: Protocol,
    cases: Sequence[Case],
    rng: np.random.Generator,
    jitter: np.ndarray | None = None,
) -> Round:
    """Every client's update from these weights, with the noise that the protocol's aggregation has clients add.

    Args:
        weights: the common ones.
        protocol: of the federation.
        cases: the clients.
        rng: seeds their training.
        jitter: of a round with as many mails, where there was one: noise alone moves a word's weight as far from any.
    """
    from veilbench.attacks.leak_view import Round
    from veilbench.federated.local_round import client_update

    noise = example_noise(protocol)
    updates = [client_update(weights, c.tokens, c.labels, protocol, int(rng.integers(2**31)), noise) for c in cases]
    sizes = np.array([len(case.labels) for case in cases], float)
    if jitter is None:
        jitter = np.array([silent_deviation(weights, protocol, case, noise) for case in cases])
    words, dimension = weights["embedding.weight"].shape
    return Round(np.stack(updates), sizes / sizes.sum(), words, dimension, jitter)


def silent_deviation(
    weights: Mapping[str, np.ndarray], protocol: Protocol, case: Case, noise: ExampleNoise | None
) -> float:
    """How far noise alone moves a word's weight in a client's training: what anybody can learn who knows the protocol.

    A client with as many mails is simulated whose mails have no words.
    """
    from veilbench.federated.local_round import client_update

    if noise is None:
        return 0.0
    silent = np.full((len(case.labels), 1), PAD, case.tokens.dtype)
    update = client_update(weights, silent, case.labels, protocol, 0, noise)
    return float(update[: weights["embedding.weight"].size].std())
