"""Loader of folders of .eml and mbox files, as stored by mail programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veilbench.families.mail.data.loaders.decoding import Decoder, read_mail_files
from veilbench.families.mail.data.loaders.labels import FOLDERS
from veilbench.families.mail.data.loaders.mail_loader import LabelledMail, MailLoader
from veilbench.families.mail.data.loaders.mail_parts import extract_text


class MailFolder(MailLoader):
    """Reads .eml and mbox files; the label is the first `ham` or `spam` in the file's path below the folder.

    For example, `spam/1.eml`, `2024/ham/a.eml`, `ham.mbox` and `spam` (an mbox without a suffix) are labelled. Files
    without such a name are counted and skipped.

    Args:
        path: folder that is searched recursively.
        most_bytes: maximum number of bytes per mail; the rest is dropped.
    """

    is_folder = True
    content = "mails under the names ham or spam"

    def find(self, path: Path, decoder: Decoder) -> Iterator[LabelledMail]:
        """Yield all mails in the order of their paths."""
        files = sorted(file for file in path.rglob("*") if file.is_file())
        for file, content, detected in read_mail_files(files, decoder):
            if (label := _find_label(file.relative_to(path))) is None:
                decoder.problems["files left out: neither ham nor spam is in their path"] += 1
                continue
            for raw in split_mails(content):
                yield LabelledMail(extract_text(raw, decoder, detected), label)


def _find_label(path: Path) -> int | None:
    names = [part.lower() for part in (*path.parts[:-1], path.stem)]
    return next((FOLDERS[name] for name in names if name in FOLDERS), None)


def split_mails(content: bytes) -> Iterator[bytes]:
    """Yield the mails of an mbox file (RFC 4155: a mail starts after a line `From ...`), or any other file whole."""
    if not content.startswith(b"From "):
        yield content
        return
    for piece in (b"\n" + content.replace(b"\r\n", b"\n")).split(b"\nFrom ")[1:]:
        yield piece.partition(b"\n")[2].replace(b"\n>From ", b"\nFrom ")
