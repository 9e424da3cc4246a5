"""Bytes to text, whatever they claim to be, with a count of what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.loaders.charsets import codecs_of, marked

MOST_BYTES = 1_000_000  # of one mail; what stands behind is attachments and chaff
LOST = "\N{REPLACEMENT CHARACTER}"
NO_TEXT = {  # how files begin that mail programs and people leave beside mails
    b"\xd0\xcf\x11\xe0": ".msg",
    b"PK\x03\x04": ".zip",
    b"\x1f\x8b": ".gz",
    b"!BDN": ".pst",
    b"%PDF": ".pdf",
    b"SQLite format 3": "a data base",
}


class Decoder:
    """Decodes mails one after the other and remembers what it met.

    Args:
        most_bytes: a mail's bytes beyond these are left out.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes, self.met = most_bytes, Counter[str]()

    def cut(self, raw: bytes) -> bytes:
        """The beginning of a mail."""
        if len(raw) > self.most_bytes:
            self.met[f"mails cut to their first {self.most_bytes:,} bytes"] += 1
        return raw[: self.most_bytes]

    def text(self, raw: bytes, charset: str | None = None) -> str:
        """Bytes as their byte order mark says, else in the charset that they claim or its superset, else in UTF-8.

        What none of these can read is read with some characters lost, where nearly all are right, or as Windows-1252.
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
                if len(cut) < len(raw) and error.start > len(cut) - 4:  # the cut fell into a character
                    return self._whole(cut[: error.start].decode(name))
        for name in names:
            read = cut.decode(name, errors="replace")
            strange = sum(character > "\x7f" for character in read)
            if strange > 10 * (lost := read.count(LOST)):  # Latin letters that are no UTF-8 would nearly all be lost
                self.met["characters lost that their charset does not have"] += lost
                return self._whole(read)
        self.met["parts that are not what their charset says, read as Windows-1252"] += 1
        return self._whole(cut.decode("cp1252", errors="replace"))

    def _whole(self, text: str) -> str:
        """Text without zeros, which would cut words in two."""
        if "\0" not in text:
            return text
        self.met["zeros left out of texts"] += text.count("\0")
        return text.replace("\0", "")

    def utf8(self, raw: bytes) -> tuple[bytes, bool]:
        """A file as UTF-8 without a mark, and whether its mark, or its zeros, have said what it was."""
        if (codec := marked(raw)) is None:
            return raw, False
        if codec != "utf-8-sig":
            self.met["files in UTF-16 or UTF-32"] += 1
        return raw.decode(codec, errors="replace").encode("utf8", "replace"), True

    def again(self, text: str) -> str:
        """Text that something else has decoded, cut as bytes are; what UTF-8 cannot say becomes question marks."""
        return self.text(text.encode("utf8", "replace"))

    def notes(self) -> list[str]:
        """What was met, with counts."""
        return [f"{count:,} {what}" for what, count in sorted(self.met.items())]


def numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that hold something, each with its number in the file."""
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def existing(path: str, folder: bool) -> Path:
    """The path, if there is such a folder or file.

    Raises:
        UserError: there is none.
    """
    found = Path(path)
    if not (found.is_dir() if folder else found.is_file()):
        raise UserError(f"source.path={path} is not {'a folder' if folder else 'a file'}")
    return found


def no_text(content: bytes) -> str | None:
    """What a file is that is no text; None for all others."""
    return next((kind for begin, kind in NO_TEXT.items() if content.startswith(begin)), None)


def mail_files(files: Iterable[Path], decoder: Decoder) -> Iterator[tuple[Path, bytes, bool]]:
    """Path, content as `Decoder.utf8` gives it, and its mark's word, of files that may be mails; others are counted."""
    for path in files:
        content = path.read_bytes()
        if path.name.startswith("."):
            decoder.met["files left out whose names begin with a dot"] += 1
        elif kind := no_text(content):
            decoder.met[f"files left out that are no text: {kind}"] += 1
        else:
            yield path, *decoder.utf8(content)
