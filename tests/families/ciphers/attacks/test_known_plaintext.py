"""Known plaintext: the code book against a loop, both controls, and a guess that sees the oracle alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.ciphers.attacks import learned_decoder
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle
from veilbench.families.ciphers.attacks.codebook_search import CodebookSearch
from veilbench.families.ciphers.attacks.known_plaintext import (
    DecoderTraining,
    KnownPlaintext,
    NewTexts,
    build_codebook,
    drop_contradictions,
)
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.bit_transposition import BitTransposition
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.codebook import CodebookCipher

Examine = Callable[..., Findings]
THREAT = ThreatModel(known_pairs=True, auxiliary_data=True)


def small(controls: dict[str, Any], threat: ThreatModel = THREAT, **settings: Any) -> KnownPlaintext:
    budget = {"known": [1000, 50], "texts": NewTexts(100, 60), "decoder": DecoderTraining([])}
    return KnownPlaintext(threat, **controls, filling=CodebookSearch(3, 0, 0.1), **budget | settings)


def by_a_loop(codes: np.ndarray, symbols: np.ndarray, size: int) -> list[int]:
    """The commonest symbol of each token, the smallest among equally common ones."""
    book = []
    for token in range(size):
        seen = Counter(int(s) for c, s in zip(codes, symbols, strict=True) if c == token)
        book.append(min(seen, key=lambda s: (-seen[s], s)) if seen else -1)
    return book


@pytest.mark.parametrize("seed", range(5))
def test_the_codebook_is_the_commonest_symbol_of_each_token(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes, symbols = rng.integers(0, 20, 150), rng.integers(0, 91, 150).astype(np.uint8) // 30
    codes[codes == 7] = 8  # a token that is never seen
    book = build_codebook(codes, symbols, 22)
    assert book.tolist() == by_a_loop(codes, symbols, 22)
    assert (book[[7, 20, 21]] == -1).all()


def test_the_codebook_knows_the_last_symbol_and_symbol_zero() -> None:
    assert build_codebook(np.array([0, 1]), np.array([90, 0], np.uint8), 3).tolist() == [90, 0, -1]


@pytest.fixture(scope="module")
def broken(examine: Examine, controls: dict[str, Any]) -> Findings:
    return examine(small(controls), Substitution([40, 24], seed=9), key="both")


def test_substitution_is_broken_with_both_controls_passed(broken: Findings) -> None:
    assert [(c.kind, c.passed) for c in broken.controls] == [("positive", True), ("negative", True), ("positive", True)]
    assert broken.verdict is Verdict.BROKEN
    assert {f"{way}_at_{n}" for way in ("codebook", "language") for n in (50, 1000)} | {"recovered_by_chance"} == set(
        broken.metrics
    )
    assert broken.metrics["codebook_at_1000"].value > broken.metrics["codebook_at_50"].value


def test_aes_holds(examine: Examine, controls: dict[str, Any]) -> None:
    found = examine(small(controls), AesCtr(), key="both")
    assert found.verdict is Verdict.HOLDS
    assert found.gain is not None
    assert abs(found.gain.value) < 0.05


def test_seed_decides_the_findings_and_the_workers_do_not(texts: Texts, controls: dict[str, Any]) -> None:
    attack = small(controls, known=[60], texts=NewTexts(100, 4, 2), decoder=DecoderTraining([60], 20))
    one, again, other = (
        attack.run(
            Substitution([16, 16]),
            texts,
            Accelerator("cpu", workers=workers),
            np.random.default_rng(seed),
            control=False,
        ).as_dict()
        for seed, workers in ((1, 1), (1, 3), (2, 1))
    )
    assert set(one["metrics"]) == {"codebook_at_60", "language_at_60", "learned_at_60", "recovered_by_chance"}
    assert one == again
    assert one != other


def test_a_complete_codebook_knows_every_character(texts: Texts, controls: dict[str, Any]) -> None:
    told = np.tile(np.arange(91, dtype=np.uint8), 20)
    secret = texts.target[:200]
    oracle = CipherOracle(THREAT, Substitution([40]), secret, texts.statistics, np.random.default_rng(0), [told])
    for guess, held_out in small(controls)._guess_by_codebook(oracle, np.random.default_rng(0)).values():
        np.testing.assert_array_equal(guess, secret[None])
        assert held_out == 1


def exposures(texts: Texts) -> tuple[CipherOracle, CipherOracle]:
    """Two exposures that look alike. Their secrets differ in letters that no known pair has, swapped in the book."""
    plain, told = Substitution([16]), texts.target[5000:5400].copy()
    first, second = np.setdiff1d(np.arange(91), told)[:2]
    secret = texts.target[:300].copy()
    secret[::10], secret[5::10] = first, second
    swapped = np.arange(91, dtype=np.uint8)
    swapped[[first, second]] = second, first
    other = CodebookCipher(plain.codes[:, swapped], plain.bits, plain.decoded)
    one, same = (
        CipherOracle(THREAT, cipher, message, texts.statistics, np.random.default_rng(1), [told])
        for cipher, message in ((plain, secret), (other, swapped[secret]))
    )
    np.testing.assert_array_equal(one.ciphertext().codes, same.ciphertext().codes)
    np.testing.assert_array_equal(one.known()[0].ciphertext.codes, same.known()[0].ciphertext.codes)
    return one, same


def guessed(attack: KnownPlaintext, oracle: CipherOracle, accelerator: Accelerator) -> dict[str, Any]:
    (answers,) = attack.guess_texts([(400, oracle, np.random.default_rng(3))], accelerator)
    return {way: (guess.tolist(), held_out) for way, (guess, held_out) in answers.items()}


def test_equal_exposures_of_different_secrets_give_equal_guesses(
    texts: Texts, controls: dict[str, Any], accelerator: Accelerator, sealed_cipher: Any
) -> None:
    attack = small(controls, known=[400], decoder=DecoderTraining([400], 5))
    one, same = exposures(texts)
    answers = guessed(attack, one, accelerator)
    assert set(answers) == {"codebook", "language", "learned"}
    same._cipher = sealed_cipher(same._cipher)
    assert guessed(attack, same, accelerator) == answers


@pytest.mark.parametrize("flag", ["known_pairs", "auxiliary_data"])
def test_what_is_not_granted_is_refused(examine: Examine, controls: dict[str, Any], flag: str) -> None:
    threat = ThreatModel(**{"known_pairs": True, "auxiliary_data": True} | {flag: False})
    with pytest.raises(UserError, match=f"does not grant {flag}"):
        examine(small(controls, threat), Substitution([16]))


def test_a_decoder_for_a_number_that_is_not_known_is_refused(controls: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"decoder\.known=\[60, 70\] must be among known=\[1000, 50\]"):
        small(controls, decoder=DecoderTraining([60, 1000, 70]))


def test_a_way_is_taken_by_what_it_gets_right_of_held_out_pairs(texts: Texts, controls: dict[str, Any]) -> None:
    """Who chose by the unknown text itself would take the way that looks best there."""

    class TwoWays(KnownPlaintext):
        def guess_texts(self, cases: Any, accelerator: Accelerator, path: str = "") -> Any:
            lucky = [np.stack(list(map(oracle._cipher.decrypt, oracle.ciphertexts()))) for _, oracle, _ in cases]
            return [{"lucky": (text, 0.1), "sound": (np.zeros_like(text), 0.9)} for text in lucky]

    attack = TwoWays(
        THREAT, **controls, known=[50], texts=NewTexts(100, 6), decoder=DecoderTraining([]), broken_threshold=0.6
    )
    found = attack.run(Substitution([16]), texts, Accelerator("cpu", workers=1), np.random.default_rng(0), False)
    assert found.metrics["lucky_at_50"].value == 1
    assert found.gain is not None
    assert found.gain.value < 0.3
    assert any("that of 'sound'" in note for note in found.notes)


@pytest.mark.parametrize("known", [[50, 100], [100, 50]])
def test_the_gain_is_that_of_the_most_known_characters(
    texts: Texts, controls: dict[str, Any], known: list[int]
) -> None:
    class MoreIsBetter(KnownPlaintext):
        def guess_texts(self, cases: Any, accelerator: Accelerator, path: str = "") -> Any:
            right = [np.stack(list(map(oracle._cipher.decrypt, oracle.ciphertexts()))) for _, oracle, _ in cases]
            return [
                {"way": (text if budget == 100 else np.zeros_like(text), 0.5)}
                for text, (budget, _, _) in zip(right, cases, strict=True)
            ]

    attack = MoreIsBetter(THREAT, **controls, known=known, texts=NewTexts(100, 6), decoder=DecoderTraining([]))
    found = attack.run(Substitution([16]), texts, Accelerator("cpu", workers=1), np.random.default_rng(0), False)
    assert found.metrics["way_at_50"].value < 0.5
    assert found.gain is not None
    assert found.gain.value == 1


def test_held_out_pairs_are_not_in_the_book_that_is_judged_by_them(texts: Texts, controls: dict[str, Any]) -> None:
    """The last fifth of what is known consists of a character that is not seen before, and is not the commonest."""
    told = np.r_[np.tile(np.arange(40, 80, dtype=np.uint8), 2), np.full(20, 7, np.uint8)]
    assert np.bincount(texts.statistics).argmax() != 7
    oracle = CipherOracle(
        THREAT, Substitution([40]), texts.target[:50], texts.statistics, np.random.default_rng(0), [told]
    )
    answers = small(controls)._guess_by_codebook(oracle, np.random.default_rng(0))
    assert {held_out for _, held_out in answers.values()} == {0.0}


def test_each_path_has_a_positive_control(controls: dict[str, Any]) -> None:
    attack = small(controls, decoder=DecoderTraining([1000]))
    cases = attack.control_cases(Substitution([16]), None)  # type: ignore[arg-type]
    assert [(case.kind, case.path) for case in cases] == [
        ("positive", "code book"),
        ("negative", ""),
        ("positive", "learned decoder"),
        ("positive", "keystream"),
    ]
    blocks = attack.control_cases(BitTransposition(2), None)  # type: ignore[arg-type]
    assert [(case.kind, case.path, case.variant) for case in blocks] == [
        ("negative", "", ""),
        ("positive", "learned decoder", "blocks of 2"),
    ]
    assert blocks[1].scheme is not None
    assert blocks[1].scheme.block == 2


def test_a_decoder_that_learns_nothing_is_an_untested_path(examine: Examine, controls: dict[str, Any]) -> None:
    """Against blocks of two characters there is no other path, so nothing is decided."""
    attack = small(controls, known=[300], decoder=DecoderTraining([300], steps=1), texts=NewTexts(30, 60))
    found = examine(attack, BitTransposition(2))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "positive control of the path learned decoder, BitTransposition" in found.reason


def test_blocks_of_two_characters_are_broken_by_the_decoder(examine: Examine, controls: dict[str, Any]) -> None:
    attack = small(controls, known=[2000], decoder=DecoderTraining([2000], steps=600), texts=NewTexts(30, 60))
    found = examine(attack, BitTransposition(2).with_fresh_key(np.random.default_rng(3)))
    assert found.verdict is Verdict.BROKEN


def test_tokens_of_one_group_that_share_a_symbol_are_dropped() -> None:
    book, groups = np.array([3, 3, 5, -1, 3, 3, 7]), np.array([0, 0, 0, 0, 1, -1, -1])
    assert drop_contradictions(book, groups).tolist() == [-1, -1, 5, -1, 3, 3, 7]
    whole = np.array([1, 2, -1, 2])
    assert drop_contradictions(whole, np.array([0, 0, 0, 1])).tolist() == whole.tolist()
    assert drop_contradictions(np.array([-1, -1]), np.array([0, 0])).tolist() == [-1, -1]


@pytest.mark.parametrize(("cipher", "trained"), [(Substitution([16]), False), (AesCtr(), True)])
def test_a_decoder_is_trained_only_where_no_cheaper_path_reads_nearly_all(
    texts: Texts, accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch, cipher: Any, trained: bool
) -> None:
    asked = list[int]()

    def decoded(oracle: Any, *_: Any) -> Any:
        asked.append(1)
        return np.stack([np.zeros(each.length, np.uint8) for each in oracle.ciphertexts()]), 0.0

    monkeypatch.setattr(learned_decoder, "decode", decoded)
    rng = np.random.default_rng(0)
    attack = KnownPlaintext(THREAT, Substitution([8]), AesCtr(), [1_500], NewTexts(100, 2, 1), DecoderTraining([1_500]))
    attack.run(cipher.with_fresh_key(rng), texts, accelerator, rng, control=False)
    assert bool(asked) is trained
