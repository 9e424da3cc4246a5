"""The IND-CPA game: tell which of two chosen messages was encrypted (Bellare, Desai, Jokipii and Rogaway 1997)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.looks import Look, look_until_certain, plan_looks
from veilbench.bench.threat import ThreatModel
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext
from veilbench.metrics.intervals import proportion
from veilbench.text.alphabet import SIZE

LOOKS = (0.05, 0.25, 1.0)  # share of the games at each look: 200 tell a break, 1,000 that only luck is left


class ChosenPlaintext(CipherAttack):
    """Plays the game in three settings and reports the adversary's advantage, 2 P(win) - 1.

    `same_key`: the adversary may query encryptions under the attacked key. `fresh_key`: every game has a new key
    and no queries; the adversary trains with its own keys. `nonce_reuse`: as `same_key`, but the victim reuses the
    challenge's nonce in its answers. One message repeats a single character, the other is varied.

    Args:
        threat: threat model of `same_key`. `nonce_reuse` also grants reused nonces; `fresh_key` is played only if the
            threat model grants `own_keys`.
        positive: positive control, a cipher that the attack must break at this budget.
        negative: negative control, a cipher against which the attack must do no better than chance.
        games: largest number of games in the setting `same_key`, which the gain's interval is over; the others have a
            fifth. The attack stops when its verdict is certain. An advantage of 0 holds only with 1,000 games and more.
        queries: number of training games that the adversary simulates, and of encryptions that it queries before the
            games, half of them of each message.
        length: number of characters of both messages.
        broken_threshold: gain from which a cipher counts as broken; 0 is chance and 1 is full success.
    """

    title = "Chosen plaintext (IND-CPA)"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Cipher,
        negative: Cipher,
        games: Annotated[Count, Ge(20)] = 4_000,
        queries: Annotated[Count, Ge(8)] = 64,
        length: Annotated[Count, Ge(2)] = 32,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.games, self.queries, self.length = games, queries, length

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Play all settings; the gain is the advantage in `same_key`. Controls play only that one."""
        messages = (np.full(self.length, 65, np.uint8), (np.arange(self.length) % SIZE).astype(np.uint8))
        played, advantages = max(20, self.games // 5), dict[str, Metric]()
        gain, advantages["same_key"] = self._play_until_certain(cipher, messages, rng, control)
        if not control:
            if not cipher.deterministic and "chosen_nonce" not in cipher.lacks():
                won = self._sit_down(cipher, messages, replace(self.threat, nonce_reuse=True), rng)(played)
                advantages["nonce_reuse"] = compute_advantage(won, played)
            if cipher.rekeys and self.threat.own_keys:
                won = self._play_without_queries(cipher, messages, played, rng)
                advantages["fresh_key"] = compute_advantage(won, played)
        findings = Findings(self.title)
        findings.metrics = {f"advantage_{name}": advantage for name, advantage in advantages.items()}
        if not cipher.rekeys:
            findings.notes.append("Games with fresh keys are not played: no fresh key can be drawn for this model.")
        if reason := cipher.lacks().get("chosen_nonce"):
            findings.notes.append(f"Games with repeated nonces are not played: {reason}.")
        curves = [Curve(s.replace("_", " "), [1], [m.value], [m.low], [m.high]) for s, m in advantages.items()]
        findings.figures.append(Figure("Advantage by setting", "setting", "advantage", curves))
        findings.gain = gain
        return findings

    def _play_until_certain(
        self, cipher: Cipher, messages: tuple[np.ndarray, np.ndarray], rng: np.random.Generator, control: bool
    ) -> tuple[Metric, Metric]:
        """Play `same_key` until the verdict is certain; return the gain, and the advantage with a 95 % interval."""
        play, won, played = self._sit_down(cipher, messages, self.threat, rng), 0, 0

        def play_more(look: Look) -> Metric:
            nonlocal won, played
            won, played = won + play(look.units - played), look.units
            return compute_advantage(won, played, look.confidence)

        gain = look_until_certain(plan_looks(self.games, LOOKS), play_more, self.broken_threshold, control)
        return gain, compute_advantage(won, played)

    def _sit_down(
        self,
        cipher: Cipher,
        messages: tuple[np.ndarray, np.ndarray],
        threat: ThreatModel,
        rng: np.random.Generator,
    ) -> Callable[[int], int]:
        """Train the distinguisher by simulated games with queries.

        Returns:
            A function that plays a number of games and returns the number of wins.
        """
        from veilbench.families.ciphers.attacks.distinguisher import Distinguisher

        def play(coin: int) -> tuple[int, np.ndarray]:
            oracle = CipherOracle(threat, cipher, messages[coin], np.empty(0, np.uint8), rng)
            answers = shared_answers or [[oracle.encrypt(m) for _ in range(2)] for m in messages]
            return coin, compute_features(oracle.ciphertext(), answers, oracle)

        shared_answers: list[list[Ciphertext]] = []
        if not threat.nonce_reuse:  # the answers do not depend on the game, so they are queried once
            oracle = CipherOracle(threat, cipher, messages[0], np.empty(0, np.uint8), rng)
            shared_answers = [[oracle.encrypt(m) for _ in range(self.queries // 2)] for m in messages]
        distinguisher = Distinguisher([play(game % 2) for game in range(self.queries)])
        return lambda games: distinguisher.count_wins([play(int(coin)) for coin in rng.integers(0, 2, games)])

    def _play_without_queries(
        self, cipher: Cipher, messages: tuple[np.ndarray, np.ndarray], games: int, rng: np.random.Generator
    ) -> int:
        """Play games without queries, each under its own key, and return the number of wins."""
        from veilbench.families.ciphers.attacks.distinguisher import Distinguisher

        def play(coin: int) -> tuple[int, np.ndarray]:
            fresh = cipher.with_fresh_key(rng)
            oracle = CipherOracle(self.threat, fresh, messages[coin], np.empty(0, np.uint8), rng)
            return coin, compute_features(oracle.ciphertext(), [], oracle)

        distinguisher = Distinguisher([play(game % 2) for game in range(self.queries)])
        return distinguisher.count_wins([play(int(coin)) for coin in rng.integers(0, 2, games)])


def compute_features(challenge: Ciphertext, answers: list[list[Ciphertext]], oracle: CipherOracle) -> np.ndarray:
    """Compute the adversary's features of a challenge, shape (67,).

    For each of the two messages, the first two features give the highest share of the challenge's blocks that equal
    those of a queried encryption. The third is the share of distinct blocks. The rest are the means of the public
    features over the blocks, padded with zeros or truncated to 64.

    Args:
        challenge: ciphertext of one of the two messages.
        answers: queried encryptions of each message; empty without queries.
        oracle: oracle for the attacked key, which provides the public features.
    """
    agreement = [
        max((float((challenge.codes == a.codes).all(1).mean()) for a in of_message), default=0.0)
        for of_message in answers
    ] or [0.0, 0.0]
    distinct = len(np.unique(challenge.codes, axis=0)) / len(challenge.codes)
    features = oracle.extract_features(challenge).mean(0)
    return np.array([*agreement, distinct, *np.resize(np.append(features, np.zeros(64)), 64)])


def compute_advantage(wins: int, games: int, confidence: float = 0.95) -> Metric:
    """Return the advantage, 2 P(win) - 1, with a Clopper-Pearson interval on the same scale.

    Args:
        wins: number of games won.
        games: number of games played.
        confidence: confidence level of the interval.
    """
    share = proportion(wins, games, confidence)
    return Metric(2 * share.value - 1, 2 * share.low - 1, 2 * share.high - 1, games, share.interval)
