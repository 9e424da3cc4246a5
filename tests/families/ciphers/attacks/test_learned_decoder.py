"""A decoder trained on known pairs: what it can learn, and that it learns from the pairs alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.threat import ThreatModel
from veilbench.families.ciphers.attacks import learned_decoder
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle
from veilbench.families.ciphers.attacks.learned_decoder import _predict, _to_bits, decode
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext

THREAT = ThreatModel(known_pairs=True, auxiliary_data=True)


class Twos(Substitution):
    """The same codes, two characters to a block, the last block filled up with spaces."""

    block = 2

    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        """Blocks of two codes side by side."""
        made = super().encrypt(np.pad(symbols, (0, len(symbols) % 2)), rng)
        n = len(made.codes) // 2
        return replace(
            made,
            codes=made.codes.reshape(n, -1),
            bits=made.bits[:n] * 2,
            members=made.members[:n],
            length=len(symbols),
        )


def exposed(cipher: Cipher, texts: Texts, secret: np.ndarray, known: int = 800) -> CipherOracle:
    told = [texts.target[1000 : 1000 + known // 2], texts.target[3000 : 3000 + known // 2]]
    return CipherOracle(THREAT, cipher, secret, texts.statistics, np.random.default_rng(1), told)


def guess(oracle: CipherOracle, accelerator: Accelerator, seed: int = 2, steps: int = 600) -> tuple[Any, float]:
    return decode(oracle, steps, 128, accelerator, np.random.default_rng(seed))


def told(oracle: CipherOracle) -> np.ndarray:
    """All characters of the known pairs."""
    return np.concatenate([pair.symbols for pair in oracle.known()])


@pytest.mark.parametrize("code_bits", [[32], [32, 24]])
def test_it_learns_a_code_book(code_bits: list[int], texts: Texts, accelerator: Accelerator) -> None:
    secret = texts.target[:301]
    oracle = exposed(Substitution(code_bits), texts, secret)
    answer, held_out = guess(oracle, accelerator)
    known = np.bincount(told(oracle), minlength=91)[secret] >= 5
    assert answer.shape == (1, 301)
    assert known.sum() > 150
    assert (answer[0] == secret)[known].mean() > 0.95
    assert held_out > 0.9


def test_it_learns_blocks_of_several_characters(texts: Texts, accelerator: Accelerator) -> None:
    secret = texts.target[:301]  # an odd length: the last block is filled up, and its filling cut off
    oracle = exposed(Twos([16]), texts, secret)
    answer, held_out = guess(oracle, accelerator)
    known = np.bincount(told(oracle), minlength=91)[secret] >= 10
    assert answer.shape == (1, 301)
    assert known.sum() > 150
    assert (answer[0] == secret)[known].mean() > 0.85
    assert held_out > 0.7


def test_several_secrets_are_read_in_their_order(texts: Texts, accelerator: Accelerator) -> None:
    secrets = texts.target[: 301 * 3].reshape(3, 301)  # an odd length: each message has its own filling
    answer, _ = guess(exposed(Twos([16]), texts, secrets), accelerator)
    assert answer.shape == (3, 301)
    assert ((answer == secrets).mean(1) > 0.7).all()


def test_short_messages_that_use_other_members_are_learned_together(
    texts: Texts, accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, made = learned_decoder.LearnedDecoder, list[learned_decoder.LearnedDecoder]()

    def noted(inputs: int, block: int, hidden: int, held_out: torch.Tensor) -> learned_decoder.LearnedDecoder:
        made.append(built(inputs, block, hidden, held_out))
        return made[-1]

    monkeypatch.setattr(learned_decoder, "LearnedDecoder", noted)
    known = [texts.target[at : at + 2] for at in range(1000, 1800, 2)]
    threat = replace(THREAT, public_ids=True)
    for secret in (texts.target[:301], texts.target[:1]):  # it may use more members than the known messages, or fewer
        oracle = CipherOracle(threat, Substitution([16] * 6), secret, texts.statistics, np.random.default_rng(1), known)
        assert len({oracle.extract_features(pair.ciphertext).shape[1] for pair in oracle.known()}) == 6
        answer, held_out = guess(oracle, accelerator)
        assert made[-1].inputs == 16 + 6
        assert answer.shape == (1, len(secret))
        assert held_out > 0.3  # six code books of which each character was seen a few times


@pytest.mark.parametrize(("cipher", "fewest", "most"), [(Substitution([32]), 50, 700), (AesCtr(), 500, 1_500)])
def test_training_stops_when_there_is_nothing_more_to_gain(
    texts: Texts, accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch, cipher: Any, fewest: int, most: int
) -> None:
    taken = list[float]()
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, *a, **k: taken.append(1) or step(self, *a, **k))
    keyed = cipher.with_fresh_key(np.random.default_rng(0))
    guess(exposed(keyed, texts, texts.target[:301], 3_000), accelerator, steps=5_000)
    assert fewest <= len(taken) <= most


def test_the_weights_are_those_that_read_most_of_the_held_out_blocks() -> None:
    """Worse weights after the best ones are forgotten."""
    decoder = learned_decoder.LearnedDecoder(2, 1, 4, torch.tensor([[1.0, -1.0, *[1.0] * 7]]))
    decoder.trainer = SimpleNamespace(should_stop=False)  # type: ignore[assignment]
    for weight, better in ((-1.0, True), (1.0, True), (-1.0, False)):
        with torch.no_grad():
            decoder.net[-1].bias.fill_(1e3 * weight)
        decoder._check()
        assert (float(decoder.best["2.bias"][0]) == 1e3 * weight) is better
    assert decoder.trainer.should_stop


def test_it_learns_nothing_of_aes(texts: Texts, accelerator: Accelerator) -> None:
    secret = texts.target[:301]
    cipher = AesCtr().with_fresh_key(np.random.default_rng(0))
    answer, held_out = guess(exposed(cipher, texts, secret), accelerator)
    assert (answer == secret).mean() < 0.25
    assert held_out < 0.25


def test_the_answer_depends_on_the_exposure_and_the_seed_alone(
    texts: Texts, accelerator: Accelerator, sealed_cipher: Any
) -> None:
    oracle = exposed(Substitution([32]), texts, texts.target[:301], 60)
    torch.manual_seed(1)
    first, trust = guess(oracle, accelerator, steps=20)
    oracle._cipher = sealed_cipher(oracle._cipher)
    torch.manual_seed(2)
    again, same_trust = guess(oracle, accelerator, steps=20)
    other, _ = guess(oracle, accelerator, seed=3, steps=20)
    np.testing.assert_array_equal(first, again)
    assert trust == same_trust
    assert (first != other).any()


def test_known_pairs_have_to_be_granted(texts: Texts, accelerator: Accelerator) -> None:
    oracle = CipherOracle(
        ThreatModel(), Substitution([32]), texts.target[:9], texts.statistics, np.random.default_rng(0)
    )
    with pytest.raises(UserError, match="does not grant known_pairs"):
        guess(oracle, accelerator)


def test_bits_of_symbols_and_back() -> None:
    """A net that copies the bits returns the symbols; what exceeds the alphabet is clipped to its end."""
    symbols = np.arange(0, 91, dtype=np.uint8)[: 2 * 45].reshape(-1, 2)
    bits = _to_bits(symbols)
    assert bits.shape == (45, 14)
    np.testing.assert_array_equal(_predict(torch.nn.Identity(), 2 * bits.astype(np.float32) - 1, 2), symbols)
    assert (_predict(torch.nn.Identity(), np.ones((3, 7), np.float32), 1) == 90).all()
