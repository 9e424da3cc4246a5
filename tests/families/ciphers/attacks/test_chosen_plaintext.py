"""The IND-CPA game: who wins it, who cannot, and what the adversary may ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.ciphers.attacks.chosen_plaintext import ChosenPlaintext, compute_advantage, compute_features
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.schemes.base import Ciphertext
from veilbench.families.ciphers.schemes.codebook import CodebookCipher
from veilbench.metrics.intervals import proportion

Examine = Callable[..., Findings]
THREAT = ThreatModel(encryption_queries=True, own_keys=True)


def small(controls: dict[str, Any], threat: ThreatModel = THREAT, **settings: Any) -> ChosenPlaintext:
    return ChosenPlaintext(threat, **controls, **{"games": 2_000, "queries": 32, "length": 16} | settings)


@pytest.fixture(scope="module")
def against_aes(examine: Examine, controls: dict[str, Any]) -> Findings:
    return examine(small(controls), AesCtr(), key="all games")


def test_a_deterministic_cipher_loses_every_game(examine: Examine, controls: dict[str, Any]) -> None:
    found = examine(small(controls), Substitution([40, 24]), key="all games")
    assert found.verdict is Verdict.BROKEN
    assert [(c.kind, c.passed) for c in found.controls] == [("positive", True), ("negative", True)]
    assert found.metrics["advantage_same_key"].value == 1
    assert found.metrics["advantage_fresh_key"].value > 0.9  # one character over and over shows under any key
    assert "advantage_nonce_reuse" not in found.metrics


def test_aes_holds_until_its_nonce_is_reused(against_aes: Findings) -> None:
    assert against_aes.verdict is Verdict.HOLDS
    assert abs(against_aes.metrics["advantage_same_key"].value) < 0.1
    assert abs(against_aes.metrics["advantage_fresh_key"].value) < 0.25
    assert against_aes.metrics["advantage_nonce_reuse"].value == 1


def test_the_same_seed_gives_the_same_findings(examine: Examine, controls: dict[str, Any]) -> None:
    one, again, other = (examine(small(controls, games=60), AesCtr(), seed=seed).as_dict() for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_a_model_without_fresh_keys_plays_no_game_with_them(examine: Examine, controls: dict[str, Any]) -> None:
    plain = Substitution([16])
    agreed = CodebookCipher(plain.codes, plain.bits, plain.decoded)
    found = examine(small(controls, games=60), agreed)
    assert set(found.metrics) == {"advantage_same_key"}
    assert any("no fresh key can be drawn" in note for note in found.notes)


def test_questions_that_are_not_granted_are_refused(examine: Examine, controls: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="does not grant encryption_queries"):
        examine(small(controls, ThreatModel(own_keys=True)), Substitution([16]))


def test_without_keys_of_ones_own_there_is_no_game_with_fresh_keys(examine: Examine, controls: dict[str, Any]) -> None:
    found = examine(small(controls, ThreatModel(encryption_queries=True), games=60), Substitution([16]))
    assert set(found.metrics) == {"advantage_same_key"}


def test_the_adversary_touches_no_cipher_but_by_its_exposure(controls: dict[str, Any]) -> None:
    class Locked(Substitution):
        """Its key cannot be read; its tables only by its own methods."""

        @property
        def key(self) -> Any:
            raise AssertionError("the key was read")

        @key.setter
        def key(self, value: Any) -> None:
            self.hidden = value

    attack, messages = small(controls), (np.full(16, 65, np.uint8), np.arange(16, dtype=np.uint8))
    wins = attack._sit_down(Locked([16]), messages, THREAT, np.random.default_rng(0))(40)
    assert wins == 40


def sealed(codes: list[int]) -> Ciphertext:
    n = len(codes)
    return Ciphertext(np.array(codes, np.uint8)[:, None], np.full(n, 8), np.zeros(n, np.int64), b"", n)


def test_clues_are_agreement_distinct_blocks_and_features() -> None:
    oracle = CipherOracle(
        THREAT, Substitution([8]), np.zeros(4, np.uint8), np.zeros(0, np.uint8), np.random.default_rng(0)
    )
    challenge = sealed([1, 1, 3, 255])
    bank = [[sealed([1, 2, 2, 2]), sealed([9, 1, 3, 9])], [sealed([7, 7, 7, 7])]]
    made = compute_features(challenge, bank, oracle)
    assert made[:3].tolist() == [0.5, 0.0, 0.75]
    assert made[3:12].tolist() == [-0.5] * 6 + [0.0, 1.0, 1.0]
    assert not made[12:].any()
    assert compute_features(challenge, [], oracle)[:3].tolist() == [0.0, 0.0, 0.75]


def test_the_advantage_is_twice_the_share_less_one() -> None:
    metric, share = compute_advantage(90, 120, 0.99), proportion(90, 120, 0.99)
    assert metric.value == 0.5
    assert (metric.low, metric.high) == pytest.approx((2 * share.low - 1, 2 * share.high - 1))
    assert compute_advantage(0, 120).value == -1
    assert metric.n == 120
