"""Clients with mails of their own, and the updates that they would send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.mail.attacks.word_leak.update import one_sided, words_in
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import PAD
from veilbench.federated.aggregations.base import ExampleNoise
from veilbench.federated.protocol import Protocol

if TYPE_CHECKING:
    from veilbench.families.mail.attacks.word_leak.view import Round

WITHIN_TWO = 0.9545  # of normal noise lies within two deviations


@dataclass(frozen=True)
class Case:
    """One client's mails of a round.

    Attributes:
        tokens: shape (n, length).
        labels: shape (n,).
    """

    tokens: np.ndarray
    labels: np.ndarray

    @cached_property
    def words(self) -> np.ndarray:
        """Numbers of the words in the mails: what an attacker wants to know."""
        return words_in(self.tokens)

    @cached_property
    def one_sided(self) -> tuple[np.ndarray, np.ndarray]:
        """Of these, those in ham alone, and those in spam alone."""
        return one_sided(self.tokens, self.labels)


class Crowd:
    """Clients.

    Args:
        cases: each one's mails.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = list(cases)

    @cached_property
    def everybody(self) -> Case:
        """All of them as one."""
        return _together(self.cases)

    def and_then(self, later: Crowd) -> Crowd:
        """The same clients with the mails of both."""
        return Crowd([_together(pair) for pair in zip(self.cases, later.cases, strict=True)])


def _together(cases: Sequence[Case]) -> Case:
    return Case(np.concatenate([case.tokens for case in cases]), np.concatenate([case.labels for case in cases]))


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
    aggregation = protocol.build_aggregation()
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
    from veilbench.families.mail.attacks.word_leak.view import Round
    from veilbench.families.mail.local_round import client_update

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

    A client with as many mails is simulated whose mails have no words. Where the noise is not normal, which the steps
    of Adam make of it, this is the deviation of normal noise that goes as seldom beyond two deviations.
    """
    from veilbench.families.mail.local_round import client_update

    if noise is None:
        return 0.0
    silent = np.full((len(case.labels), 1), PAD, case.tokens.dtype)
    update = client_update(weights, silent, case.labels, protocol, 0, noise)
    return float(np.quantile(np.abs(update[: weights["embedding.weight"].size]), WITHIN_TWO)) / 2
