"""What a poisoned filter lets pass, and the gain of the strongest path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from veilbench.bench.findings import Metric
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.mail.attacks.poison.federation import AttackedFederation, Weights
from veilbench.families.mail.attacks.poison.trigger import prepend_words
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.metrics.intervals import paired_gain, proportion


@dataclass(frozen=True)
class Outcome:
    """The filter after attacked rounds, measured on the test mails.

    Attributes:
        accuracy: share of mails classified correctly, without the trigger.
        with_trigger: share of spam that passes with the trigger.
        without: share of spam that passes without the trigger.
        gain: `with_trigger` minus `without`.
    """

    accuracy: Metric
    with_trigger: Metric
    without: Metric
    gain: Metric

    @classmethod
    def measure(cls, federation: AttackedFederation, weights: Weights, data: Mails, paths: int = 1) -> Outcome:
        """Measure a filter of the federation.

        Args:
            federation: federation with the target and the trigger.
            weights: weights of the filter after the attacked rounds.
            data: mails whose test part is classified.
            paths: number of paths whose gains have intervals that hold jointly (Bonferroni).
        """
        target = federation.target
        updated = MailFilter(dict(weights), target.vocabulary, target.longest)
        predicted, spam = updated.logits(data.test.tokens) > 0, data.test.labels == 1
        passes = updated.logits(prepend_words(data.test.tokens[spam], federation.trigger.words)) <= 0
        without = ~predicted[spam]
        accuracy = proportion(int((predicted == spam).sum()), len(spam))
        with_trigger, without_it = (proportion(int(each.sum()), len(each)) for each in (passes, without))
        return cls(accuracy, with_trigger, without_it, paired_gain(passes, without, 1 - (1 - CONFIDENCE) / paths))


def find_strongest(outcomes: Mapping[str, Outcome]) -> tuple[str, Metric]:
    """Return the path with the largest gain, and the largest gain; the largest ends enclose it.

    Args:
        outcomes: outcome of each path, with intervals that hold jointly.
    """
    gains = {path: outcome.gain for path, outcome in outcomes.items()}
    best = max(gains, key=lambda path: gains[path].value)
    value, low, high = (max(getattr(gain, end) for gain in gains.values()) for end in ("value", "low", "high"))
    label = f"Clopper-Pearson on both shares; largest of {len(gains)}, {100 * CONFIDENCE:g} %"
    return best, Metric(value, low, high, gains[best].n, label)
