"""Robust decoding of bytes to text, with counts of the problems found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from veilbench.families.mail.data.loaders.charsets import detect_codec, find_codecs

MOST_BYTES = 1_000_000  # default maximum per mail; longer mails usually have attachments at the end
LOST = "\N{REPLACEMENT CHARACTER}"
NO_TEXT = {  # first bytes of binary files that are often stored with mails
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

    Attributes:
        problems: number of occurrences of each problem, by its description.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes, self.problems = most_bytes, Counter[str]()

    def truncate(self, raw: bytes) -> bytes:
        """Truncate a mail to `most_bytes`."""
        if len(raw) > self.most_bytes:
            self.problems[f"mails cut to their first {self.most_bytes:,} bytes"] += 1
        return raw[: self.most_bytes]

    def decode(self, raw: bytes, charset: str | None = None) -> str:
        """Decode bytes by their byte order mark if there is one, otherwise by the declared charset, otherwise as UTF-8.

        If none of these decodes all bytes, the text gets replacement characters. If there were too many of these, it is
        decoded as Windows-1252 instead.

        Args:
            raw: bytes of the mail or file.
            charset: declared charset; None if there is none.
        """
        cut = self.truncate(raw)
        mark = detect_codec(cut)
        claimed = (mark,) if mark else find_codecs(charset) if charset else ()
        if charset and not claimed:
            self.problems["parts that name an unknown charset"] += 1
        names = (*claimed, "utf-8")
        for name in names:
            try:
                return self._remove_zeros(cut.decode(name))
            except UnicodeDecodeError as error:
                if len(cut) < len(raw) and error.start > len(cut) - 4:  # truncated within a character
                    return self._remove_zeros(cut[: error.start].decode(name))
        for name in names:
            text = cut.decode(name, errors="replace")
            non_ascii = sum(character > "\x7f" for character in text)
            if non_ascii > 10 * (lost := text.count(LOST)):  # otherwise the charset is probably wrong
                self.problems["characters lost that their charset does not have"] += lost
                return self._remove_zeros(text)
        self.problems["parts that are not what their charset says, read as Windows-1252"] += 1
        return self._remove_zeros(cut.decode("cp1252", errors="replace"))

    def _remove_zeros(self, text: str) -> str:
        """Remove zeros, which would split words."""
        if "\0" not in text:
            return text
        self.problems["zeros left out of texts"] += text.count("\0")
        return text.replace("\0", "")

    def to_utf8(self, raw: bytes) -> tuple[bytes, bool]:
        """Convert a file to UTF-8 without a byte order mark if its encoding can be detected.

        Returns:
            The content, and whether its encoding was detected.
        """
        if (codec := detect_codec(raw)) is None:
            return raw, False
        if codec != "utf-8-sig":
            self.problems["files in UTF-16 or UTF-32"] += 1
        return raw.decode(codec, errors="replace").encode("utf8", "replace"), True

    def truncate_text(self, text: str) -> str:
        """Truncate decoded text to `most_bytes` in UTF-8; characters that UTF-8 cannot encode become question marks."""
        return self.decode(text.encode("utf8", "replace"))

    def notes(self) -> list[str]:
        """Return the problems found, with counts."""
        return [f"{count:,} {what}" for what, count in sorted(self.problems.items())]


def number_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the non-blank lines with their numbers in the file, from 1."""
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def detect_binary(content: bytes) -> str | None:
    """Detect binary files by their first bytes; return a name of the kind, such as ".zip", or None for other files."""
    return next((kind for begin, kind in NO_TEXT.items() if content.startswith(begin)), None)


def read_mail_files(files: Iterable[Path], decoder: Decoder) -> Iterator[tuple[Path, bytes, bool]]:
    """Read the files that may be mails; hidden and binary files are skipped and counted as problems.

    Yields:
        The path, the content as UTF-8, and whether its encoding was detected.
    """
    for path in files:
        content = path.read_bytes()
        if path.name.startswith("."):
            decoder.problems["files left out whose names begin with a dot"] += 1
        elif kind := detect_binary(content):
            decoder.problems[f"files left out that are no text: {kind}"] += 1
        else:
            yield path, *decoder.to_utf8(content)
