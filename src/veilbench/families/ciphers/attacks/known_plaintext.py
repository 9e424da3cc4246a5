"""Known-plaintext attack: recovers new text, given a number of known characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

Answer = tuple[np.ndarray, float]


@dataclass(frozen=True)
class NewTexts:
    """Texts that the attacker does not know.

    Attributes:
        length: number of characters of each text.
        count: number of different texts, at least 2.
    """

    length: Count = 2_000
    count: Annotated[Count, Ge(2)] = 3


@dataclass(frozen=True)
class DecoderTraining:
    """Decoders that the attacker trains on known pairs.

    Attributes:
        known: numbers of known characters for which a decoder is trained; empty trains none.
        steps: optimizer steps of each decoder's training.
    """

    known: Sequence[Count] = (300, 3_000)
    steps: Steps = 150


@dataclass(frozen=True)
class GapFilling:
    """Search that fills the gaps of a codebook with a language model.

    Attributes:
        order: length of the language model's longest n-gram in characters.
        restarts: maximum number of restarts of the search.
    """

    order: Annotated[Depth, Ge(2)] = 6
    restarts: Steps = 8


TEXTS, DECODER, FILLING = NewTexts(), DecoderTraining(), GapFilling()


class KnownPlaintext(CipherAttack):
    """Attacks with known pairs in three ways.

    `codebook` looks up the character of each known code and guesses the most frequent one for the others. `language`
    fills these gaps with a language model. `learned` trains a decoder on the pairs, which does not require codes to
    repeat. The gain is that of the method that does best on held-out pairs.

    Args:
        threat: threat model; needs `ciphertext`, `known_pairs` and `auxiliary_data`.
        positive: positive control, a cipher that the attack must break at this budget.
        negative: negative control, a cipher against which the attack must do no better than chance.
        known: numbers of known characters; the gain is measured at the largest.
        texts: new texts to recover; the intervals are over them.
        decoder: training of the learned decoders; its numbers of known characters must be among `known`.
        filling: settings of the search that fills the gaps with a language model.
        broken_threshold: gain from which a cipher counts as broken; 0 is chance and 1 is full success.
    """

    title = "Known plaintext"
    budget_parameter = "known"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Cipher,
        negative: Cipher,
        known: Annotated[Sequence[Annotated[Count, Ge(10)]], MinLen(1)] = (34, 100, 300, 1_000, 3_000),
        texts: NewTexts = TEXTS,
        decoder: DecoderTraining = DECODER,
        filling: GapFilling = FILLING,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if unknown := set(decoder.known) - set(known):
            raise ValueError(f"decoder.known={sorted(unknown)} must be among known={list(known)}")
        self.known, self.texts, self.decoder, self.filling = sorted(known), texts, decoder, filling

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Attack with all numbers of known characters, and controls only with the largest."""
        most, length = self.known[-1], self.texts.length
        budgets = [most] if control else self.known
        cases = []
        for piece in draw_pieces(texts.target, most + length, self.texts.count, rng):
            secret, known = piece[:length], piece[length:]
            for budget, case_rng in zip(budgets, rng.spawn(len(budgets)), strict=True):
                oracle = CipherOracle(self.threat, cipher, secret, texts.statistics, case_rng, [known[:budget]])
                cases.append((secret, budget, oracle, case_rng))
        shares: dict[tuple[str, int], list[float]] = {}
        validation: dict[str, list[float]] = {}
        answers = self.guess([(budget, oracle, case_rng) for _, budget, oracle, case_rng in cases], accelerator)
        for (secret, budget, _, _), answer in zip(cases, answers, strict=True):
            for method, (guess, held_out) in answer.items():
                shares.setdefault((method, budget), []).append(float((guess == secret).mean()))
                if budget == most:
                    validation.setdefault(method, []).append(held_out)
        best = max(validation, key=lambda method: np.mean(validation[method]))
        return self._findings(shares, best, score_constant_guess(texts))

    def guess(
        self, cases: list[tuple[int, CipherOracle, np.random.Generator]], accelerator: Accelerator
    ) -> list[dict[str, Answer]]:
        """Recover the new text of each case by all methods that apply.

        Args:
            cases: for each case the number of known characters, the oracle, and a random generator.
            accelerator: device and number of parallel workers.

        Returns:
            For each case a dict from each method to the recovered text, shape (length,), and the method's accuracy on
            held-out known characters.
        """
        answers: list[dict[str, Answer]] = [{} for _ in cases]
        if cases[0][1].block == 1:
            answers = accelerator.map_parallel(lambda case: self._guess_by_codebook(case[1], case[2]), cases)
        for answer, (budget, oracle, rng) in zip(answers, cases, strict=True):
            if budget in self.decoder.known:
                from veilbench.families.ciphers.attacks.learned_decoder import decode

                answer["learned"] = decode(oracle, self.decoder.steps, accelerator, rng)
        return answers

    def _guess_by_codebook(self, oracle: CipherOracle, rng: np.random.Generator) -> dict[str, Answer]:
        from veilbench.families.ciphers.attacks.language import fit_language_model
        from veilbench.families.ciphers.attacks.substitution import solve

        pairs = oracle.known()
        (secret, *known), groups = number_codes([oracle.ciphertext(), *(pair.ciphertext for pair in pairs)])
        codes, symbols = np.concatenate(known), np.concatenate([pair.symbols for pair in pairs])
        commonest = np.bincount(oracle.auxiliary()).argmax()
        book = build_codebook(codes, symbols, len(groups))
        exact = np.where(book < 0, commonest, book)
        cut = len(codes) * 4 // 5
        early = build_codebook(codes[:cut], symbols[:cut], len(groups))
        held_out = float((np.where(early < 0, commonest, early)[codes[cut:]] == symbols[cut:]).mean())
        model = fit_language_model(oracle.auxiliary(), self.filling.order)
        filled = solve(secret, groups, model, known=book, restarts=self.filling.restarts, seed=int(rng.integers(2**31)))
        return {"codebook": (exact[secret], held_out), "language": (filled[secret], held_out)}

    def _findings(self, shares: dict[tuple[str, int], list[float]], best: str, chance: float) -> Findings:
        findings = Findings(self.title)
        curves: dict[str, list[tuple[int, Metric]]] = {}
        for (method, budget), values in shares.items():
            metric = mean(values)
            findings.metrics[f"{method}_at_{budget}"] = metric
            curves.setdefault(method, []).append((budget, metric))
        plotted = [Curve(method, [b for b, _ in at], *ends([m for _, m in at])) for method, at in curves.items()]
        plotted.append(Curve("commonest character", plotted[0].x, [chance] * len(plotted[0].x)))
        label = "share of new characters recovered"
        findings.figures.append(
            Figure(
                "Recovery against known characters",
                "known characters",
                label,
                plotted,
                log_x=True,
                control_curves=["commonest character"],
            )
        )
        findings.notes.append(f"The gain is that of '{best}', the most accurate method on held-out known pairs.")
        findings.gain = above_chance(mean(shares[best, max(b for _, b in shares)], CONFIDENCE), chance)
        return findings


def build_codebook(codes: np.ndarray, symbols: np.ndarray, size: int) -> np.ndarray:
    """Estimate a code book: the most frequent symbol of each token, shape (size,), -1 for tokens that do not occur.

    Args:
        codes: observed tokens, shape (n,).
        symbols: plaintext symbol of each observed token, shape (n,), 0 to 90.
        size: total number of tokens.
    """
    counts = np.zeros((size, 91), np.int64)
    np.add.at(counts, (codes, symbols), 1)
    return np.where(counts.any(1), counts.argmax(1), -1)
