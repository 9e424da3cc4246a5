"""Mails as returned by loaders and generators: text, label, topic, and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from veilbench.bench.errors import UserError

HAM, SPAM = 0, 1


@dataclass(frozen=True)
class RawMails:
    """Untokenised mails.

    Attributes:
        texts: one string per mail, starting with its subject.
        labels: 0 for ham and 1 for spam, shape (n,), int64.
        topics: topic, folder or set of each mail, by which clients can differ, shape (n,), int64; 0 for all if the
            source has none.
        rare: rare words, such as names and numbers; None if the source does not define them.
        notes: notes about what was dropped, truncated or guessed, with counts.
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
        """Create mails from a loader's lists; all mails have topic 0 if topics are not given."""
        numbers = np.zeros(len(labels), np.int64) if topics is None else np.array(topics, np.int64)
        return cls(texts, np.array(labels, np.int64), numbers, notes=notes)


class MailSource(Protocol):
    """A loader or a generator of mails."""

    def read(self, rng: np.random.Generator) -> RawMails:
        """Read or generate all mails; only generators use `rng`."""
        ...


def check_raw(raw: RawMails) -> RawMails:
    """Check labels and topics, and convert them to int64.

    Raises:
        UserError: there is not one label and one topic, a non-negative integer, for each mail.
    """
    converted: dict[str, np.ndarray] = {}
    for name in ("labels", "topics"):
        numbers = np.asarray(getattr(raw, name))
        if numbers.shape != (len(raw.texts),) or numbers.dtype.kind not in "iub" or (numbers < 0).any():
            given = f"{name} of shape {numbers.shape} and type {numbers.dtype}"
            raise UserError(f"{given} for {len(raw.texts)} mails: a whole number from 0 for each is needed")
        converted[name] = numbers.astype(np.int64)
    return replace(raw, labels=converted["labels"], topics=converted["topics"])
