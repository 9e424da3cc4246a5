"""Baselines: published vectors, round trips, the pad's pages, and tags."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from veilbench.bench.errors import UserError
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.aes_gcm import AesGcm
from veilbench.families.ciphers.baselines.one_time_pad import OneTimePad
from veilbench.families.ciphers.baselines.plaintext import Plaintext
from veilbench.families.ciphers.baselines.stream import StreamCipher
from veilbench.text import alphabet

STREAMS = [AesCtr, AesGcm, OneTimePad]
MESSAGE = np.random.default_rng(0).integers(0, 91, 300, dtype=np.uint8)


def keyed(kind: type[StreamCipher], seed: int = 1) -> StreamCipher:
    return kind().with_fresh_key(np.random.default_rng(seed))


def rng(seed: int = 2) -> np.random.Generator:
    return np.random.default_rng(seed)


def from_hex(digits: str) -> bytes:
    return bytes.fromhex(digits.replace(" ", ""))


def test_aes_ctr_gives_nists_vector() -> None:
    """NIST SP 800-38A, F.5.5: CTR-AES256.Encrypt."""
    key = from_hex("603deb1015ca71be2b73aef0857d7781 1f352c073b6108d72d9810a30914dff4")
    counter = from_hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    plain = from_hex(
        "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710"
    )
    sealed = from_hex(
        "601ec313775789a5b7a7f504bbf3d228 f443e3ca4d62b59aca84e990cacaf5c5"
        "2b0930daa23de94ce87017ba2d84988d dfc9c58db67aada613c2dd08457941a6"
    )
    cipher = AesCtr(np.frombuffer(key, np.uint8))
    assert cipher.seal(plain, counter) == sealed
    assert cipher.unseal(sealed, counter) == plain


@pytest.mark.parametrize(
    ("key", "nonce", "plain", "sealed"),
    [
        ("00" * 32, "00" * 12, "", "530f8afbc74536b9a963b4f1c4cb738b"),
        ("00" * 32, "00" * 12, "00" * 16, "cea7403d4d606b6e074ec5d3baf39d18 d0d1c8a799996bf0265b98b5d48ab919"),
        (
            "feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "d9313225f88406e5a55909c5aff5269a 86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525 b16aedf5aa0de657ba637b391aafd255",
            "522dc1f099567d07f47f37a32a84427d 643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838 c5f61e6393ba7a0abcc9f662898015ad"
            "b094dac5d93471bdec1a502270e3cc6c",
        ),
    ],
)
def test_aes_gcm_gives_the_published_vectors(key: str, nonce: str, plain: str, sealed: str) -> None:
    """McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 13 to 15."""
    cipher = AesGcm(np.frombuffer(from_hex(key), np.uint8))
    assert cipher.seal(from_hex(plain), from_hex(nonce)) == from_hex(sealed)
    assert cipher.unseal(from_hex(sealed), from_hex(nonce)) == from_hex(plain)


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 300])
def test_stream_ciphers_give_the_message_back(kind: type[StreamCipher], length: int) -> None:
    cipher = keyed(kind)
    sealed = cipher.encrypt(MESSAGE[:length], rng())
    np.testing.assert_array_equal(cipher.decrypt(sealed), MESSAGE[:length])
    assert sealed.codes.shape == (length, 1)
    assert sealed.length == length
    assert len(sealed.nonce) == cipher.nonce_bytes + cipher.tag_bytes


@pytest.mark.parametrize("kind", STREAMS)
def test_stream_ciphers_seal_ascii(kind: type[StreamCipher]) -> None:
    cipher = keyed(kind)
    sealed = cipher.encrypt(MESSAGE, rng(), b"n" * 16)
    wanted = cipher.seal(alphabet.decode(MESSAGE).encode("ascii"), b"n" * cipher.nonce_bytes)
    assert sealed.codes.tobytes() + sealed.nonce[cipher.nonce_bytes :] == wanted


@pytest.mark.parametrize("kind", STREAMS)
def test_a_fresh_nonce_changes_the_ciphertext_and_a_given_one_is_kept(kind: type[StreamCipher]) -> None:
    cipher = keyed(kind)
    one, again, other = (cipher.encrypt(MESSAGE, rng(s)) for s in (1, 1, 2))
    reused = cipher.encrypt(MESSAGE, rng(3), one.nonce)
    np.testing.assert_array_equal(one.codes, again.codes)
    np.testing.assert_array_equal(one.codes, reused.codes)
    assert one.nonce == reused.nonce
    assert one.nonce != other.nonce
    assert (one.codes == other.codes).mean() < 0.05


@pytest.mark.parametrize("kind", STREAMS)
def test_a_fresh_key_changes_the_ciphertext(kind: type[StreamCipher]) -> None:
    one, other = (keyed(kind, seed).encrypt(MESSAGE, rng()) for seed in (1, 2))
    assert one.nonce[:12] == other.nonce[:12]
    assert (one.codes == other.codes).mean() < 0.05


@pytest.mark.parametrize("kind", STREAMS)
def test_bytes_per_character_count_nonce_and_tag(kind: type[StreamCipher]) -> None:
    wanted = {AesCtr: 1 + 16 / 300, AesGcm: 1 + 28 / 300, OneTimePad: 1 + 16 / 300}
    assert keyed(kind).bytes_per_character(MESSAGE, rng()) == pytest.approx(wanted[kind])


@pytest.mark.parametrize("kind", [AesCtr, AesGcm])
def test_exactly_one_bit_of_the_key_flips(kind: type[StreamCipher]) -> None:
    cipher = keyed(kind)
    before = cipher.key.copy()
    for seed in range(50):
        flipped = cipher.with_key_bit_flipped(np.random.default_rng(seed))
        assert np.unpackbits(flipped.key ^ before).sum() == 1
    np.testing.assert_array_equal(cipher.key, before)
    one, other = cipher.encrypt(MESSAGE, rng(), b"n" * 16), flipped.encrypt(MESSAGE, rng(), b"n" * 16)
    assert cipher.measure_changed_bits(one, other) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(2400))


@pytest.mark.parametrize("place", ["code", "nonce", "tag"])
def test_aes_gcm_refuses_a_changed_message(place: str) -> None:
    cipher = keyed(AesGcm)
    sealed = cipher.encrypt(MESSAGE, rng())
    codes, nonce = sealed.codes.copy(), bytearray(sealed.nonce)
    if place == "code":
        codes[17, 0] ^= 4
    else:
        nonce[0 if place == "nonce" else -1] ^= 4
    with pytest.raises(UserError, match="changed, or encrypted under another key"):
        cipher.decrypt(replace(sealed, codes=codes, nonce=bytes(nonce)))


def test_aes_gcm_refuses_another_key_and_a_shortened_message() -> None:
    cipher = keyed(AesGcm)
    sealed = cipher.encrypt(MESSAGE, rng())
    with pytest.raises(UserError, match="another key"):
        keyed(AesGcm, 2).decrypt(sealed)
    with pytest.raises(UserError, match="changed"):
        cipher.decrypt(replace(sealed, codes=sealed.codes[:-1]))


def test_aes_ctr_does_not_notice_a_change() -> None:
    cipher = keyed(AesCtr)
    sealed = cipher.encrypt(MESSAGE, rng())
    codes = sealed.codes.copy()
    codes[3] ^= 1
    assert np.flatnonzero(cipher.decrypt(replace(sealed, codes=codes)) != MESSAGE).tolist() == [3]


def test_pages_of_the_pad_never_repeat() -> None:
    cipher, zeros = keyed(OneTimePad), bytes(32)
    drawn = rng()
    pages = {cipher.seal(zeros, drawn.bytes(16)) for _ in range(2000)}
    assert len(pages) == 2000
    assert len({page[:8] for page in pages} | {page[8:16] for page in pages}) == 4000


def test_a_page_depends_on_the_whole_nonce_and_on_the_key() -> None:
    cipher, nonce = keyed(OneTimePad), bytes(16)
    pages = {cipher.seal(bytes(32), bytes(16 - 1 - i) + b"\x01" + bytes(i)) for i in range(16)}
    pages |= {cipher.seal(bytes(32), nonce), keyed(OneTimePad, 2).seal(bytes(32), nonce)}
    assert len(pages) == 18


def test_the_pads_bytes_and_bits_are_uniform() -> None:
    page = np.frombuffer(keyed(OneTimePad).seal(bytes(50_000), bytes(16)), np.uint8)
    assert stats.chisquare(np.bincount(page, minlength=256)).pvalue > 0.001
    pairs = np.unpackbits(page)[:-1] * 2 + np.unpackbits(page)[1:]
    assert stats.chisquare(np.bincount(pairs[::2], minlength=4)).pvalue > 0.001


def test_the_pad_is_added_to_the_message() -> None:
    cipher, nonce = keyed(OneTimePad), bytes(16)
    page, plain = cipher.seal(bytes(91), nonce), bytes(range(91))
    assert cipher.seal(plain, nonce) == bytes(a ^ b for a, b in zip(plain, page, strict=True))


def test_pad_blocks_are_the_sum_of_bits_and_key() -> None:
    plain, keys = np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 1, 0, 1]], np.uint8)
    assert OneTimePad().encrypt_blocks(plain, keys, plain).tolist() == [[-1, 1, 1, -1]]
    assert OneTimePad().encrypt_blocks(plain, keys, plain).dtype == np.float32


def test_the_pad_offers_no_flipped_bit() -> None:
    with pytest.raises(NotImplementedError, match="by design"):
        keyed(OneTimePad).with_key_bit_flipped(rng())


def test_plaintext_is_the_text() -> None:
    cipher = Plaintext()
    sealed = cipher.encrypt(MESSAGE, rng())
    assert sealed.codes.tobytes().decode("ascii") == alphabet.decode(MESSAGE)
    np.testing.assert_array_equal(cipher.decrypt(sealed), MESSAGE)
    assert cipher.bytes_per_character(MESSAGE, rng()) == 1
    assert cipher.encrypt_blocks(np.array([[0, 1]]), np.array([[1, 1]]), np.array([[1, 1]])).tolist() == [[-1, 1]]
    assert cipher.with_fresh_key(rng()) is cipher
    with pytest.raises(NotImplementedError, match="no key"):
        cipher.with_key_bit_flipped(rng())


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_a_wrong_length_is_not_restored(kind: type[StreamCipher], length: int) -> None:
    with pytest.raises(ValueError, match=rf"key has shape \[{length}\], \[32\] is needed"):
        kind.restore({}, {"key": np.zeros(length, np.uint8)})


@pytest.mark.parametrize("kind", STREAMS)
def test_a_restored_cipher_opens_what_was_sealed(kind: type[StreamCipher]) -> None:
    cipher = keyed(kind)
    back = kind.restore(cipher.settings(), cipher.arrays())
    np.testing.assert_array_equal(back.decrypt(cipher.encrypt(MESSAGE, rng())), MESSAGE)
