"""Mapping from charset names in mails to Python codecs.

The mapping follows the Encoding Standard of web browsers (https://encoding.spec.whatwg.org/#names-and-labels). Programs
often declare a charset but use characters of a superset, so the superset's codec is used. Python knows most names; this
module adds the missing ones.
"""

from __future__ import annotations

import codecs

# Names that Python does not know, by codec.
ALIASES = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8",
    "utf-16": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff",
    "utf-16-be": "unicodefffe",
    "cp1250": "x-cp1250",
    "cp1251": "x-cp1251",
    "cp1252": "x-cp1252 iso88591",
    "cp1253": "x-cp1253",
    "cp1254": "x-cp1254 iso88599",
    "cp1255": "x-cp1255",
    "cp1256": "x-cp1256",
    "cp1257": "x-cp1257",
    "cp1258": "x-cp1258",
    "cp874": "dos-874 windows-874 iso885911",
    "iso8859-2": "iso88592",
    "iso8859-3": "iso88593",
    "iso8859-4": "iso88594",
    "iso8859-5": "iso88595",
    "iso8859-6": "iso88596 csiso88596e csiso88596i iso-8859-6-e iso-8859-6-i",
    "iso8859-7": "iso88597 sun_eu_greek",
    "iso8859-8": "iso88598 csiso88598e csiso88598i iso-8859-8-e iso-8859-8-i visual logical",
    "iso8859-10": "iso885910",
    "iso8859-13": "iso885913",
    "iso8859-14": "iso885914",
    "iso8859-15": "iso885915 csisolatin9",
    "koi8-r": "koi koi8",
    "koi8-u": "koi8-ru",
    "mac-roman": "csmacintosh mac x-mac-roman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": "csgb2312 gb_2312 gb_2312-80 x-gbk",
    "big5hkscs": "cn-big5 x-x-big5",
    "cp949": "cseuckr csksc56011987 iso-ir-149 ks_c_5601-1989 ksc_5601 windows-949",
    "cp932": "windows-31j x-sjis",
    "euc_jp": "cseucpkdfmtjapanese x-euc-jp",
}
CODECS = {name: codec for codec, names in ALIASES.items() for name in names.split()}

# Supersets of charsets, by codec. The first one that decodes a text without an error is used.
SUPERSETS = {
    "iso8859-1": ("cp1252",),
    "iso8859-9": ("cp1254",),
    "iso8859-11": ("cp874",),
    "tis-620": ("cp874",),
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "big5": ("big5hkscs", "cp950"),
    "big5hkscs": ("big5hkscs", "cp950"),
    "euc_kr": ("cp949",),
    "shift_jis": ("cp932", "shift_jis_2004"),
    "cp932": ("cp932", "shift_jis_2004"),
    "euc_jp": ("euc_jp", "euc_jis_2004"),
    "iso2022_jp": ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2004"),
}
# Python codecs that are not charsets of mails.
NONE = ("idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}


def find_codecs(charset: str) -> tuple[str, ...]:
    """Return the codecs to try for a charset, best first; empty if the charset is unknown."""
    name = charset.strip().strip("'\"").lower()
    try:
        codec = codecs.lookup(CODECS.get(name, name)).name
        "".encode(codec)  # raises a LookupError for codecs that do not convert text
    except (LookupError, UnicodeError, ValueError):  # a name with NUL raises ValueError
        return ()
    if codec.replace("_", "-") in NONE:
        return ()
    return tuple(dict.fromkeys((*SUPERSETS.get(codec, ()), codec)))


def detect_codec(raw: bytes) -> str | None:
    """Detect the codec by a byte order mark, or by the zeros of ASCII text in UTF-16; None if there is neither."""
    for mark, codec in MARKS.items():
        if raw.startswith(mark) and (codec != "utf-32" or len(raw) % 4 == 0):
            return codec
    if len(raw) >= 4 and 0 not in (raw[0], raw[2]) and raw[1] == raw[3] == 0:
        return "utf-16-le"
    if len(raw) >= 4 and 0 not in (raw[1], raw[3]) and raw[0] == raw[2] == 0:
        return "utf-16-be"
    return None
