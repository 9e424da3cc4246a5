"""A trained Alice and Bob as a cipher: nonces, shapes, the key, and what travels."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from veilbench.bench.trained_model import load_trained_model
from veilbench.families.ciphers.nets.mix_transform import AliceAndBob
from veilbench.families.ciphers.schemes.keyed import KeyedCipher


def keyed(bits: int = 16, seed: int = 0) -> KeyedCipher:
    """Random weights, large and centred, so that every input moves the output."""
    generator = torch.Generator().manual_seed(seed)
    net = AliceAndBob(bits)
    for mixer in (net.alice, net.bob):
        for layer in (mixer.mix, *mixer.transform):
            weight = 4 * torch.randn(layer.weight.shape, generator=generator) / layer.weight.shape[1] ** 0.5
            layer.weight = torch.nn.Parameter(weight)
            middle = 0.0 if layer is mixer.mix else 0.5  # of the layer's inputs: signs, then sigmoids
            layer.bias = torch.nn.Parameter(-middle * weight.sum(1))
    weights = {name: weight.numpy() for name, weight in net.state_dict().items()}
    return KeyedCipher(weights, bits, np.random.default_rng(seed).integers(0, 2, bits, dtype=np.uint8))


def text(length: int) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 91, length, dtype=np.uint8)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("bits", [8, 16, 24])
@pytest.mark.parametrize("length", [1, 2, 7, 30])
def test_shapes_follow_the_block(bits: int, length: int) -> None:
    cipher = keyed(bits)
    blocks = -(-length // (bits // 8))
    sealed = cipher.encrypt(text(length), rng())
    assert cipher.block == bits // 8
    assert sealed.codes.shape == (blocks, bits)
    assert sealed.codes.dtype == np.uint8
    assert sealed.bits.tolist() == [8 * bits] * blocks
    assert not sealed.members.any()
    assert len(sealed.nonce) == 16
    back = cipher.decrypt(sealed)
    assert back.shape == (length,)
    assert back.max() <= 90
    assert cipher.extract_features(sealed).shape == (blocks, 2 * bits)


def test_one_nonce_gives_one_ciphertext() -> None:
    cipher = keyed()
    one, again = (cipher.encrypt(text(40), rng(s), b"n" * 16) for s in (1, 2))
    np.testing.assert_array_equal(one.codes, again.codes)


def test_the_nonce_is_drawn_from_the_generator() -> None:
    cipher = keyed()
    one, again, other = (cipher.encrypt(text(40), rng(s)) for s in (1, 1, 2))
    assert one.nonce == again.nonce == rng(1).bytes(16)
    np.testing.assert_array_equal(one.codes, again.codes)
    assert one.nonce != other.nonce
    assert (one.codes != other.codes).any(1).mean() > 0.9


def test_equal_blocks_of_one_message_differ() -> None:
    sealed = keyed().encrypt(np.full(200, 65, np.uint8), rng())
    assert len(np.unique(sealed.codes, axis=0)) > 90


def test_the_nonces_of_blocks_are_shake_256() -> None:
    cipher, nonce = keyed(24), b"0123456789abcdef"
    digits = "".join(f"{byte:08b}" for byte in hashlib.shake_256(nonce).digest(15))
    assert "".join(map(str, cipher.expand_nonce(nonce, 5).ravel())) == digits
    assert cipher.expand_nonce(nonce, 5).shape == (5, 24)


def test_encryption_is_alices_answer_rounded_to_a_signed_byte() -> None:
    cipher, message = keyed(), text(6)
    sealed = cipher.encrypt(message, rng(), b"n" * 16)
    plain = [[int(d) for pair in message[i : i + 2] for d in f"{pair:08b}"] for i in (0, 2, 4)]
    rows = [torch.tensor(plain), torch.from_numpy(np.tile(cipher.key, (3, 1)))]
    rows.append(torch.from_numpy(cipher.expand_nonce(b"n" * 16, 3)))
    answer = cipher.net.seal(*(row.float() * 2 - 1 for row in rows)).detach().numpy()
    np.testing.assert_array_equal(sealed.codes.view(np.int8), np.round(answer * 127))
    np.testing.assert_allclose(cipher.to_numbers(sealed), answer, atol=0.5 / 127 + 1e-6)


def test_decryption_is_bobs_answer_under_key_and_nonce() -> None:
    cipher = keyed()
    sealed = cipher.encrypt(text(60), rng())
    nonces = torch.from_numpy(cipher.expand_nonce(sealed.nonce, 30)).float() * 2 - 1
    key = torch.from_numpy(cipher.key).float() * 2 - 1
    answer = cipher.net.open(torch.from_numpy(cipher.to_numbers(sealed)), key.expand(30, -1), nonces)
    bits = (answer > 0).int().numpy().reshape(-1, 8)
    wanted = [min(90, int("".join(map(str, byte)), 2)) for byte in bits]
    assert cipher.decrypt(sealed).tolist() == wanted


def test_a_block_is_sealed_the_same_alone_or_among_others() -> None:
    cipher = keyed()
    plain, keys, nonces = np.random.default_rng(0).integers(0, 2, (3, 20, 16), dtype=np.uint8)
    together = cipher.encrypt_blocks(plain, keys, nonces)
    alone = np.concatenate(
        [cipher.encrypt_blocks(plain[i : i + 1], keys[i : i + 1], nonces[i : i + 1]) for i in range(20)]
    )
    np.testing.assert_allclose(together, alone, atol=1.01 / 127)
    assert together.dtype == np.float32
    assert np.abs(together).max() <= 1


def test_features_are_the_ciphertext_and_the_nonce_and_nothing_secret() -> None:
    cipher = keyed()
    sealed = cipher.encrypt(text(20), rng())
    other = cipher.with_fresh_key(rng(5))
    features = cipher.extract_features(sealed)
    np.testing.assert_array_equal(features, other.extract_features(sealed))
    np.testing.assert_allclose(features[:, :16] * 127, sealed.codes.view(np.int8), atol=1e-4)
    np.testing.assert_array_equal(features[:, 16:] > 0, cipher.expand_nonce(sealed.nonce, 10) == 1)


def test_a_fresh_key_changes_the_ciphertext_and_not_the_networks() -> None:
    cipher = keyed()
    fresh = cipher.with_fresh_key(rng(5))
    assert (fresh.key != cipher.key).any()
    assert fresh.weights is cipher.weights
    one, other = (c.encrypt(text(40), rng()) for c in (cipher, fresh))
    assert one.nonce == other.nonce
    assert (one.codes != other.codes).any()


def test_exactly_one_bit_of_the_key_flips() -> None:
    cipher = keyed()
    before = cipher.key.copy()
    flipped = {int(np.flatnonzero(cipher.with_key_bit_flipped(rng(s)).key != before).item()) for s in range(200)}
    assert flipped == set(range(16))
    np.testing.assert_array_equal(cipher.key, before)


def test_changed_bits_are_changed_signs() -> None:
    cipher = keyed(8)
    one, other = (cipher.encrypt(text(50), rng(s)) for s in (1, 2))
    wanted = np.mean((one.codes.view(np.int8) > 0) != (other.codes.view(np.int8) > 0))
    assert cipher.measure_changed_bits(one, other) == pytest.approx(wanted)
    assert cipher.measure_changed_bits(one, one) == 0


def test_it_is_saved_and_restored(tmp_path: Path) -> None:
    cipher = keyed()
    cipher.save(tmp_path)
    back = load_trained_model(tmp_path)
    assert isinstance(back, KeyedCipher)
    sealed = cipher.encrypt(text(41), rng())
    np.testing.assert_array_equal(back.encrypt(text(41), rng()).codes, sealed.codes)
    np.testing.assert_array_equal(back.decrypt(sealed), cipher.decrypt(sealed))
