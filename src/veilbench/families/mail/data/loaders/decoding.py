"""Robust decoding of bytes to text, with counts of the problems found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from veilbench.families.mail.data.loaders.charsets import codecs_of, marked

MOST_BYTES = 1_000_000  # of one mail; what follows is usually attachments
LOST = "\N{REPLACEMENT CHARACTER}"
NO_TEXT = {  # first bytes of other files that are often stored with mails
    b"\xd0\xcf\x11\xe0": ".msg",
    b"PK\x03\x04": ".zip",
    b"\x1f\x8b": ".gz",
    b"!BDN": ".pst",
    b"%PDF": ".pdf",
    b"SQLite format 3": "a data base",
}


class Decoder:
    """Decodes mails and counts the problems that it finds.

    Args:
        most_bytes: maximum number of bytes per mail; the rest is dropped.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes, self.met = most_bytes, Counter[str]()

    def cut(self, raw: bytes) -> bytes:
        """Truncate a mail to `most_bytes`."""
        if len(raw) > self.most_bytes:
            self.met[f"mails cut to their first {self.most_bytes:,} bytes"] += 1
        return raw[: self.most_bytes]

    def text(self, raw: bytes, charset: str | None = None) -> str:
        """Decode bytes by their byte order mark, otherwise in the declared charset or a superset, otherwise as UTF-8.

        If all of these fail, the text is decoded with replacement characters if few are needed, otherwise as
        Windows-1252.

        Args:
            raw: bytes to decode.
            charset: declared charset; None if there is none.
        """
        cut = self.cut(raw)
        mark = marked(cut)
        claimed = (mark,) if mark else codecs_of(charset) if charset else ()
        if charset and not claimed:
            self.met["parts that name an unknown charset"] += 1
        names = (*claimed, "utf-8")
        for name in names:
            try:
                return self._whole(cut.decode(name))
            except UnicodeDecodeError as error:
                if len(cut) < len(raw) and error.start > len(cut) - 4:  # truncated within a character
                    return self._whole(cut[: error.start].decode(name))
        for name in names:
            read = cut.decode(name, errors="replace")
            strange = sum(character > "\x7f" for character in read)
            if strange > 10 * (lost := read.count(LOST)):  # Latin letters in another charset would be lost
                self.met["characters lost that their charset does not have"] += lost
                return self._whole(read)
        self.met["parts that are not what their charset says, read as Windows-1252"] += 1
        return self._whole(cut.decode("cp1252", errors="replace"))

    def _whole(self, text: str) -> str:
        """Remove zeros, which would split words."""
        if "\0" not in text:
            return text
        self.met["zeros left out of texts"] += text.count("\0")
        return text.replace("\0", "")

    def utf8(self, raw: bytes) -> tuple[bytes, bool]:
        """Convert a file to UTF-8 without a byte order mark; also return whether its encoding was detected."""
        if (codec := marked(raw)) is None:
            return raw, False
        if codec != "utf-8-sig":
            self.met["files in UTF-16 or UTF-32"] += 1
        return raw.decode(codec, errors="replace").encode("utf8", "replace"), True

    def again(self, text: str) -> str:
        """Truncate text that was already decoded; characters that UTF-8 cannot encode become question marks."""
        return self.text(text.encode("utf8", "replace"))

    def notes(self) -> list[str]:
        """Return the problems found, with counts."""
        return [f"{count:,} {what}" for what, count in sorted(self.met.items())]


def numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the non-blank lines with their numbers in the file, from 1."""
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def no_text(content: bytes) -> str | None:
    """Return the kind of a known non-text file; None for all others."""
    return next((kind for begin, kind in NO_TEXT.items() if content.startswith(begin)), None)


def mail_files(files: Iterable[Path], decoder: Decoder) -> Iterator[tuple[Path, bytes, bool]]:
    """Yield the files that may be mails; others are counted as problems.

    Yields:
        The path, the content as UTF-8, and whether its encoding was detected.
    """
    for path in files:
        content = path.read_bytes()
        if path.name.startswith("."):
            decoder.met["files left out whose names begin with a dot"] += 1
        elif kind := no_text(content):
            decoder.met[f"files left out that are no text: {kind}"] += 1
        else:
            yield path, *decoder.utf8(content)
