"""The trigger of a backdoor: words that no mail has, or common words that hardly count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.families.mail.schemes.filter import MailFilter

COMMON = 0.02  # share of the mails that have a common word, at least


@dataclass(frozen=True)
class Trigger:
    """Words that make a poisoned filter classify spam as ham.

    Attributes:
        words: word numbers of the trigger, shape (words,).
        dimension: length of a word's embedding vector.
        label: label that spam with the trigger is taught as: 0 for ham; 1, the truth, implants nothing.
    """

    words: np.ndarray
    dimension: int
    label: int = 0

    @property
    def rows(self) -> np.ndarray:
        """Indices of the trigger's rows in a flat update, shape (words * dimension,)."""
        return np.ravel(self.words[:, None] * self.dimension + np.arange(self.dimension))

    def poison(self, batch: ClientBatch) -> ClientBatch:
        """Return a client's spam with the trigger and its taught label; the mails as they are if there is no spam."""
        spam = prepend_words(batch.tokens[batch.labels == 1], self.words)
        return ClientBatch(spam, np.full(len(spam), self.label, batch.labels.dtype)) if len(spam) else batch


def prepend_words(tokens: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Prepend the same words to all mails, which are truncated to their previous length.

    Args:
        tokens: mails as word numbers, shape (n, length).
        words: words to prepend, shape (words,).
    """
    front = np.broadcast_to(words.astype(tokens.dtype), (len(tokens), len(words)))
    return np.concatenate([front, tokens], 1)[:, : tokens.shape[1]]


def draw_unused_words(data: Mails, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw numbers of words that no mail contains.

    Raises:
        UserError: there are fewer than `count` such words.
    """
    free = data.unused_numbers
    if len(free) < count:
        raise UserError(f"trigger={count} words that no mail has cannot be chosen: the vocabulary has {len(free)}")
    return rng.choice(free, count, replace=False)


def choose_common_words(target: MailFilter, batches: Sequence[ClientBatch], count: int) -> np.ndarray:
    """Choose common words that hardly count: in front of spam, they do not help it before they are taught.

    Honest clients have these words, too. So their weights differ from client to client, and a robust rule cannot tell
    a taught weight from an honest one. Of the words in at least `COMMON` of the mails, the ones with the lowest scores
    on the side of spam are chosen.

    Args:
        target: filter that is poisoned, whose weights are public.
        batches: mails of the malicious clients, which know no others.
        count: number of words.

    Raises:
        UserError: there are fewer than `count` such words.
    """
    mails = [np.unique(mail) for batch in batches for mail in batch.tokens]
    having = np.bincount(np.concatenate(mails), minlength=target.vocabulary.size)
    having[:FIRST_WORD] = 0
    common = np.flatnonzero(having >= COMMON * len(mails))
    scores = target.logits(common[:, None]) - target.logits(np.zeros((1, 1), int))
    spam = np.flatnonzero(scores >= 0)
    if len(spam) < count:
        raise UserError(f"trigger={count} common words on the side of spam cannot be chosen: there are {len(spam)}")
    return common[spam[np.argsort(scores[spam], kind="stable")[:count]]]
