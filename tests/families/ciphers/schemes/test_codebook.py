"""Code books: the key that is drawn, the round trip, the turns of the members, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from veilbench.bench.errors import UserError
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.schemes.codebook import CodebookCipher, draw_mapping

ALPHABET = np.arange(91, dtype=np.uint8)


def text(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 91, length, dtype=np.uint8)


def as_strings(codes: np.ndarray, bits: int) -> list[str]:
    """Packed codes as text, cut to their bits; what is behind must be zero."""
    digits = ["".join(f"{byte:08b}" for byte in code) for code in codes]
    assert all("1" not in code[bits:] for code in digits)
    return [code[:bits] for code in digits]


@pytest.mark.parametrize("bits", range(7, 65))
def test_a_mapping_has_distinct_codes_of_zeros_and_ones(bits: int) -> None:
    for seed in range(3):
        mapping = draw_mapping(bits, np.random.default_rng(seed))
        assert mapping.shape == (91, bits)
        assert set(np.unique(mapping)) == {0, 1}
        assert len({tuple(code) for code in mapping.tolist()}) == 91


@pytest.mark.parametrize("bits", [7, 9, 15, 16, 32])
def test_every_bit_of_a_mapping_is_fair(bits: int) -> None:
    rng = np.random.default_rng(0)
    ones = np.mean([draw_mapping(bits, rng) for _ in range(100)], axis=(0, 1))
    assert ones == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(9100))


@pytest.mark.parametrize("bits", [1, 6])
def test_too_few_bits_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=f"code_bits={bits} cannot tell 91 characters apart.*7"):
        draw_mapping(bits, np.random.default_rng(0))


def test_as_many_codes_as_there_are_numbers_is_a_permutation() -> None:
    mapping = draw_mapping(3, np.random.default_rng(0), symbols=8)
    assert sorted("".join(map(str, code)) for code in mapping) == [f"{n:03b}" for n in range(8)]


@pytest.mark.parametrize("code_bits", [[7], [8], [33], [64], [9, 17, 40], [32] * 8])
@pytest.mark.parametrize("chunk", [1, 5])
def test_the_round_trip_is_exact(code_bits: list[int], chunk: int) -> None:
    cipher, message = Substitution(code_bits, chunk=chunk), text(1000)
    sealed = cipher.encrypt(message, np.random.default_rng(1))
    np.testing.assert_array_equal(cipher.decrypt(sealed), message)
    assert sealed.length == 1000
    assert sealed.nonce == b""
    np.testing.assert_array_equal(sealed.bits, np.array(code_bits)[sealed.members])


def test_the_empty_message_and_a_part_of_a_chunk_survive() -> None:
    cipher = Substitution([8, 9], chunk=4)
    for length in (0, 1, 3, 4, 5):
        sealed = cipher.encrypt(text(length), np.random.default_rng(1))
        assert len(sealed.codes) == len(sealed.members) == length
        np.testing.assert_array_equal(cipher.decrypt(sealed), text(length))


def test_codes_are_those_of_the_drawn_member() -> None:
    rng = np.random.default_rng(0)
    mappings = [draw_mapping(bits, rng) for bits in (9, 20)]
    cipher = CodebookCipher.from_mappings(mappings)
    message = text(200)
    sealed = cipher.encrypt(message, np.random.default_rng(1))
    for code, member, symbol in zip(sealed.codes, sealed.members, message, strict=True):
        wanted = "".join(map(str, mappings[member][symbol]))
        assert as_strings([code], len(wanted)) == [wanted]


def test_one_member_draws_nothing() -> None:
    rng = np.random.default_rng(0)
    assert not Substitution([8]).encrypt(text(50), rng).members.any()
    assert rng.bytes(8) == np.random.default_rng(0).bytes(8)


def test_members_are_uniform_and_independent() -> None:
    members = Substitution([8] * 4).encrypt(text(8000), np.random.default_rng(3)).members
    assert stats.chisquare(np.bincount(members, minlength=4)).pvalue > 0.001
    pairs = np.bincount(members[:-1:2] * 4 + members[1::2], minlength=16)
    assert stats.chisquare(pairs).pvalue > 0.001


def test_a_member_encrypts_a_whole_chunk() -> None:
    members = Substitution([8] * 4, chunk=7).encrypt(text(7 * 500 + 3), np.random.default_rng(3)).members
    whole = members[: 7 * 500].reshape(500, 7)
    assert (whole == whole[:, :1]).all()
    assert len(set(members[-3:].tolist())) == 1
    assert stats.chisquare(np.bincount(whole[:, 0], minlength=4)).pvalue > 0.001


def test_the_generator_alone_decides_the_members() -> None:
    cipher = Substitution([8] * 4)
    one, again, other = (cipher.encrypt(text(99), np.random.default_rng(s)).members for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_an_unknown_code_or_member_is_refused() -> None:
    cipher = Substitution([32, 32])
    sealed = cipher.encrypt(text(20), np.random.default_rng(0))
    codes = sealed.codes.copy()
    codes[7, 0] ^= 1
    with pytest.raises(UserError, match="a code that this model never makes"):
        cipher.decrypt(replace(sealed, codes=codes))
    with pytest.raises(UserError, match="a code that this model never makes"):
        cipher.decrypt(replace(sealed, members=sealed.members + 2))


def test_a_code_of_another_member_is_refused() -> None:
    cipher = Substitution([32, 32])
    sealed = cipher.encrypt(text(20), np.random.default_rng(0))
    with pytest.raises(UserError, match="never makes"):
        cipher.decrypt(replace(sealed, members=1 - sealed.members))


def test_what_the_decrypter_makes_of_a_code_counts() -> None:
    plain = Substitution([32])
    wrong = CodebookCipher(plain.codes, plain.bits, (plain.decoded + 1) % 91)
    message = text(50)
    sealed = wrong.encrypt(message, np.random.default_rng(0))
    np.testing.assert_array_equal(wrong.decrypt(sealed), (message + 1) % 91)


def test_a_fresh_key_differs_and_keeps_the_shape() -> None:
    cipher = Substitution([32, 9], chunk=3)
    one, again, other = (cipher.with_fresh_key(np.random.default_rng(s)) for s in (1, 1, 2))
    assert one.chunk == 3
    assert one.bits.tolist() == [32, 9]
    np.testing.assert_array_equal(one.codes, again.codes)
    for member in range(2):
        books = [{code.tobytes() for code in c.codes[member]} for c in (cipher, one, other)]
        assert books[0] != books[1] != books[2] != books[0]
    np.testing.assert_array_equal(one.key, one.codes)
    message = text(200)
    np.testing.assert_array_equal(one.decrypt(one.encrypt(message, np.random.default_rng(0))), message)


def test_the_seed_draws_the_first_key() -> None:
    one, again, other = (Substitution([32], seed=s).codes for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_exactly_one_meant_bit_flips_and_the_original_stays() -> None:
    cipher = Substitution([7, 20])
    before = cipher.codes.copy()
    places = set()
    for seed in range(300):
        flipped = cipher.with_key_bit_flipped(np.random.default_rng(seed))
        moved = np.argwhere(np.unpackbits(flipped.codes ^ before, axis=-1))
        assert len(moved) == 1
        member, _, bit = moved[0]
        assert bit < cipher.bits[member]
        places.add((int(member), int(bit)))
    np.testing.assert_array_equal(cipher.codes, before)
    assert {place[0] for place in places} == {0, 1}
    assert len(places) == 27  # every bit of every length


def test_a_code_that_networks_agreed_on_has_no_key() -> None:
    plain = Substitution([32])
    cipher = CodebookCipher(plain.codes, plain.bits, plain.decoded)
    assert not cipher.rekeys
    for ask in (cipher.with_fresh_key, cipher.with_key_bit_flipped):
        with pytest.raises(NotImplementedError):
            ask(np.random.default_rng(0))
    assert plain.rekeys


def test_features_are_the_bits_and_the_members_id() -> None:
    cipher = Substitution([8, 16])
    sealed = cipher.encrypt(text(30), np.random.default_rng(0))
    features = cipher.extract_features(sealed)
    assert features.shape == (30, 16 + 2)
    for row, code, member in zip(features, sealed.codes, sealed.members, strict=True):
        bits = "".join(f"{byte:08b}" for byte in code)
        assert row[:16].tolist() == [1.0 if bit == "1" else -1.0 for bit in bits]
        assert row[16:].tolist() == [float(member == 0), float(member == 1)]


def test_changed_bits_counts_meant_bits_only() -> None:
    cipher = Substitution([12])
    sealed = cipher.encrypt(text(10), np.random.default_rng(0))
    codes = sealed.codes.copy()
    codes[2, 0] ^= 0b101
    assert cipher.measure_changed_bits(sealed, replace(sealed, codes=codes)) == pytest.approx(2 / 120)
    assert cipher.measure_changed_bits(sealed, sealed) == 0


def test_bytes_per_character_count_codes_and_published_ids() -> None:
    rng = np.random.default_rng(0)
    assert Substitution([9]).bytes_per_character(text(100), rng) == 2
    assert Substitution([16, 16]).bytes_per_character(text(100), rng) == 3
