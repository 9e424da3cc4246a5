"""Simulated clients with their mails, and the updates that they send."""

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

WITHIN_TWO = 0.9545  # share of normal noise within two standard deviations


@dataclass(frozen=True)
class Case:
    """The mails of one client in a round.

    Attributes:
        tokens: word numbers, shape (n, length), 0 for padding.
        labels: 0 for ham and 1 for spam, shape (n,).
    """

    tokens: np.ndarray
    labels: np.ndarray

    @cached_property
    def words(self) -> np.ndarray:
        """Numbers of the words in the mails, which the attacker wants to infer."""
        return words_in(self.tokens)

    @cached_property
    def one_sided(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the words that occur only in ham, and of those that occur only in spam."""
        return one_sided(self.tokens, self.labels)


class Crowd:
    """The clients of a round.

    Args:
        cases: mails of each client.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = list(cases)

    @cached_property
    def everybody(self) -> Case:
        """All clients' mails as those of one client."""
        return _together(self.cases)

    def and_then(self, later: Crowd) -> Crowd:
        """Return the same clients with the mails of both rounds."""
        return Crowd([_together(pair) for pair in zip(self.cases, later.cases, strict=True)])


def _together(cases: Sequence[Case]) -> Case:
    return Case(np.concatenate([case.tokens for case in cases]), np.concatenate([case.labels for case in cases]))


def dealt(data: Mails, sizes: Sequence[int], rng: np.random.Generator) -> list[Case]:
    """Distribute random training mails to clients, without overlap.

    Raises:
        UserError: there are fewer training mails than `sizes` require.
    """
    if sum(sizes) > len(data.train):
        raise UserError(f"clients with {sum(sizes)} mails cannot be made of {len(data.train)} training mails")
    pieces = np.split(rng.permutation(len(data.train))[: sum(sizes)], np.cumsum(sizes)[:-1])
    return [Case(data.train.tokens[at], data.train.labels[at]) for at in pieces]


def example_noise(protocol: Protocol) -> ExampleNoise | None:
    """Return the clipping and noise of the federation's local steps; None for ordinary local training."""
    aggregation = protocol.build_aggregation()
    return aggregation.example_noise()


def one_round(
    weights: Mapping[str, np.ndarray],
    protocol: Protocol,
    cases: Sequence[Case],
    rng: np.random.Generator,
    jitter: np.ndarray | None = None,
) -> Round:
    """Compute every client's update from these weights, with the noise that the aggregation adds in local steps.

    Args:
        weights: global weights at the start of the round, by parameter name.
        protocol: public settings of the federation.
        cases: mails of each client.
        rng: generator of the seeds of local training.
        jitter: noise level of each client, shape (clients,), from an earlier round with the same number of mails; it
            does not depend on the starting weights. None estimates it.
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
    """Estimate the noise level of a word's weight after local training; it depends only on the public protocol.

    The training of a client with the same number of mails, all without words, is simulated. The result is the standard
    deviation of normal noise that exceeds two deviations equally often; Adam's steps make the noise non-normal.
    """
    from veilbench.families.mail.local_round import client_update

    if noise is None:
        return 0.0
    silent = np.full((len(case.labels), 1), PAD, case.tokens.dtype)
    update = client_update(weights, silent, case.labels, protocol, 0, noise)
    return float(np.quantile(np.abs(update[: weights["embedding.weight"].size]), WITHIN_TWO)) / 2
