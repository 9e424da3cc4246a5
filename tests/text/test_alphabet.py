"""The alphabet: symbols against `ord`, the inverse, and what is refused."""

from __future__ import annotations

import string

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.text import alphabet

CHARACTERS = [chr(point) for point in range(32, 123)]


def test_every_character_has_the_symbol_of_its_place() -> None:
    assert len(CHARACTERS) == alphabet.SIZE
    assert alphabet.encode("".join(CHARACTERS)).tolist() == list(range(91))


def test_symbols_are_bytes() -> None:
    assert alphabet.encode("az").dtype == np.uint8


def test_text_is_the_inverse_for_every_symbol_and_type() -> None:
    for kind in (np.uint8, np.int64):
        assert alphabet.decode(np.arange(91, dtype=kind)) == "".join(CHARACTERS)


def test_the_empty_text_has_no_symbols() -> None:
    assert alphabet.encode("").shape == (0,)
    assert alphabet.decode(np.empty(0, np.uint8)) == ""


@pytest.mark.parametrize("stranger", ["\x1f", "{", "\n", "é", "\U0001f600", "\x00"])
def test_the_first_stranger_is_named_with_its_place(stranger: str) -> None:
    with pytest.raises(UserError) as refused:
        alphabet.encode(f"ab{stranger}c~")
    message = str(refused.value)
    assert repr(stranger) in message
    assert "position 2" in message
    assert "chr(32) to chr(122)" in message
    assert "\n" not in message


def test_normalise_joins_white_space_and_drops_strangers() -> None:
    assert alphabet.normalise("  one\t\n two{}|~é three\r\n") == "one two three"


def test_normalise_keeps_the_whole_alphabet() -> None:
    kept = "".join(CHARACTERS[1:])
    assert alphabet.normalise(kept) == kept


def test_normalised_text_always_has_symbols() -> None:
    everything = "".join(map(chr, range(0x300))) + string.printable
    plain = alphabet.normalise(everything)
    assert set(plain) == set(CHARACTERS)
    assert len(alphabet.encode(plain)) == len(plain)
