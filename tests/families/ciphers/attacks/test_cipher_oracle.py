"""Exposures: nothing is handed out that the threat model does not grant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.threat import ThreatModel
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle, number_codes
from veilbench.families.ciphers.attacks.frequency import Frequency
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.plaintext import Plaintext
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Ciphertext
from veilbench.families.ciphers.schemes.codebook import CodebookCipher, draw_mapping

EVERYTHING = ThreatModel(**{field.name: True for field in fields(ThreatModel)})
SECRET, KNOWN, AUXILIARY = (np.arange(start, start + 40, dtype=np.uint8) for start in (0, 20, 40))
GETTERS: dict[str, Callable[[CipherOracle], Any]] = {
    "ciphertext": lambda oracle: oracle.ciphertext(),
    "known_pairs": lambda oracle: oracle.known(),
    "auxiliary_data": lambda oracle: oracle.auxiliary(),
    "encryption_queries": lambda oracle: oracle.encrypt(KNOWN),
}


def exposed(threat: ThreatModel, cipher: Any = None, seed: int = 0) -> CipherOracle:
    cipher = cipher or Substitution([8, 8, 8])
    return CipherOracle(threat, cipher, SECRET, AUXILIARY, np.random.default_rng(seed), [KNOWN])


def ciphertext(codes: list[list[int]], members: list[int], bits: list[int]) -> Ciphertext:
    return Ciphertext(np.array(codes, np.uint8), np.array(bits), np.array(members), b"", len(codes))


@pytest.mark.parametrize("flag", GETTERS)
def test_a_getter_answers_only_with_its_flag(flag: str) -> None:
    GETTERS[flag](exposed(EVERYTHING))
    nothing = ThreatModel(**{field.name: False for field in fields(ThreatModel)})
    GETTERS[flag](exposed(replace(nothing, **{flag: True})))
    with pytest.raises(UserError, match=f"does not grant {flag}"):
        GETTERS[flag](exposed(replace(EVERYTHING, **{flag: False})))


def test_what_is_handed_out_is_what_was_exposed() -> None:
    cipher = Substitution([8, 8, 8])
    oracle = exposed(EVERYTHING, cipher)
    (pair,) = oracle.known()
    np.testing.assert_array_equal(cipher.decrypt(oracle.ciphertext()), SECRET)
    np.testing.assert_array_equal(cipher.decrypt(pair.ciphertext), KNOWN)
    np.testing.assert_array_equal(pair.symbols, KNOWN)
    np.testing.assert_array_equal(oracle.auxiliary(), AUXILIARY)
    np.testing.assert_array_equal(cipher.decrypt(oracle.encrypt(AUXILIARY)), AUXILIARY)


def test_secret_ids_are_zeros_everywhere() -> None:
    open_one, secret_one = (exposed(replace(EVERYTHING, public_ids=ids)) for ids in (True, False))
    for get in (
        lambda oracle: oracle.ciphertext(),
        lambda oracle: oracle.known()[0].ciphertext,
        lambda oracle: oracle.encrypt(KNOWN),
    ):
        seen, hidden = get(open_one), get(secret_one)
        assert seen.members.any()
        assert hidden.members.shape == seen.members.shape
        assert not hidden.members.any()
        np.testing.assert_array_equal(hidden.codes, seen.codes)


def test_secret_ids_are_not_in_the_features_either() -> None:
    secret_one = exposed(replace(EVERYTHING, public_ids=False))
    features = secret_one.extract_features(secret_one.ciphertext())
    assert features.shape == (40, 8 + 1)
    assert set(features[:, 8]) == {1.0}


def test_the_secrets_nonce_is_reused_only_if_that_is_granted() -> None:
    cipher = AesCtr().with_fresh_key(np.random.default_rng(0))
    for reuse in (True, False):
        oracle = exposed(replace(EVERYTHING, nonce_reuse=reuse), cipher)
        answer = oracle.encrypt(SECRET)
        assert (answer.nonce == oracle.ciphertext().nonce) == reuse
        assert (answer.codes == oracle.ciphertext().codes).all() == reuse


def test_without_known_messages_there_are_no_pairs() -> None:
    assert CipherOracle(EVERYTHING, Substitution(), SECRET, AUXILIARY, np.random.default_rng(0)).known() == []


def test_equal_codes_of_one_member_are_one_token_across_ciphertexts() -> None:
    one = ciphertext([[1], [2], [1]], [0, 0, 0], [8, 8, 8])
    other = ciphertext([[2], [1], [3]], [0, 0, 0], [8, 8, 8])
    (first, second), groups = number_codes([one, other])
    assert first.tolist() == [first[0], first[1], first[0]]
    assert second[:2].tolist() == [first[1], first[0]]
    assert len({*first.tolist(), *second.tolist()}) == 3 == len(groups)
    assert len(set(groups.tolist())) == 1


def test_members_and_lengths_make_tokens_and_groups_of_their_own() -> None:
    sealed = ciphertext([[1], [1], [1], [2], [2]], [0, 1, 0, 0, 1], [8, 8, 7, 8, 8])
    (numbers,), groups = number_codes([sealed])
    assert len(set(numbers.tolist())) == 5
    group = groups[numbers]
    assert group[0] == group[3]
    assert group[1] == group[4]
    assert len(set(group.tolist())) == 3
    assert (groups >= 0).all()


@pytest.mark.parametrize(("distinct", "grouped"), [(91, True), (92, False)])
def test_a_group_of_more_codes_than_characters_is_none(distinct: int, grouped: bool) -> None:
    many = [[code] for code in range(distinct)]
    sealed = ciphertext([*many, [5]], [0] * distinct + [1], [8] * (distinct + 1))
    (numbers,), groups = number_codes([sealed])
    assert len(set(numbers.tolist())) == distinct + 1
    assert (groups[numbers[:distinct]] >= 0).all() == grouped
    assert (groups[numbers[:distinct]] == -1).all() == (not grouped)
    assert groups[numbers[-1]] >= 0


@pytest.mark.parametrize(("public", "members", "hidden"), [(True, 3, 0), (False, 3, 3), (False, 1, 0)])
def test_members_without_ids_are_counted_and_their_codes_have_no_group(public: bool, members: int, hidden: int) -> None:
    rng = np.random.default_rng(0)
    cipher = CodebookCipher.from_mappings([draw_mapping(32, rng) for _ in range(members)])
    oracle = exposed(replace(EVERYTHING, public_ids=public), cipher)
    assert oracle.hidden == hidden
    (numbers,), groups = number_codes([oracle.ciphertext()], oracle.hidden)
    assert (groups[numbers] == -1).all() == bool(hidden)


def test_members_with_lengths_of_their_own_need_no_ids() -> None:
    sealed = ciphertext([[1], [1], [2]], [0, 0, 0], [7, 8, 8])
    assert number_codes([sealed], 2)[1].tolist() == [0, 1, 1]
    assert number_codes([sealed], 3)[1].tolist() == [-1, -1, -1]


def test_a_short_text_of_hidden_members_is_read_as_several_codes_for_each_character(texts: Texts) -> None:
    """Fewer than 91 codes could be one code book; then no two of them were the same character."""
    rng, secret = np.random.default_rng(0), texts.target[:90]
    cipher = CodebookCipher.from_mappings([draw_mapping(32, rng) for _ in range(4)])
    oracle = CipherOracle(replace(EVERYTHING, public_ids=False), cipher, secret, texts.statistics, rng)
    attack = Frequency(oracle.threat, Substitution(), Plaintext(), lengths=[90], texts=2)
    guess = attack.guess(oracle, np.random.default_rng(0))
    codes = len(np.unique(oracle.ciphertext().codes, axis=0))
    assert codes < 91
    assert len(np.unique(guess)) < codes
