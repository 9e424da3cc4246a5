"""How much of the clients' words was named: shares, and what is above chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.attack import CONFIDENCE
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Metric
from veilbench.families.mail.attacks.word_leak.cases import Case
from veilbench.families.mail.attacks.word_leak.update import SHARES, common, label_recall, leak
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.metrics.intervals import proportion

if TYPE_CHECKING:
    from veilbench.families.mail.attacks.word_leak.rounds import Named, Sight

Row = list[str | float | Metric | None]
HEADINGS = (*(share.replace("_", " ") for share in SHARES), "label named")


def union(words: Sequence[np.ndarray]) -> np.ndarray:
    """All of these words, sorted."""
    return np.unique(np.concatenate(words))


def universe(data: Mails) -> int:
    """The words that could have been used, padding and the unknown word included.

    Those that have a number; where the numbers are of the clients' words alone, those of the whole corpus.
    """
    return FIRST_WORD + len(data.lexicon) if data.vocabulary_from == "clients" else data.vocabulary.size


def gain(sight: Sight, data: Mails, lists: bool) -> Metric:
    """What messages name, with the lists of words that clients have sent for the vocabulary, if they have."""
    cases, guesses = sight.crowd.cases, sight.guesses()
    if lists:
        guesses = [union([guess, case.words]) for guess, case in zip(guesses, cases, strict=True)]
    return informedness(guesses, cases, universe(data))


def alike(guessed: np.ndarray, truth: np.ndarray) -> float:
    """How far two sets of words are the same (Dice 1945): 1 for equal ones, 0 for none in common."""
    return 2 * len(common(guessed, truth)) / max(len(guessed) + len(truth), 1)


def shares_of(named: Named, case: Case, data: Mails) -> Row:
    """The cells under `HEADINGS`."""
    measured = leak(named.words, case.words, data.rare_numbers)
    labels = None if named.leanings is None else label_recall(named.leanings, *case.one_sided)
    return [*(getattr(measured, share) for share in SHARES), labels]


def informedness(guessed: Sequence[np.ndarray], cases: Sequence[Case], size: int) -> Metric:
    """Share of the clients' words named less share of the other words named (Youden 1950), over all clients.

    Args:
        guessed: per client, numbers of words.
        cases: the clients.
        size: of the vocabulary, padding and the unknown word included.

    Raises:
        UserError: no client has a known word.
    """
    truths = [case.words for case in cases]
    right = sum(len(common(g, t)) for g, t in zip(guessed, truths, strict=True))
    wrong, there = sum(map(len, guessed)) - right, sum(map(len, truths))
    absent = len(cases) * (size - FIRST_WORD) - there
    if not there or not absent:
        raise UserError("the attack on words needs words that clients have used, and others")
    each = 1 - (1 - CONFIDENCE) / 2  # both intervals hold together
    recall, false = proportion(right, there, each), proportion(wrong, absent, each)
    label = f"Clopper-Pearson on both shares, {100 * CONFIDENCE:g} %"
    return Metric(recall.value - false.value, recall.low - false.high, recall.high - false.low, there, label)
