from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.tokeniser import Tokeniser, encode_mails, read_public_text, split_words
from veilbench.families.mail.data.vocabulary import (
    FIRST_WORD,
    PAD,
    UNKNOWN,
    Vocabulary,
    hash_word,
    pack_words,
    unpack_words,
)

MAILS = [["hello", "bob", "bob"], ["hello", "world"], ["zebra"]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ["hello", "world", "!"]),
        ("I don't owe £1,234.50; 5% of it?", ["i", "don't", "owe", "£", "1,234.50", "5", "%", "of", "it"]),
        ("naïve Straße мир 日本", ["naïve", "straße", "мир", "日本"]),
        ("a_b x2y", ["a", "b", "x", "2", "y"]),
        ("", []),
        ("\0\n ... ---", []),
        ("x" * 40 + " " + "y" * 41, ["x" * 40]),
    ],
)
def test_words_are_what_the_rule_says(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("这是广告", ["这是", "是广", "广告"]),
        ("日本語のメール。", ["日本", "本語", "語の", "のメ", "メー", "ール"]),
        ("我", ["我"]),
        ("FREE手机now", ["free", "手机", "now"]),
        ("ไม่ได้มา", ["ไม่", "ม่ไ", "ได้", "ด้ม", "มา"]),  # vowels and tones stay with their letter
        ("안녕 여러분", ["안녕", "여러분"]),  # Korean has blanks
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("cafe\u0301 café", ["café", "café"]),
        ("l’été 中文 it's", ["l’été", "中文", "it's"]),
        ("ℹ\ufe0f ok", ["ℹ", "ok"]),
        ("中文" * 30, ["中文", "文中"] * 29 + ["中文"]),
    ],
)
def test_scripts_without_blanks_are_cut_into_pairs_of_characters(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.slow
def test_words_of_latin_text_are_those_of_one_regular_expression() -> None:
    token = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,]\d+)*|[!$£€%]")
    for text in [
        *read_public_text(),
        "Zoë’s café costs £5.50, ça va? naïve_snake 10,000€ \ufb01ne Straße ПРИВЕТ, мир 100%!",
    ]:
        assert split_words(text) == [word for word in token.findall(text.lower()) if len(word) <= 40]


def test_rows_are_cut_and_padded() -> None:
    vocabulary = Vocabulary(["hello", "bob"])
    rows = encode_mails([["hello", "nobody", "bob", "bob"], [], ["bob"]], vocabulary, 3)
    assert rows.tolist() == [[2, UNKNOWN, 3], [PAD] * 3, [3, PAD, PAD]]
    assert rows.dtype == np.int32


def test_a_clients_vocabulary_is_the_commonest_words_and_thereby_leaks_the_rare_ones() -> None:
    assert Tokeniser("clients").fit(MAILS).words == ["bob", "hello", "world", "zebra"]
    assert Tokeniser("clients", most_words=2).fit(MAILS).words == ["bob", "hello"]


def test_public_and_hashed_vocabularies_do_not_depend_on_the_mails(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("the the cat")
    public = Tokeniser("public", word_list=str(tmp_path / "list.txt"))
    assert public.fit(MAILS).words == public.fit([]).words == ["the", "cat"]
    assert Tokeniser("hashed").fit(MAILS) == Tokeniser("hashed").fit([])


def test_pythons_documentation_is_the_public_text_by_default() -> None:
    words = Tokeniser("public", most_words=3_000).fit([]).words
    assert len(words) == 3_000
    assert words[0] == "the"
    assert {"function", "object"} <= set(words[:200])


def test_buckets_are_those_of_blake2b_in_every_process() -> None:
    wanted = FIRST_WORD + int.from_bytes(hashlib.blake2b(b"zebra", digest_size=8).digest(), "big") % 1000
    assert hash_word("zebra", 1000) == wanted
    code = "from veilbench.families.mail.data.vocabulary import hash_word; print(hash_word('zebra', 1000))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == wanted


def test_hashed_numbers_fill_the_buckets_evenly() -> None:
    numbers = Vocabulary([], 10).to_numbers([f"word{i}" for i in range(10_000)])
    counts = np.bincount(numbers, minlength=12)
    assert counts[:FIRST_WORD].sum() == 0
    assert ((counts[FIRST_WORD:] - 1_000) ** 2 / 1_000).sum() < 27.9  # chi-square, 9 degrees, 0.1 %


@pytest.mark.parametrize("vocabulary", [Vocabulary(["a", "éß", "日本"]), Vocabulary([], 7)])
def test_a_vocabulary_survives_being_arrays(vocabulary: Vocabulary) -> None:
    back = Vocabulary.from_arrays(vocabulary.arrays())
    assert back == vocabulary
    assert back.to_numbers(["日本", "?"]) == vocabulary.to_numbers(["日本", "?"])
    assert back.size == vocabulary.size


def test_packing_keeps_words() -> None:
    assert unpack_words(pack_words(["a", "", "ü"])) == ["a", "", "ü"]
    assert unpack_words(pack_words([])) == []


def test_bad_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="word_list=x is for vocabulary=public"):
        Tokeniser("hashed", word_list="x")
    with pytest.raises(UserError, match=r"word_list=.*none cannot be read: No such file"):
        Tokeniser("public", word_list=str(tmp_path / "none")).fit([])
    with pytest.raises(UserError, match="the vocabulary clients is empty"):
        Tokeniser("clients").fit([[]])
    with pytest.raises(ValueError, match="words or buckets"):
        Vocabulary([])
