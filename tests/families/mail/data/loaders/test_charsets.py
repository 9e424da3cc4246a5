"""Names of charsets in mails: what browsers take them for."""

from __future__ import annotations

import codecs
import sys

import pytest

from veilbench.families.mail.data.loaders.charsets import ALIASES, CODECS, SUPERSETS, detect_codec, find_codecs
from veilbench.families.mail.data.loaders.decoding import Decoder

# A few rows of the table at https://encoding.spec.whatwg.org/#names-and-labels, by hand.
BROWSERS = [
    ("iso-8859-8-i", "iso8859-8", "שלום"),
    ("csISO88598I", "iso8859-8", "שלום"),
    ("logical", "iso8859-8", "שלום"),
    ("euc-kr", "cp949", "안녕 똠방각하"),
    ("ks_c_5601-1987", "cp949", "똠방각하"),
    ("KS_C_5601-1989", "cp949", "똠방각하"),
    ("windows-949", "cp949", "똠방각하"),
    ("gb2312", "gb18030", "朱镕基 漢字 €"),
    ("GB_2312-80", "gb18030", "朱镕基"),
    ("gbk", "gb18030", "㐀 €"),
    ("x-gbk", "gb18030", "漢字"),
    ("shift_jis", "cp932", "①髙﨑"),
    ("x-sjis", "cp932", "①髙﨑"),
    ("windows-31j", "cp932", "①"),
    ("big5", "big5hkscs", "啲嘢"),
    ("big5", "cp950", "裏碁銹恒╔"),
    ("cn-big5", "big5hkscs", "繁體"),
    ("iso-8859-1", "cp1252", "“curly” – €5"),
    ("iso88591", "cp1252", "“curly”"),
    ("latin1", "cp1252", "…"),
    ("iso-8859-9", "cp1254", "“ığ€”"),
    ("iso-8859-11", "cp874", "ไทย…"),
    ("tis-620", "cp874", "ไทย…“”"),
    ("windows-874", "cp874", "ไทย€"),
    ("unicode-1-1-utf-8", "utf-8", "é"),
    ("x-cp1251", "cp1251", "привет"),
    ("koi8-ru", "koi8-u", "їжак"),
    ("x-mac-cyrillic", "mac-cyrillic", "привет"),
    ("x-euc-jp", "euc_jp", "日本"),
    ("iso-2022-jp", "iso2022_jp", "日本"),
    ('"utf-8"', "utf-8", "é"),
]


@pytest.mark.parametrize(("charset", "codec", "text"), BROWSERS)
def test_a_charset_is_read_as_browsers_read_it(charset: str, codec: str, text: str) -> None:
    decoder = Decoder()
    assert decoder.decode(text.encode(codec), charset) == text
    assert decoder.notes() == []


def is_known(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def test_every_alias_is_one_that_some_python_lacks_and_every_codec_one_that_it_has() -> None:
    for codec in (*ALIASES, *SUPERSETS, *(name for names in SUPERSETS.values() for name in names)):
        assert find_codecs(codec)
        codecs.lookup(codec)
    assert len(CODECS) == sum(len(names.split()) for names in ALIASES.values())  # no name in two rows
    known = {name for name in CODECS if is_known(name)}
    assert sys.version_info >= (3, 14) or known <= {"windows-31j"}  # since Python 3.13; 3.14 knows many
    assert all(CODECS[name] == find_codecs(codecs.lookup(name).name)[0] for name in known)


@pytest.mark.parametrize("codec", [codec for codec in SUPERSETS if not codec.startswith("big5")])
def test_a_superset_reads_the_letters_that_the_charset_itself_reads(codec: str) -> None:
    """Of Big5, Python's own codec and the table of browsers differ in what later makers added."""
    read = 0
    for letter in filter(str.isalpha, map(chr, range(0xA0, 0x10000))):
        try:
            raw = letter.encode(codec)
        except UnicodeEncodeError:
            continue
        if len(raw) <= 2 or codec not in ("euc_kr", "euc_jp"):  # Python's euc_kr also joins letters out of their parts
            read += 1
            assert raw.decode(SUPERSETS[codec][0]) == letter
    assert read > 50


@pytest.mark.parametrize("charset", ["", "nonesuch", "rot13", "hex", "unicode_escape", "punycode", "idna", "a\0b", "é"])
def test_what_is_no_charset_is_none(charset: str) -> None:
    assert find_codecs(charset) == ()


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_mark_says_more_than_the_charset_that_is_named(codec: str) -> None:
    text = "words, größer 中文"
    for charset in (None, "iso-8859-1", "us-ascii"):
        decoder = Decoder()
        assert decoder.decode(text.encode(codec), charset) == text
        assert decoder.notes() == []


def test_plain_bytes_have_no_mark() -> None:
    for raw in (b"", b"a", b"words", "größer".encode(), "中文".encode("gb18030"), b"\xff\xd8\xff"):
        assert detect_codec(raw) is None


def test_one_odd_byte_does_not_make_another_language_of_a_text() -> None:
    for text, charset in (("안녕하세요 여러분 반갑습니다", "euc-kr"), ("привет всем, кто это читает", "utf-8")):
        raw = text.encode(charset)
        decoder = Decoder()
        read = decoder.decode(raw[:6] + b"\xff" + raw[6:], charset)
        assert read.replace("\N{REPLACEMENT CHARACTER}", "") == text
        assert decoder.notes() == ["1 characters lost that their charset does not have"]


def test_latin_letters_that_are_no_utf8_are_read_as_windows_1252() -> None:
    decoder = Decoder()
    assert decoder.decode("Grüße aus Köln – für 5 €".encode("cp1252"), "utf-8") == "Grüße aus Köln – für 5 €"
    assert decoder.notes() == ["1 parts that are not what their charset says, read as Windows-1252"]


def test_zeros_are_left_out_and_noted() -> None:
    decoder = Decoder()
    assert decoder.decode(b"cheap via\0gr\0a now") == "cheap viagra now"
    assert decoder.notes() == ["2 zeros left out of texts"]
