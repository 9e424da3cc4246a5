"""The IND-CPA game: tell which of two chosen messages was encrypted (Bellare, Desai, Jokipii and Rogaway 1997)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext
from veilbench.metrics.intervals import proportion
from veilbench.text.alphabet import SIZE


class ChosenPlaintext(CipherAttack):
    """Plays the game in three settings and reports the adversary's advantage, 2 P(right) - 1.

    `same_key`: the adversary may query encryptions under the attacked key. `fresh_key`: every game has a new key
    and no queries; the adversary trains with its own keys. `nonce_reuse`: as `same_key`, but the victim reuses the
    challenge's nonce in its answers. One message repeats a single character, the other is varied.

    Args:
        threat: threat model of `same_key`; the other settings change only the flag they are named after.
        positive: positive control, a cipher that the attack must break at this budget.
        negative: negative control, a cipher against which the attack must do no better than chance.
        games: number of games per setting; the intervals are over them.
        queries: number of training games that the adversary plays with itself, and of encryptions that it queries
            beforehand, half of them of each message.
        length: characters per message.
        broken_threshold: gain from which a cipher counts as broken; 0 is chance and 1 is full success.
    """

    title = "Chosen plaintext (IND-CPA)"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Cipher,
        negative: Cipher,
        games: Annotated[Count, Ge(20)] = 400,
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
        right = {"same_key": self._asked(cipher, messages, self.threat, rng)}
        if not control:
            if not cipher.deterministic:
                reuse = replace(self.threat, nonce_reuse=True)
                right["nonce_reuse"] = self._asked(cipher, messages, reuse, rng)
            if cipher.rekeys and self.threat.own_keys:
                right["fresh_key"] = self._unasked(cipher, messages, rng)
        found = Findings(self.title)
        found.metrics = {f"advantage_{s}": advantage(wins, self.games) for s, wins in right.items()}
        if not cipher.rekeys:
            found.notes.append("No game with fresh keys: a fresh key of this model is a fresh training.")
        advantages = {setting: found.metrics[f"advantage_{setting}"] for setting in right}
        curves = [Curve(s.replace("_", " "), [1], [m.value], [m.low], [m.high]) for s, m in advantages.items()]
        found.figures.append(Figure("Advantage by setting", "setting", "advantage", curves))
        found.gain = advantage(right["same_key"], self.games, CONFIDENCE)
        return found

    def _asked(
        self,
        cipher: Cipher,
        messages: tuple[np.ndarray, np.ndarray],
        threat: ThreatModel,
        rng: np.random.Generator,
    ) -> int:
        """Play with queries and return the games won; a distinguisher is fitted on games played with itself."""
        from veilbench.families.ciphers.attacks.distinguisher import Distinguisher

        def play(coin: int) -> tuple[int, np.ndarray]:
            oracle = CipherOracle(threat, cipher, messages[coin], np.empty(0, np.uint8), rng)
            answers = bank or [[oracle.encrypt(m) for _ in range(2)] for m in messages]
            return coin, clues(oracle.ciphertext(), answers, oracle)

        bank: list[list[Ciphertext]] = []
        if not threat.nonce_reuse:  # the answers do not depend on the game, so they are queried once
            oracle = CipherOracle(threat, cipher, messages[0], np.empty(0, np.uint8), rng)
            bank = [[oracle.encrypt(m) for _ in range(self.queries // 2)] for m in messages]
        trained = Distinguisher([play(game % 2) for game in range(self.queries)])
        return trained.wins([play(int(coin)) for coin in rng.integers(0, 2, self.games)])

    def _unasked(self, cipher: Cipher, messages: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> int:
        """Play without queries, each game under its own key, and return the games won."""
        from veilbench.families.ciphers.attacks.distinguisher import Distinguisher

        def play(coin: int) -> tuple[int, np.ndarray]:
            fresh = cipher.with_fresh_key(rng)
            oracle = CipherOracle(self.threat, fresh, messages[coin], np.empty(0, np.uint8), rng)
            return coin, clues(oracle.ciphertext(), [], oracle)

        trained = Distinguisher([play(game % 2) for game in range(self.queries)])
        return trained.wins([play(int(coin)) for coin in rng.integers(0, 2, self.games)])


def clues(challenge: Ciphertext, answers: list[list[Ciphertext]], oracle: CipherOracle) -> np.ndarray:
    """Compute the adversary's features of a challenge, shape (clues,).

    These are the highest share of blocks that agree with an answer to either message, the share of distinct blocks, and
    the mean of each visible feature over the blocks.
    """
    agreement = [
        max((float((challenge.codes == a.codes).all(1).mean()) for a in bank), default=0.0) for bank in answers
    ] or [0.0, 0.0]
    distinct = len(np.unique(challenge.codes, axis=0)) / len(challenge.codes)
    features = oracle.features(challenge).mean(0)
    return np.array([*agreement, distinct, *np.resize(np.append(features, np.zeros(64)), 64)])


def advantage(wins: int, games: int, confidence: float = 0.95) -> Metric:
    """Return the advantage, 2 P(right) - 1, with the transformed Clopper-Pearson interval."""
    share = proportion(wins, games, confidence)
    return Metric(2 * share.value - 1, 2 * share.low - 1, 2 * share.high - 1, games, share.interval)
