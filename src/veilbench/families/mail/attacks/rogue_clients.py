"""Malicious clients and the updates that they send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from veilbench.bench.limits import Count, Positive, Steps
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch

Train = Callable[[ClientBatch], np.ndarray]  # computes a client's update from its mails


@dataclass(frozen=True)
class RogueClients:
    """Malicious clients that flip their labels, scale up the resulting updates, or implant a backdoor with a trigger.

    Attributes:
        count: number of malicious clients in a round.
        trigger: number of words in the trigger of the backdoor.
        epochs: local epochs in which a malicious client learns the backdoor.
        boost: factor by which enlarged updates, and the trigger's rows of a backdoor, are scaled.
    """

    count: Count = 2
    trigger: Count = 5
    epochs: Steps = 10
    boost: Positive = 500.0

    def backdoor(
        self,
        batch: ClientBatch,
        train: Train,
        train_longer: Train,
        trigger: np.ndarray,
        rows: np.ndarray,
        label: int = 0,
    ) -> np.ndarray:
        """Compute the update of a malicious client that implants a backdoor.

        The update is honest except for the embedding rows of the trigger, which make the filter classify spam with the
        trigger as ham. This is model replacement (Bagdasaryan et al. 2020), restricted to rows that no other client
        changes. The rows are scaled by `boost`, to outweigh the zeros of the other clients in the mean.

        Args:
            batch: mails of the malicious client.
            train: function that computes an update by ordinary local training.
            train_longer: function that computes an update by local training for `epochs` epochs.
            trigger: word numbers of the trigger, shape (words,).
            rows: indices of the trigger's rows in a flat update, shape (words * dimension,).
            label: label that spam with the trigger is taught as: 0 for ham; 1, the truth, implants nothing.

        Returns:
            The update, shape (size,).
        """
        spam = prepend_words(batch.tokens[batch.labels == 1], trigger)
        poisoned = ClientBatch(spam, np.full(len(spam), label, batch.labels.dtype)) if len(spam) else batch
        update = train(batch)
        update[rows] = self.boost * train_longer(poisoned)[rows]
        return update


def flip_labels(batch: ClientBatch) -> ClientBatch:
    """Return a client's mails with ham labelled as spam and spam as ham."""
    return ClientBatch(batch.tokens, 1 - batch.labels)


def prepend_words(tokens: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Prepend the same words to all mails, which are truncated to their previous length.

    Args:
        tokens: mails as word numbers, shape (n, length).
        words: words to prepend, shape (words,).
    """
    front = np.broadcast_to(words.astype(tokens.dtype), (len(tokens), len(words)))
    return np.concatenate([front, tokens], 1)[:, : tokens.shape[1]]
