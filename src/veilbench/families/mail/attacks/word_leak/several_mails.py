"""Tells several mails apart in the update of one step: which word occurs how often in which mail.

In one step of plain SGD on a batch, a word's weight changes by the sum over mails of its count times the mail's step,
rate * (y - p) / mails. The steps are unknown, but every word that occurs once in one mail alone shows its mail's step.
So the steps are values that several words share, and that are no sums of other such values. The values of all other
words are sums of a few steps. The order of the words is lost: the filter sums over them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from veilbench.families.mail.attacks.word_leak.update import find_changed_words

ROUNDING = 2.0**-23  # of float32, relative to the weights
RELATIVE = 1e-5  # of sums of gradients, relative to the values
MOST_TOKENS = 12  # occurrences of one word that are tried
CHANCE = 0.1  # largest probability that a value is near a sum by chance; sums of more terms are not tried
CLEAR = 8  # times the rounding that a mail's step must exceed
LEAST_SHARED = 2  # words that must share a value for it to be a mail's step


@dataclass(frozen=True)
class ToldApart:
    """The mails of a batch, as far as they were told apart.

    Attributes:
        steps: step of each mail that was found, shape (found,); positive for spam.
        counts: count of each word in each of these mails, shape (found,), by the word's number; words whose value is no
            sum of at most `MOST_TOKENS` steps are left out.
    """

    steps: np.ndarray
    counts: dict[int, np.ndarray]

    def total(self) -> dict[int, int]:
        """Return the count of each word in all mails, by its number."""
        return {word: int(counts.sum()) for word, counts in self.counts.items()}

    def net(self) -> dict[int, int]:
        """Return the count of each word in spam minus that in ham, by its number."""
        return {word: int(counts @ np.sign(self.steps)) for word, counts in self.counts.items()}


def tell_mails_apart(update: np.ndarray, weights: np.ndarray, mails: int) -> ToldApart:
    """Recover the mails of one step of plain SGD on one batch, with one weight per word.

    Args:
        update: update of the words' weights, shape (words,).
        weights: the words' weights before the step, shape (words,); public.
        mails: number of mails in the batch; public, since it determines the client's weight.

    Returns:
        At most `mails` mails: those with at least `LEAST_SHARED` words of their own, and a step above float32 rounding.
    """
    words = find_changed_words(update)
    values = update[words].astype(np.float64)
    allowed = ROUNDING * np.abs(weights[words]) + RELATIVE * np.abs(values)
    rounding = float(np.median(allowed)) if len(words) else 0.0
    most = int(CHANCE * np.ptp(values) / (2 * rounding)) if rounding else 0
    shared = np.array([one for one in _list_shared_values(values, allowed) if abs(one) > CLEAR * rounding])
    composed = [_Sums(np.delete(shared, at), most).find(one, rounding).sum() > 1 for at, one in enumerate(shared)]
    steps = shared[~np.array(composed, bool)][:mails]
    sums = _Sums(steps, most)
    counts = {int(word): sums.find(*pair) for word, *pair in zip(words, values, allowed, strict=True)}
    return ToldApart(steps, {word: found for word, found in counts.items() if found.any()})


def _list_shared_values(values: np.ndarray, allowed: np.ndarray) -> list[float]:
    """Return the values that several words share within rounding, the most frequent first."""
    order = np.argsort(values)
    apart = np.diff(values[order]) > np.maximum(allowed[order][1:], allowed[order][:-1])
    groups = np.split(values[order], np.flatnonzero(apart) + 1) if len(values) else []
    shared = [group for group in groups if len(group) >= LEAST_SHARED]
    return [float(np.median(group)) for group in sorted(shared, key=lambda group: -len(group))]


class _Sums:
    """The sums of steps of one mail or more, by their number of terms.

    Args:
        steps: step of each mail, shape (mails,).
        most: largest number of sums; those of one term are always kept.
    """

    def __init__(self, steps: np.ndarray, most: int) -> None:
        self.size, total = len(steps), 0
        self.levels: list[tuple[np.ndarray, np.ndarray]] = []
        sums, terms = np.zeros(1), np.zeros((1, 0), np.int64)
        for number in range(1, MOST_TOKENS + 1):
            total += comb(self.size + number - 1, number)
            if number > 1 and total > most:
                break
            last = terms[:, -1] if terms.shape[1] else np.zeros(len(terms), np.int64)
            rows, added = np.nonzero(np.arange(self.size) >= last[:, None])
            sums, terms = sums[rows] + steps[added], np.column_stack([terms[rows], added])
            order = np.argsort(sums)
            self.levels.append((sums[order], terms[order]))

    def find(self, value: float, allowed: float) -> np.ndarray:
        """Return how often each step occurs in the sum of the fewest terms that is nearest to a value.

        Args:
            value: the value.
            allowed: largest distance between the value and a sum.

        Returns:
            Counts of shape (steps,), all 0 if no sum is near enough.
        """
        for sums, terms in self.levels:
            at = np.searchsorted(sums, value)
            near = [i for i in (at - 1, at) if 0 <= i < len(sums) and abs(sums[i] - value) <= allowed]
            if near:
                best = min(near, key=lambda i: abs(sums[i] - value))
                return np.bincount(terms[best], minlength=self.size)
        return np.zeros(self.size, np.int64)
