"""Bytes to text, whatever they claim to be, with a count of what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from veilbench.errors import UserError

MOST_BYTES = 1_000_000  # of one mail; what stands behind is attachments and chaff


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
        """Bytes in the charset that they claim, else UTF-8, else Windows-1252 with the odd byte lost."""
        cut = self.cut(raw)
        for name in filter(None, (charset, "utf-8")):
            try:
                return cut.decode(name)
            except UnicodeDecodeError as error:
                if len(cut) < len(raw) and error.start > len(cut) - 4:  # the cut fell into a character
                    return cut[: error.start].decode(name)
            except (LookupError, ValueError):  # a charset that nobody knows
                self.met["parts that name an unknown charset"] += 1
        self.met["parts that are not what their charset says, read as Windows-1252"] += 1
        return cut.decode("cp1252", errors="replace")

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
