"""Frequency analysis: it breaks substitution, fails on AES, and sees nothing but the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle
from veilbench.families.ciphers.attacks.codebook_search import CodebookSearch
from veilbench.families.ciphers.attacks.frequency import Frequency, agree_with_others
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.plaintext import Plaintext
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.codebook import CodebookCipher
from veilbench.families.ciphers.schemes.keyed import KeyedCipher

Examine = Callable[..., Findings]
THREAT = ThreatModel(auxiliary_data=True)
SEARCH = CodebookSearch(order=5, restarts=0, effort=0.1)


def small(controls: dict[str, Any], **settings: Any) -> Frequency:
    budget = {"lengths": [100, 250], "texts": 60, "curve_texts": 3, "search": SEARCH}
    return Frequency(THREAT, **controls, **budget | settings)


@pytest.fixture(scope="module")
def broken(examine: Examine, controls: dict[str, Any]) -> Findings:
    return examine(small(controls), Substitution([40], seed=9), key="both")


def test_substitution_is_broken_with_both_controls_passed(broken: Findings) -> None:
    assert [(c.kind, c.name, c.passed) for c in broken.controls] == [
        ("positive", "Substitution", True),
        ("negative", "AesCtr", True),
    ]
    assert broken.verdict is Verdict.BROKEN
    assert broken.metrics["recovered_at_250"].value > 0.9
    enough = [n for n in (100, 250) if broken.metrics[f"recovered_at_{n}"].value >= 0.9]
    assert broken.metrics["characters_needed"].value == min(enough)
    assert broken.threat == {"ciphertext": True, "public_ids": True, "auxiliary_data": True}


def test_the_figure_has_a_point_for_each_length(broken: Findings) -> None:
    recovered, nothing = broken.figures[0].curves
    assert list(recovered.x) == list(nothing.x) == [100, 250]
    assert recovered.y[1] == broken.metrics["recovered_at_250"].value
    assert set(nothing.y) == {broken.metrics["recovered_by_constant"].value}
    assert broken.figures[0].control_curves == ["commonest character"]


def test_aes_holds(examine: Examine, controls: dict[str, Any]) -> None:
    found = examine(small(controls), AesCtr(), key="both")
    assert found.verdict is Verdict.HOLDS
    assert "characters_needed" not in found.metrics
    assert found.gain is not None
    assert abs(found.gain.value) < 0.03, "chance is what the search gets right of other texts"


def test_seed_decides_the_findings_and_the_workers_do_not(texts: Texts, controls: dict[str, Any]) -> None:
    attack = small(controls, lengths=[60], texts=2)
    one, again, other = (
        attack.run(
            Substitution([40]), texts, Accelerator("cpu", workers=workers), np.random.default_rng(seed), control=False
        ).as_dict()
        for seed, workers in ((1, 1), (1, 3), (2, 1))
    )
    assert one == again
    assert one != other


def test_a_control_that_fails_makes_it_inconclusive(examine: Examine) -> None:
    wrong = small({"positive": AesCtr(), "negative": Plaintext()}, lengths=[60], texts=2)
    found = examine(wrong, Substitution([40]))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert not found.controls[0].passed


def test_the_guess_sees_ciphertext_and_auxiliary_text_only(
    texts: Texts, controls: dict[str, Any], sealed_cipher: Any
) -> None:
    attack, secret = small(controls), texts.target[:600]
    oracle = CipherOracle(THREAT, Substitution([16]), secret, texts.statistics, np.random.default_rng(1))
    guess = attack.guess(oracle, np.random.default_rng(2))
    oracle._cipher = sealed_cipher(oracle._cipher)
    np.testing.assert_array_equal(attack.guess(oracle, np.random.default_rng(2)), guess)
    assert guess.shape == secret.shape


def test_equal_ciphertexts_of_different_secrets_give_equal_guesses(texts: Texts, controls: dict[str, Any]) -> None:
    """The symbols are renamed in the secret and in the code book alike: nobody could tell from outside."""
    attack, secret, plain = small(controls), texts.target[:600], Substitution([16])
    renamed = np.random.default_rng(5).permutation(91).astype(np.uint8)
    codes = np.empty_like(plain.codes)
    codes[:, renamed] = plain.codes
    other = CodebookCipher(codes, plain.bits, plain.decoded)
    one, same = (
        CipherOracle(THREAT, cipher, message, texts.statistics, np.random.default_rng(1))
        for cipher, message in ((plain, secret), (other, renamed[secret]))
    )
    np.testing.assert_array_equal(one.ciphertext().codes, same.ciphertext().codes)
    np.testing.assert_array_equal(
        attack.guess(one, np.random.default_rng(2)), attack.guess(same, np.random.default_rng(2))
    )


def test_an_attack_without_its_auxiliary_text_is_refused(examine: Examine, controls: dict[str, Any]) -> None:
    attack = Frequency(ThreatModel(), **controls, lengths=[100], texts=2)
    with pytest.raises(UserError, match="does not grant auxiliary_data"):
        examine(attack, Plaintext())


def test_more_text_than_there_is_is_refused(texts: Texts, examine: Examine, controls: dict[str, Any]) -> None:
    attack = small(controls, lengths=[len(texts.target)])
    with pytest.raises(UserError, match=f"60 pieces of {len(texts.target)} characters need more text"):
        examine(attack, Plaintext())


def test_a_cipher_of_several_characters_at_once_is_none_for_this(examine: Examine, controls: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError, match="2 characters at once"):
        examine(small(controls), KeyedCipher({}, 16, np.zeros(16, np.uint8)))


@pytest.mark.parametrize("broken_threshold", [0.0, -1.0, 1.1, float("nan")])
def test_an_impossible_line_is_refused(controls: dict[str, Any], broken_threshold: float) -> None:
    with pytest.raises(ValueError, match=rf"broken_threshold={broken_threshold} must be in \(0, 1\]"):
        small(controls, broken_threshold=broken_threshold)


def test_agreement_with_others_leaves_out_the_own_text() -> None:
    guesses, secrets = [np.array([1, 2]), np.array([1, 4])], [np.array([1, 2]), np.array([1, 3])]
    assert agree_with_others(guesses, secrets) == 0.5
    texts = [np.full(4, n) for n in range(3)]
    assert agree_with_others(texts, texts) == 0


def test_a_constant_guess_gains_nothing(texts: Texts, controls: dict[str, Any], examine: Examine) -> None:
    class Constant(Frequency):
        def guess(self, oracle: CipherOracle, rng: np.random.Generator) -> np.ndarray:
            return np.full(oracle.ciphertext().length, np.bincount(texts.target).argmax())

    attack = Constant(THREAT, **controls, lengths=[200], texts=60, search=SEARCH)
    found = attack.run(Plaintext(), texts, Accelerator("cpu", workers=1), np.random.default_rng(0), control=False)
    assert found.metrics["recovered_at_200"].value > 0.1
    assert found.gain is not None
    assert found.gain.value == pytest.approx(0, abs=1e-9)


def test_a_small_leak_is_seen(texts: Texts, controls: dict[str, Any]) -> None:
    """One character in nine is right: fewer than the commonest character alone would give."""

    class Little(Frequency):
        def guess(self, oracle: CipherOracle, rng: np.random.Generator) -> np.ndarray:
            text = oracle._cipher.decrypt(oracle.ciphertext())
            return np.where(np.arange(len(text)) % 9 == 0, text, 90)

    attack = Little(THREAT, **controls, lengths=[200], texts=60, search=SEARCH)
    found = attack.run(Plaintext(), texts, Accelerator("cpu", workers=1), np.random.default_rng(0), control=False)
    assert found.gain is not None
    assert found.gain.low > 0
    assert found.metrics["recovered_at_200"].value < found.metrics["recovered_by_constant"].value
