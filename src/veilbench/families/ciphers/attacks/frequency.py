"""Ciphertext-only attack: matches the statistics of the codes to those of the language.

All members' alphabets are solved jointly, since neighbouring letters are encrypted by different members.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import BudgetCurve, Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.looks import DRAWS, LOOKS_AT_TEXTS, Look, look_until_certain, plan_looks
from veilbench.bench.threat import ThreatModel
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack, draw_pieces, score_constant_guess
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle, number_codes
from veilbench.families.ciphers.attacks.codebook_search import CodebookSearch
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.metrics.intervals import above_chance, bounded_mean, ends

READABLE = 0.9  # share of correct characters from which a text counts as readable
SEARCH = CodebookSearch()


class Frequency(CipherAttack):
    """Recovers text with a character language model and a search over code books.

    Chance is the share of characters in which a recovered text agrees with another text than its own: what the search
    gets right if the ciphertext tells it nothing. So a leak is visible even where less is recovered than by guessing
    the most frequent character everywhere; that constant guess is reported as well.

    The attack looks at the texts of the largest length three times, and stops when the verdict is certain.

    Args:
        threat: threat model; needs `ciphertext` and `auxiliary_data`.
        positive: positive control, a cipher that the attack must break at this budget.
        negative: negative control, a cipher against which the attack must do no better than chance.
        lengths: lengths of the attacked texts in characters; the gain is measured at the largest.
        texts: largest number of different texts of the largest length; the gain's interval is over those attacked.
        curve_texts: number of different texts of each other length.
        search: search for the code books.
        broken_threshold: gain from which a cipher counts as broken; 0 is chance and 1 is full success.
    """

    target_needs = ("single_characters",)

    title = "Frequency analysis"
    budget_parameter = "lengths"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Cipher,
        negative: Cipher,
        lengths: Annotated[Sequence[Count], MinLen(1)] = (200, 500, 1_000, 2_000),
        texts: Annotated[Count, Ge(2)] = 60,
        curve_texts: Annotated[Count, Ge(2)] = 6,
        search: CodebookSearch = SEARCH,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.lengths, self.texts, self.curve_texts, self.search = sorted(lengths), texts, curve_texts, search

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Attack texts of all lengths; controls only those of the largest length.

        Raises:
            NotImplementedError: the cipher encrypts several characters at once.
        """
        if cipher.block != 1:
            raise NotImplementedError(f"it encrypts {cipher.block} characters at once")
        recovered, chances, most = dict[int, list[float]](), dict[int, float](), self.lengths[-1]

        def attack(secrets: Sequence[np.ndarray], rngs: Sequence[np.random.Generator]) -> list[np.ndarray]:
            cases = [
                (CipherOracle(self.threat, cipher, secret, texts.statistics, text_rng), text_rng)
                for secret, text_rng in zip(secrets, rngs, strict=True)
            ]
            return accelerator.map_parallel(lambda case: self.guess(*case), cases)

        for length in [] if control else self.lengths[:-1]:
            secrets = draw_pieces(texts.target, length, self.curve_texts, rng)
            guesses = attack(secrets, rng.spawn(self.curve_texts))
            recovered[length], chances[length] = share_equal(guesses, secrets), agree_with_others(guesses, secrets)
        secrets, rngs, guesses = draw_pieces(texts.target, most, self.texts, rng), rng.spawn(self.texts), []

        def attack_more(look: Look) -> Metric:
            left = slice(len(guesses), look.units)
            guesses.extend(attack(secrets[left], rngs[left]))
            recovered[most] = share_equal(guesses, secrets[: look.units])
            chances[most] = agree_with_others(guesses, secrets[: look.units])
            return above_chance(bounded_mean(recovered[most], look.confidence, "texts", DRAWS), chances[most])

        gain = look_until_certain(plan_looks(self.texts, LOOKS_AT_TEXTS), attack_more, self.broken_threshold, control)
        return self._findings(recovered, chances, score_constant_guess(texts), gain)

    def guess(self, oracle: CipherOracle, rng: np.random.Generator) -> np.ndarray:
        """Recover the secret message.

        Args:
            oracle: oracle for the attacked key.
            rng: generator of the seed of the search.

        Returns:
            The guessed symbols, shape (length,).
        """
        (sealed,), groups = number_codes([oracle.ciphertext()], oracle.hidden)
        key = self.search.find(sealed, groups, oracle.auxiliary(), rng, members=oracle.hidden)
        return np.asarray(key[sealed])

    def _findings(
        self, recovered: dict[int, list[float]], chances: dict[int, float], constant: float, gain: Metric
    ) -> Findings:
        findings, most = Findings(self.title), max(recovered)
        means = {length: bounded_mean(shares, of="texts") for length, shares in recovered.items()}
        findings.metrics |= {f"recovered_at_{length}": metric for length, metric in means.items()}
        findings.metrics["recovered_by_chance"] = Metric.exact(chances[most], unit="share")
        findings.metrics["recovered_by_constant"] = Metric.exact(constant, unit="share")
        readable = [length for length, metric in means.items() if metric.value >= READABLE]
        if readable:
            findings.metrics["characters_needed"] = Metric.exact(readable[0])
            findings.notes.append(
                f"{READABLE:.0%} of the text is recovered from {readable[0]} characters of ciphertext."
            )
        gains = {length: above_chance(metric, chances[length]).value for length, metric in means.items()}
        findings.budget = BudgetCurve("characters of ciphertext", list(gains), list(gains.values()))
        findings.figures.append(_draw(means, constant))
        findings.gain = gain
        return findings


def share_equal(guesses: Sequence[np.ndarray], secrets: Sequence[np.ndarray]) -> list[float]:
    """Return the share of characters in which each guess equals its secret."""
    return [float((guess == secret).mean()) for guess, secret in zip(guesses, secrets, strict=True)]


def agree_with_others(guesses: Sequence[np.ndarray] | np.ndarray, secrets: Sequence[np.ndarray] | np.ndarray) -> float:
    """Return the mean share of characters in which the guesses agree with the secrets of the other texts.

    Args:
        guesses: recovered texts of one length, at least two.
        secrets: the secret of each.
    """
    agreement = np.array([[(guess == secret).mean() for secret in secrets] for guess in guesses])
    return float(agreement[~np.eye(len(guesses), dtype=bool)].mean())


def _draw(means: dict[int, Metric], constant: float) -> Figure:
    curve = Curve("recovered", list(means), *ends(list(means.values())))
    baseline = Curve("commonest character", curve.x, [constant] * len(means))
    title, x_label, y_label = "Recovery against length", "characters of ciphertext", "share of characters recovered"
    return Figure(title, x_label, y_label, [curve, baseline], log_x=True, control_curves=[baseline.name])
