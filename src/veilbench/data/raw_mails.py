"""Mails as a loader or a generator hands them over: text, label, topic, and what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

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
