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
from veilbench.bench.findings import BudgetCurve, Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.mail.attacks.word_leak.update import list_words
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
    """Ranks good words by score queries: each word is prepended to a few of the attacker's own spam mails.

    Attributes:
        probes: number of spam mails on which each word is tried.
        candidates: maximum number of words to try, the most frequent in the attacker's mails first.
    """

    probes: Count = 4
    candidates: Count = 1_000

    def rank(self, target: SpamScorer, data: Mails, rng: np.random.Generator) -> np.ndarray:
        """Rank words by their effect on the logit of spam mails, best first.

        Args:
            target: filter whose scores are queried.
            data: mails, of which the attacker has the auxiliary part.
            rng: generator that draws the spam mails to try words on.

        Returns:
            Numbers of the words that lower the logit, shape (words,).
        """
        mails = data.auxiliary.tokens
        counts = np.bincount(mails.ravel(), minlength=data.vocabulary.size)
        words = list_words(mails)
        words = words[np.argsort(-counts[words], kind="stable")][: self.candidates]
        spam = data.auxiliary.tokens[data.auxiliary.labels == 1]
        change = np.zeros(len(words))
        for probe in rng.permutation(spam)[: self.probes]:
            queries = np.tile(probe, (len(words), 1))
            queries = np.concatenate([words[:, None].astype(queries.dtype), queries], 1)[:, : queries.shape[1]]
            change += target.logits(queries) - target.logits(probe[None])
        order = np.argsort(change, kind="stable")
        good: np.ndarray = words[order[change[order] < 0]]
        return good


RANKING = WordRanking()


class MailEvasion(Attack[SpamScorer, Mails]):
    """Prepends good words to spam that the filter catches, or random words for comparison.

    In a good-word attack (Lowd and Meek 2005), the attacker prepends each word of their own mails (the auxiliary part)
    to a few spam mails, ranks the words by how much they lower the logit, and adds the best ones, each once. For a
    filter with one weight per word this order is optimal. Words are prepended because the filter reads a limited number
    of words and ignores the rest of the mail.

    A second attack swaps words: the attacker queries the score of the mail without each of its words, and replaces the
    most spam-like words by the best good words. For comparison, random words replace random words.

    The gain is the share of caught test spam that passes with `reference_budget` good words, minus the share that
    passes with the same number of random words from the same mails. The default negative control is the target itself,
    with random words compared to random words.

    Args:
        threat: threat model; needs `score_queries` and `auxiliary_data`.
        positive: positive control, a filter that a few words evade.
        negative: negative control; None compares random words to random words on the target.
        budgets: numbers of added words, for the curve.
        reference_budget: number of added words at which the gain is measured; one of `budgets`.
        ranking: numbers of words to rank and of mails to rank them on.
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
        """Attack the caught test spam with all budgets, and controls only with `reference_budget` words.

        Raises:
            UserError: the threat model is insufficient, or the filter catches no spam.
        """
        findings, spam = Findings(self.title), self._select_caught(target, data, rng)
        good = self.ranking.rank(target, data, rng)
        budgets = [self.reference_budget] if control else self.budgets
        passing = {
            "greedy": [
                find_passing(target, spam, np.broadcast_to(good[:n], (len(spam), min(n, len(good))))) for n in budgets
            ],
            "random": [find_passing(target, spam, self._draw_words(data, len(spam), n, rng)) for n in budgets],
        }
        if not control:
            passing |= self._attack_by_swaps(target, data, spam, good, rng)
        reference = budgets.index(self.reference_budget)
        findings.gain = paired_gain(passing["greedy"][reference], passing["random"][reference], CONFIDENCE)
        for name, by_budget in passing.items():
            findings.metrics[f"{name}_passing"] = proportion(int(by_budget[reference].sum()), len(spam))
        curves = [
            Curve(NAMES[name], budgets, *ends([proportion(int(p.sum()), len(p)) for p in by_budget]))
            for name, by_budget in passing.items()
        ]
        axes = ("words added or swapped", "share of caught spam that passes")
        controls = [NAMES[name] for name in passing if "random" in name]
        findings.figures.append(Figure(self.title, *axes, curves, log_x=True, control_curves=controls))
        if not control:
            up_to = budgets[: reference + 1]
            gained = [float(np.mean(g) - np.mean(r)) for g, r in zip(passing["greedy"], passing["random"], strict=True)]
            findings.budget = BudgetCurve("words added", up_to, gained[: len(up_to)])
            self._report_fewest_words(findings, dict(zip(budgets, passing["greedy"], strict=True)))
        return findings

    def _attack_by_swaps(
        self, target: SpamScorer, data: Mails, spam: np.ndarray, good: np.ndarray, rng: np.random.Generator
    ) -> dict[str, list[np.ndarray]]:
        """Swap words of the caught spam, and return which mails pass.

        Returns:
            For `swapped` (good words replace the most spam-like ones) and `swapped_random` (random words replace random
            ones), one array of shape (mails,) per budget.
        """
        ranked = np.stack([rank_positions(target, mail) for mail in spam])
        shuffled = np.stack([_shuffle_positions(mail, rng) for mail in spam])
        random_words = self._draw_words(data, len(spam), self.budgets[-1], rng)
        best = np.broadcast_to(good[: self.budgets[-1]], (len(spam), min(self.budgets[-1], len(good))))
        return {
            name: [target.logits(swap_words(spam, places[:, :n], words[:, :n])) <= 0 for n in self.budgets]
            for name, places, words in (("swapped", ranked, best), ("swapped_random", shuffled, random_words))
        }

    def _report_fewest_words(self, findings: Findings, passing: dict[int, np.ndarray]) -> None:
        enough = [budget for budget, by_mail in passing.items() if by_mail.mean() >= 0.5]
        if enough:
            findings.metrics["half_pass_with_words"] = Metric.exact(enough[0])
        else:
            findings.notes.append(f"{self.budgets[-1]} words are not enough for half of the spam.")

    def _own_control(
        self, target: SpamScorer, data: Mails, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> tuple[str, Metric]:
        """Measure the gain of random words over other random words, which must be zero."""
        rng = np.random.default_rng(seed)
        spam = self._select_caught(target, data, rng)
        one, two = (
            find_passing(target, spam, self._draw_words(data, len(spam), self.reference_budget, rng)) for _ in range(2)
        )
        gain = paired_gain(one, two, CONFIDENCE)
        return f"{type(target).__name__} met with random words", gain

    def _select_caught(self, target: SpamScorer, data: Mails, rng: np.random.Generator) -> np.ndarray:
        self.threat.require("score_queries", "auxiliary_data")
        spam = data.test.tokens[data.test.labels == 1]
        caught = spam[target.logits(spam) > 0]
        if not len(caught):
            raise UserError("the filter catches no spam of the test: there is nothing to evade")
        return rng.permutation(caught)[: self.most_mails]

    def _draw_words(self, data: Mails, mails: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw different random words for each mail, shape (mails, count)."""
        words = list_words(data.auxiliary.tokens)
        return np.stack([rng.choice(words, min(count, len(words)), replace=False) for _ in range(mails)])


def find_passing(target: SpamScorer, spam: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Find the mails that pass the filter with words prepended.

    Args:
        target: filter that the mails evade.
        spam: mails as word numbers, shape (mails, length).
        words: words to prepend to each mail, shape (mails, count).

    Returns:
        Whether each mail passes, shape (mails,), bool.
    """
    extended = np.concatenate([words.astype(spam.dtype), spam], 1)[:, : spam.shape[1]]
    passes: np.ndarray = target.logits(extended) <= 0
    return passes


def rank_positions(target: SpamScorer, mail: np.ndarray) -> np.ndarray:
    """Rank the positions of a mail by how spam-like their words are.

    Args:
        target: filter that the mails evade.
        mail: word numbers, shape (length,).

    Returns:
        Positions in ascending order of the logit of the mail without the word there, shape (length,); padding is last.
    """
    without = np.where(np.eye(len(mail), dtype=bool), PAD, mail)
    scores = np.full(len(mail), np.inf)
    used = np.flatnonzero(mail != PAD)
    scores[used] = target.logits(without[used])
    order: np.ndarray = np.argsort(scores, kind="stable")
    return order


def _shuffle_positions(mail: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shuffle the positions of a mail, with padding last."""
    order: np.ndarray = np.concatenate([rng.permutation(np.flatnonzero(mail != PAD)), np.flatnonzero(mail == PAD)])
    return order


def swap_words(spam: np.ndarray, places: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Replace the words at given positions, except padding.

    Args:
        spam: mails as word numbers, shape (mails, length).
        places: positions to replace, shape (mails, n), with those of padding last.
        words: new words, shape (mails, m). The first min(n, m) positions and words are used.

    Returns:
        The changed mails, shape (mails, length).
    """
    n = min(places.shape[1], words.shape[1])
    positions, changed = places[:, :n], spam.copy()
    replacements = np.where(np.take_along_axis(spam, positions, 1) != PAD, words[:, :n], PAD)
    np.put_along_axis(changed, positions, replacements.astype(spam.dtype), 1)
    return changed
