"""Good-word attack on spam filters: how many words must be added until a spam mail passes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.mail.attacks.word_leak.update import words_in
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import PAD
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.metrics.intervals import ends, paired_gain, proportion

NAMES = {
    "greedy": "good words",
    "random": "random words",
    "swapped": "good words for the worst",
    "swapped_random": "random words for random ones",
}


@dataclass(frozen=True)
class WordRanking:
    """Ranks words by queries: each word is tried in front of a few of the attacker's own spam mails.

    Attributes:
        probes: number of spam mails on which each word is tried.
        candidates: maximum number of words to try, the most frequent in the attacker's mails first.
    """

    probes: Count = 4
    candidates: Count = 1_000

    def rank(self, target: SpamScorer, data: Mails, rng: np.random.Generator) -> np.ndarray:
        """Rank words by their effect on a spam mail's logit, best first; words that do not lower it are left out.

        Args:
            target: filter whose scores are queried.
            data: mails, of which the attacker has the auxiliary part.
            rng: generator that draws the spam mails to try words on.
        """
        mails = data.auxiliary.tokens
        counts = np.bincount(mails.ravel(), minlength=data.vocabulary.size)
        words = words_in(mails)
        words = words[np.argsort(-counts[words], kind="stable")][: self.candidates]
        spam = data.auxiliary.tokens[data.auxiliary.labels == 1]
        moved = np.zeros(len(words))
        for probe in rng.permutation(spam)[: self.probes]:
            tried = np.tile(probe, (len(words), 1))
            tried = np.concatenate([words[:, None].astype(tried.dtype), tried], 1)[:, : tried.shape[1]]
            moved += target.logits(tried) - target.logits(probe[None])
        order = np.argsort(moved, kind="stable")
        chosen: np.ndarray = words[order[moved[order] < 0]]
        return chosen


RANKING = WordRanking()


class MailEvasion(Attack[SpamScorer, Mails]):
    """Prepends the best words that the attacker finds to caught spam, or random words as the control.

    In a good-word attack (Lowd and Meek 2005), the attacker tries each word of their own mails (the auxiliary part)
    once in front of a few spam mails, ranks the words by how far they move the logit towards ham, and uses the best
    ones, each once. For a filter with one weight per word this order is optimal. Words are prepended because the filter
    reads a limited number of words; the rest of the mail is cut off.

    A second attack swaps words: the attacker queries the score of the mail without each of its words, and replaces the
    worst words by the best good words; its control puts random words in random places.

    The gain is the share of caught test spam that passes with `reference_budget` good words, minus the share that
    passes with the same number of random words from the same mails. The default negative control is the target itself,
    with random words compared to random words.

    Args:
        threat: threat model; needs `score_queries` and `auxiliary_data`.
        positive: positive control, a filter that a few words evade.
        negative: negative control; None compares random words to random words on the target.
        budgets: numbers of added words, for the curve.
        reference_budget: number of added words at which the gain is measured; one of `budgets`.
        ranking: words that the attacker tries, and mails on which they are tried.
        most_mails: maximum number of attacked mails.
        broken_threshold: gain from which a filter counts as broken; 0 is chance and 1 is full success.
    """

    data_kind = Mails
    target_kind = SpamScorer

    title = "Good words"

    def __init__(
        self,
        threat: ThreatModel,
        positive: SpamScorer,
        negative: SpamScorer | None = None,
        budgets: Annotated[Sequence[Count], MinLen(1)] = (1, 2, 5, 10, 20, 50, 100),
        reference_budget: Count = 20,
        ranking: WordRanking = RANKING,
        most_mails: Count = 300,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if reference_budget not in budgets:
            raise ValueError(f"reference_budget={reference_budget} must be one of budgets={list(budgets)}")
        self.budgets, self.reference_budget = sorted(budgets), reference_budget
        self.ranking, self.most_mails = ranking, most_mails

    def run(
        self, target: SpamScorer, data: Mails, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Attack the caught test spam with all budgets; controls only with `reference_budget` words.

        Raises:
            UserError: the threat model is insufficient, or the filter catches no spam.
        """
        found, spam = Findings(self.title), self._caught(target, data, rng)
        good = self.ranking.rank(target, data, rng)
        budgets = [self.reference_budget] if control else self.budgets
        passing = {
            "greedy": [
                passed(target, spam, np.broadcast_to(good[:n], (len(spam), min(n, len(good))))) for n in budgets
            ],
            "random": [passed(target, spam, self._random(data, len(spam), n, rng)) for n in budgets],
        }
        if not control:
            passing |= self._swaps(target, data, spam, good, rng)
        at = budgets.index(self.reference_budget)
        found.gain = paired_gain(passing["greedy"][at], passing["random"][at], CONFIDENCE)
        for name, by_budget in passing.items():
            found.metrics[f"{name}_passing"] = proportion(int(by_budget[at].sum()), len(spam))
        curves = [
            Curve(NAMES[name], budgets, *ends([proportion(int(p.sum()), len(p)) for p in by_budget]))
            for name, by_budget in passing.items()
        ]
        axes = ("words added or swapped", "share of caught spam that passes")
        controls = [NAMES[name] for name in passing if "random" in name]
        found.figures.append(Figure(self.title, *axes, curves, log_x=True, control_curves=controls))
        if not control:
            self._fewest(found, dict(zip(budgets, passing["greedy"], strict=True)))
        return found

    def _swaps(
        self, target: SpamScorer, data: Mails, spam: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> dict[str, list[np.ndarray]]:
        """Return per budget which mails pass after swaps: best for worst words, and random words in random places."""
        worst = np.stack([worst_first(target, mail) for mail in spam])
        anywhere = np.stack([_shuffled(mail, rng) for mail in spam])
        others = self._random(data, len(spam), self.budgets[-1], rng)
        best = np.broadcast_to(good[: self.budgets[-1]], (len(spam), min(self.budgets[-1], len(good))))
        return {
            name: [target.logits(swapped(spam, places[:, :n], words[:, :n])) <= 0 for n in self.budgets]
            for name, places, words in (("swapped", worst, best), ("swapped_random", anywhere, others))
        }

    def _fewest(self, found: Findings, passing: dict[int, np.ndarray]) -> None:
        enough = [budget for budget, by_mail in passing.items() if by_mail.mean() >= 0.5]
        if enough:
            found.metrics["half_pass_with_words"] = Metric.exact(enough[0])
        else:
            found.notes.append(f"{self.budgets[-1]} words are not enough for half of the spam.")

    def _own_control(
        self, target: SpamScorer, data: Mails, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> tuple[str, Metric]:
        """Compare random words to random words."""
        rng = np.random.default_rng(seed)
        spam = self._caught(target, data, rng)
        one, two = (passed(target, spam, self._random(data, len(spam), self.reference_budget, rng)) for _ in range(2))
        gain = paired_gain(one, two, CONFIDENCE)
        return f"{type(target).__name__} met with random words", gain

    def _caught(self, target: SpamScorer, data: Mails, rng: np.random.Generator) -> np.ndarray:
        self.threat.require("score_queries", "auxiliary_data")
        spam = data.test.tokens[data.test.labels == 1]
        caught = spam[target.logits(spam) > 0]
        if not len(caught):
            raise UserError("the filter catches no spam of the test: there is nothing to evade")
        return rng.permutation(caught)[: self.most_mails]

    def _random(self, data: Mails, mails: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw different random words for each mail, shape (mails, count)."""
        words = words_in(data.auxiliary.tokens)
        return np.stack([rng.choice(words, min(count, len(words)), replace=False) for _ in range(mails)])


def passed(target: SpamScorer, spam: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return which mails pass with words prepended.

    Args:
        target: the attacked filter.
        spam: mails as word numbers, shape (mails, length).
        words: words to prepend to each mail, shape (mails, count).

    Returns:
        Whether each mail passes, shape (mails,), bool.
    """
    longer = np.concatenate([words.astype(spam.dtype), spam], 1)[:, : spam.shape[1]]
    passes: np.ndarray = target.logits(longer) <= 0
    return passes


def worst_first(target: SpamScorer, mail: np.ndarray) -> np.ndarray:
    """Order a mail's positions, shape (length,), by the logit without the word there, lowest first; padding last."""
    without = np.where(np.eye(len(mail), dtype=bool), PAD, mail)
    scores = np.full(len(mail), np.inf)
    there = np.flatnonzero(mail != PAD)
    scores[there] = target.logits(without[there])
    order: np.ndarray = np.argsort(scores, kind="stable")
    return order


def _shuffled(mail: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Order a mail's positions at random, padding last."""
    order: np.ndarray = np.concatenate([rng.permutation(np.flatnonzero(mail != PAD)), np.flatnonzero(mail == PAD)])
    return order


def swapped(spam: np.ndarray, places: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Replace the words at given positions; padding is not replaced, and surplus positions or words are ignored.

    Args:
        spam: mails as word numbers, shape (mails, length).
        places: positions to replace, shape (mails, n), padding last.
        words: new words, shape (mails, m).
    """
    n = min(places.shape[1], words.shape[1])
    at, made = places[:, :n], spam.copy()
    put = np.where(np.take_along_axis(spam, at, 1) != PAD, words[:, :n], PAD)
    np.put_along_axis(made, at, put.astype(spam.dtype), 1)
    return made
