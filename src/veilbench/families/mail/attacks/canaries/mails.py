"""Canary mails: each has a word of its own, and was trained on or not. They audit privacy of single mails."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from veilbench.families.mail.attacks.canaries.rounds import deal_mails, run_rounds
from veilbench.families.mail.attacks.canaries.scores import CanaryScores
from veilbench.families.mail.attacks.poison.trigger import draw_unused_words
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch
from veilbench.families.mail.data.mail import Mails
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, describe_aggregation

REPEATS = 20  # times that a canary repeats its word, so that the clipped gradient is nearly all the word's


@dataclass(frozen=True)
class CanaryMails:
    """Mails of one word that no other mail has, alternately spam and ham, which balances the bias.

    All canaries are given to the client that declares the fewest mails: epsilon is that of its mails. Its declared
    number of mails does not change with the canaries.

    Attributes:
        words: number of each canary's word, shape (canaries,).
        labels: label of each canary, shape (canaries,).
        included: whether each canary is trained on, shape (canaries,).
    """

    words: np.ndarray
    labels: np.ndarray
    included: np.ndarray

    @classmethod
    def draw(cls, data: Mails, canaries: int, rng: np.random.Generator) -> CanaryMails:
        """Draw the words, and flip the coins.

        Raises:
            UserError: there are fewer unused words than canaries.
        """
        words = draw_unused_words(data, canaries, rng)
        return cls(words, np.arange(canaries) % 2, rng.random(canaries) < 0.5)

    def add_to(self, batch: ClientBatch) -> ClientBatch:
        """Return a client's mails and the included canaries; the declared number of mails stays."""
        mails = np.zeros((int(self.included.sum()), batch.tokens.shape[1]), batch.tokens.dtype)
        mails[:, :REPEATS] = self.words[self.included, None]
        labels = np.concatenate([batch.labels, self.labels[self.included].astype(batch.labels.dtype)])
        return ClientBatch(np.concatenate([batch.tokens, mails]), labels, batch.size)

    def score(self, protocol: Protocol, data: Mails, rng: np.random.Generator) -> CanaryScores:
        """Train from zero weights, and score each canary by how far the client's messages moved its word.

        The client's messages are scored if the aggregator can read them, otherwise the means.
        """
        batches = deal_mails(data)
        client = int(np.argmin([batch.size for batch in batches]))
        batches[client] = self.add_to(batches[client])
        moved = np.zeros(len(self.words))
        for observed in run_rounds(protocol, batches, data.vocabulary.size, rng):
            message = observed.messages[client]
            moved += (observed.mean if message is None else message)[self.words]
        return CanaryScores(moved * (2 * self.labels - 1), self.included)


def score_mails(
    protocol: Protocol, data: Mails, canaries: int, rng: np.random.Generator
) -> tuple[CanaryScores, CanaryScores]:
    """Train a federation with canary mails, and the same federation without noise.

    Args:
        protocol: settings of the federation.
        data: prepared mails, dealt to the clients.
        canaries: number of canary mails, each included by a coin flip.
        rng: source of the words, the coin flips, the training and the noise.

    Returns:
        Scores in the federation, and in the federation without noise.
    """
    planted = CanaryMails.draw(data, canaries, rng)
    plain = replace(protocol, aggregation=describe_aggregation(Plain()))
    return planted.score(protocol, data, rng), planted.score(plain, data, rng)
