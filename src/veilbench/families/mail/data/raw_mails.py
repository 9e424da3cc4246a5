"""Mails as a loader or a generator hands them over: text, label, topic, and what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from veilbench.bench.errors import UserError

HAM, SPAM = 0, 1


@dataclass(frozen=True)
class RawMails:
    """What a loader reads.

    Attributes:
        texts: one string per mail, its subject first.
        labels: shape (n,), int64: 0 ham, 1 spam.
        topics: shape (n,), int64: a topic, a folder or a set, to skew clients by; all 0 where there is none.
        rare: words that would hurt when leaked (names, numbers); None where the source does not know them.
        notes: what was dropped, cut or guessed, with counts.
    """

    texts: list[str]
    labels: np.ndarray
    topics: np.ndarray
    rare: frozenset[str] | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(
        cls, texts: list[str], labels: Sequence[int], notes: list[str], topics: Sequence[int] | None = None
    ) -> RawMails:
        """What a loader has read, one mail after the other; all of topic 0 where topics are not given."""
        numbers = np.zeros(len(labels), np.int64) if topics is None else np.array(topics, np.int64)
        return cls(texts, np.array(labels, np.int64), numbers, notes=notes)


class MailSource(Protocol):
    """A loader or a generator."""

    def read(self, rng: np.random.Generator) -> RawMails:
        """Read or generate everything; `rng` is for generators."""
        ...


def checked(raw: RawMails) -> RawMails:
    """The mails with labels and topics as int64.

    Raises:
        UserError: there is not one label and one topic, a whole number from 0, for each mail.
    """
    made: dict[str, np.ndarray] = {}
    for name in ("labels", "topics"):
        numbers = np.asarray(getattr(raw, name))
        if numbers.shape != (len(raw.texts),) or numbers.dtype.kind not in "iub" or (numbers < 0).any():
            said = f"{name} of shape {numbers.shape} and type {numbers.dtype}"
            raise UserError(f"{said} for {len(raw.texts)} mails: a whole number from 0 for each is needed")
        made[name] = numbers.astype(np.int64)
    return replace(raw, labels=made["labels"], topics=made["topics"])
