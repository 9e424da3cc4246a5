"""Known-plaintext attack: recovers new text, given a number of known characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import ControlCase
from veilbench.bench.findings import BudgetCurve, Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, PositiveShare, Steps, Width
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack, draw_pieces, score_constant_guess
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle, number_codes
from veilbench.families.ciphers.attacks.codebook_search import CodebookSearch
from veilbench.families.ciphers.attacks.frequency import agree_with_others
from veilbench.families.ciphers.attacks.keystream import applies, guess_by_keystream
from veilbench.families.ciphers.baselines.bit_transposition import BitTransposition
from veilbench.families.ciphers.baselines.repeated_key import RepeatedKey
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.metrics.intervals import above_chance, bounded_mean, ends

Answer = tuple[np.ndarray, float]
# The paths of the attack; each has a positive control.
CODE_BOOK, LEARNED, KEYSTREAM = "code book", "learned decoder", "keystream"
NEARLY_ALL = 0.95  # share of held-out characters from which no decoder is trained


@dataclass(frozen=True)
class NewTexts:
    """Texts that the attacker does not know, and the samples of known characters that they have for them.

    Attributes:
        length: number of characters of each text.
        count: number of different texts; the gain's interval is over them.
        samples: number of samples of known characters, among which the texts are divided.
    """

    length: Count = 300
    count: Annotated[Count, Ge(2)] = 60
    samples: Count = 3


@dataclass(frozen=True)
class DecoderTraining:
    """Decoders that the attacker trains on known pairs.

    Attributes:
        known: numbers of known characters for which a decoder is trained; empty trains none.
        steps: optimizer steps of each decoder's training.
        hidden: units in the decoder's hidden layer.
    """

    known: Sequence[Count] = (1_500, 3_000)
    steps: Steps = 1_500
    hidden: Width = 256


TEXTS, DECODER, FILLING = NewTexts(), DecoderTraining(), CodebookSearch()


class KnownPlaintext(CipherAttack):
    """Attacks with known pairs in four ways.

    `codebook` looks up the character of each known code and guesses the most frequent one for the others. `language`
    fills these gaps with a language model. `learned` trains a decoder on the pairs, which does not require codes to
    repeat; it is trained only where the others read less than 95 % of held-out characters. `keystream` finds what
    known messages were combined with, and undoes it at the same places of new ones. The gain is that of the method that
    does best on held-out pairs. Chance is the share of characters in which its guesses agree with other texts than
    their own.

    All but `learned` need blocks of one character; its positive control has blocks of the target's length. Known texts
    are messages as long as the new ones.

    Args:
        threat: threat model; needs `ciphertext`, `known_pairs` and `auxiliary_data`.
        positive: positive control, a cipher with blocks of one character that the attack must break at this budget.
        negative: negative control, a cipher against which the attack must do no better than chance.
        known: numbers of known characters; the gain is measured at the largest.
        texts: new texts to recover.
        decoder: learned decoders; their numbers of known characters are among `known`.
        filling: search that fills the gaps with a language model.
        broken_threshold: gain from which a cipher counts as broken; 0 is chance and 1 is full success.
    """

    title = "Known plaintext"
    budget_parameter = "known"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Cipher,
        negative: Cipher,
        known: Annotated[Sequence[Annotated[Count, Ge(10)]], MinLen(1)] = (34, 100, 300, 1_500, 3_000),
        texts: NewTexts = TEXTS,
        decoder: DecoderTraining = DECODER,
        filling: CodebookSearch = FILLING,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if strangers := set(decoder.known) - set(known):
            raise ValueError(f"decoder.known={sorted(strangers)} must be among known={list(known)}")
        self.known, self.texts, self.decoder, self.filling = sorted(known), texts, decoder, filling

    def control_cases(self, target: Cipher, data: Texts) -> Sequence[ControlCase[Cipher]]:
        """Return a positive control for each path that the target can be attacked by, and the negative one."""
        cases = [ControlCase[Cipher]("negative", self.negative)]
        if target.block == 1:
            cases.insert(0, ControlCase("positive", self.positive, CODE_BOOK))
        if self.known[-1] in self.decoder.known:
            weak = BitTransposition(target.block)
            cases.append(ControlCase("positive", weak, LEARNED, f"blocks of {target.block}"))
        if target.block == 1 and self.known[-1] >= self.texts.length:  # else the keystream ends before the texts
            cases.append(ControlCase("positive", RepeatedKey(), KEYSTREAM))
        return cases

    def run_control(
        self, case: ControlCase[Cipher], scheme: Cipher, data: Texts, trainer: Accelerator, rng: np.random.Generator
    ) -> Findings:
        """Attack a control with the largest number of known characters, and only by the path of the case."""
        return self._attack(scheme, data, trainer, rng, [self.known[-1]], case.path)

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Attack by all paths with all numbers of known characters; controls only with the largest."""
        return self._attack(cipher, texts, accelerator, rng, [self.known[-1]] if control else self.known)

    def _attack(
        self,
        cipher: Cipher,
        texts: Texts,
        accelerator: Accelerator,
        rng: np.random.Generator,
        budgets: Sequence[int],
        path: str = "",
    ) -> Findings:
        most, length, per_sample = budgets[-1], self.texts.length, -(-self.texts.count // self.texts.samples)
        cases, secrets = [], []
        for piece in draw_pieces(texts.target, most + per_sample * length, self.texts.samples, rng):
            secret, told = piece[: per_sample * length].reshape(per_sample, length), piece[per_sample * length :]
            secrets.append(secret)
            for budget, case_rng in zip(budgets, rng.spawn(len(budgets)), strict=True):
                known = np.split(told[:budget], range(length, budget, length))
                oracle = CipherOracle(self.threat, cipher, secret, texts.statistics, case_rng, known)
                cases.append((budget, oracle, case_rng))
        guesses: dict[tuple[str, int], list[np.ndarray]] = {}
        trust: dict[str, list[float]] = {}
        for (budget, _, _), answer in zip(cases, self.guess_texts(cases, accelerator, path), strict=True):
            for method, (guess, held_out) in answer.items():
                guesses.setdefault((method, budget), []).append(guess)
                if budget == most:
                    trust.setdefault(method, []).append(held_out)
        best = max(trust, key=lambda method: np.mean(trust[method]))
        truth = np.concatenate(secrets)[: self.texts.count]
        read = {key: np.concatenate(parts)[: self.texts.count] for key, parts in guesses.items()}
        return self._findings(truth, read, best, score_constant_guess(texts))

    def guess_texts(
        self, cases: list[tuple[int, CipherOracle, np.random.Generator]], accelerator: Accelerator, path: str = ""
    ) -> list[dict[str, Answer]]:
        """Recover the new text of each case by all methods that apply.

        Args:
            cases: for each case the number of known characters, the oracle, and a random generator.
            accelerator: device and number of parallel workers.
            path: the only path to use; empty for all.

        Returns:
            For each case and method the new texts, shape (texts, length), and the share of held-out known characters
            that it got right.
        """
        answers: list[dict[str, Answer]] = [{} for _ in cases]
        if cases[0][1].block == 1 and path in ("", CODE_BOOK):
            answers = accelerator.map_parallel(lambda case: self._guess_by_codebook(case[1], case[2]), cases)
        for answer, (_, oracle, _) in zip(answers, cases, strict=True):
            if path in ("", KEYSTREAM) and applies(oracle):
                answer["keystream"] = guess_by_keystream(oracle)
        if path in ("", LEARNED) and not self._reads_nearly_all(cases, answers):
            self._decode(cases, answers, accelerator)
        return answers

    def _reads_nearly_all(
        self, cases: list[tuple[int, CipherOracle, np.random.Generator]], answers: list[dict[str, Answer]]
    ) -> bool:
        """Return whether a path without training reads nearly all held-out characters, with the most known ones."""
        at_most = [answer for answer, (budget, _, _) in zip(answers, cases, strict=True) if budget == self.known[-1]]
        ways = {way for answer in at_most for way in answer}
        return any(np.mean([answer[way][1] for answer in at_most]) >= NEARLY_ALL for way in ways)

    def _decode(
        self,
        cases: list[tuple[int, CipherOracle, np.random.Generator]],
        answers: list[dict[str, Answer]],
        accelerator: Accelerator,
    ) -> None:
        """Add what trained decoders recover to the answers."""
        from veilbench.families.ciphers.attacks.learned_decoder import decode

        for answer, (budget, oracle, rng) in zip(answers, cases, strict=True):
            if budget in self.decoder.known:
                answer["learned"] = decode(oracle, self.decoder.steps, self.decoder.hidden, accelerator, rng)

    def _guess_by_codebook(self, oracle: CipherOracle, rng: np.random.Generator) -> dict[str, Answer]:
        """Recover the texts with a codebook of the known pairs, without and with the language model."""
        pairs, sealed = oracle.known(), oracle.ciphertexts()
        tokens, groups = number_codes([*sealed, *(pair.ciphertext for pair in pairs)], oracle.hidden)
        secret = np.concatenate(tokens[: len(sealed)])
        codes, symbols = np.concatenate(tokens[len(sealed) :]), np.concatenate([pair.symbols for pair in pairs])
        commonest = np.bincount(oracle.auxiliary()).argmax()
        book = build_codebook(codes, symbols, len(groups))
        exact = np.where(book < 0, commonest, book)
        cut = len(codes) * 4 // 5
        early = build_codebook(codes[:cut], symbols[:cut], len(groups))
        held_out = float((np.where(early < 0, commonest, early)[codes[cut:]] == symbols[cut:]).mean())
        known = drop_contradictions(book, groups)
        filled = self.filling.find(secret, groups, oracle.auxiliary(), rng, known, oracle.hidden)
        ways = {"codebook": exact, "language": filled}
        return {way: (found[secret].reshape(len(sealed), -1), held_out) for way, found in ways.items()}

    def _findings(
        self, truth: np.ndarray, read: dict[tuple[str, int], np.ndarray], best: str, constant: float
    ) -> Findings:
        findings, most = Findings(self.title), max(budget for _, budget in read)
        shares = {key: (guesses == truth).mean(1) for key, guesses in read.items()}
        chances = {key: agree_with_others(guesses, truth) for key, guesses in read.items() if key[0] == best}
        means = {key: bounded_mean(values, of="texts") for key, values in shares.items()}
        findings.metrics |= {f"{method}_at_{budget}": metric for (method, budget), metric in means.items()}
        findings.metrics["recovered_by_chance"] = Metric.exact(chances[best, most], unit="share")
        gains = {key[1]: above_chance(means[key], chance).value for key, chance in chances.items()}
        findings.budget = BudgetCurve("known characters", list(gains), list(gains.values()))
        findings.figures.append(_draw(means, constant))
        findings.notes.append(f"The gain is that of '{best}', which did best on known pairs held out from it.")
        gained = bounded_mean(shares[best, most], CONFIDENCE, of="texts")
        findings.gain = above_chance(gained, chances[best, most])
        return findings


def _draw(means: dict[tuple[str, int], Metric], constant: float) -> Figure:
    curves = []
    for method in dict.fromkeys(method for method, _ in means):
        at = {budget: metric for (name, budget), metric in means.items() if name == method}
        curves.append(Curve(method, list(at), *ends(list(at.values()))))
    curves.append(Curve("commonest character", curves[0].x, [constant] * len(curves[0].x)))
    title, x_label, y_label = "Recovery against known characters", "known characters", "share of new characters known"
    return Figure(title, x_label, y_label, curves, log_x=True, control_curves=["commonest character"])


def build_codebook(codes: np.ndarray, symbols: np.ndarray, size: int) -> np.ndarray:
    """Return the most frequent symbol of each token, shape (size,), or -1 for a token that does not occur.

    Args:
        codes: observed tokens, shape (n,).
        symbols: plaintext symbol of each, shape (n,), 0 to 90.
        size: total number of tokens.
    """
    counts = np.zeros((size, 91), np.int64)
    np.add.at(counts, (codes, symbols), 1)
    return np.where(counts.any(1), counts.argmax(1), -1)


def drop_contradictions(book: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return a code book without tokens of one group that stand for the same symbol: they come from no code book.

    Args:
        book: symbol of each token, shape (n,), -1 for unknown ones.
        groups: group of each token, shape (n,), -1 for tokens without a group, which may share a symbol.
    """
    held = (book >= 0) & (groups >= 0)
    _, where, counts = np.unique(np.stack([groups, book], 1)[held], axis=0, return_inverse=True, return_counts=True)
    kept = book.copy()
    kept[np.flatnonzero(held)[counts[where.ravel()] > 1]] = -1
    return kept
