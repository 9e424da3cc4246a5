"""Ciphertext-only attack: matches the statistics of the codes to those of the language.

The code books of all members are solved jointly, since neighbouring letters may be encrypted by different members.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, Depth, PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack, draw_pieces, score_constant_guess
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle, number_codes
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.metrics.intervals import above_chance, ends, mean

READABLE = 0.9  # share of correct characters from which a text counts as readable


class Frequency(CipherAttack):
    """Recovers text with a character language model and a search over code books.

    Args:
        threat: threat model; needs `ciphertext` and `auxiliary_data`.
        positive: positive control, a cipher that the attack must break at this budget.
        negative: negative control, a cipher against which the attack must do no better than chance.
        lengths: lengths of the attacked texts in characters; the gain is measured at the largest.
        texts: number of different texts per length; the intervals are over them.
        order: length of the language model's longest n-gram in characters.
        restarts: maximum number of restarts of the search.
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
        lengths: Annotated[Sequence[Count], MinLen(1)] = (500, 2_000, 5_000, 20_000),
        texts: Annotated[Count, Ge(2)] = 3,
        order: Annotated[Depth, Ge(2)] = 6,
        restarts: Steps = 8,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.lengths, self.texts, self.order, self.restarts = sorted(lengths), texts, order, restarts

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Attack texts of all lengths, and controls only with texts of the largest length.

        Raises:
            NotImplementedError: the cipher encrypts several characters at once.
        """
        if cipher.block != 1:
            raise NotImplementedError(f"it encrypts {cipher.block} characters at once")
        recovered = {}
        for length in self.lengths[-1:] if control else self.lengths:
            secrets = draw_pieces(texts.target, length, self.texts, rng)
            cases = [
                (secret, CipherOracle(self.threat, cipher, secret, texts.statistics, text_rng), text_rng)
                for secret, text_rng in zip(secrets, rng.spawn(self.texts), strict=True)
            ]
            guesses = accelerator.map_parallel(lambda case: self.guess(case[1], case[2]), cases)
            recovered[length] = [float((g == s).mean()) for g, s in zip(guesses, secrets, strict=True)]
        return self._findings(recovered, score_constant_guess(texts))

    def guess(self, oracle: CipherOracle, rng: np.random.Generator) -> np.ndarray:
        """Recover the secret message.

        Args:
            oracle: oracle for the attacked key.
            rng: generator of the seed of the search.

        Returns:
            The guessed symbols, shape (length,).
        """
        from veilbench.families.ciphers.attacks.language import fit_language_model
        from veilbench.families.ciphers.attacks.substitution import solve

        (sealed,), groups = number_codes([oracle.ciphertext()])
        model = fit_language_model(oracle.auxiliary(), self.order)
        key = solve(sealed, groups, model, restarts=self.restarts, seed=int(rng.integers(2**31)))
        return np.asarray(key[sealed])

    def _findings(self, recovered: dict[int, list[float]], chance: float) -> Findings:
        findings = Findings(self.title)
        means = {length: mean(shares) for length, shares in recovered.items()}
        findings.metrics |= {f"recovered_at_{length}": metric for length, metric in means.items()}
        findings.metrics["recovered_for_nothing"] = Metric.exact(chance, unit="share")
        readable = [length for length, metric in means.items() if metric.value >= READABLE]
        if readable:
            findings.metrics["characters_needed"] = Metric.exact(readable[0])
            findings.notes.append(
                f"{READABLE:.0%} of the text is recovered from {readable[0]} characters of ciphertext."
            )
        values = list(means.values())
        curve = Curve("recovered", self.lengths[-len(values) :], *ends(values))
        baseline = Curve("commonest character", curve.x, [chance] * len(values))
        label = "share of characters recovered"
        findings.figures.append(
            Figure(
                "Recovery against length",
                "characters of ciphertext",
                label,
                [curve, baseline],
                log_x=True,
                control_curves=[baseline.name],
            )
        )
        findings.gain = above_chance(mean(recovered[max(recovered)], CONFIDENCE), chance)
        return findings
