"""Loader of folders of .eml and mbox files, as stored by mail programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.loaders.decoding import MOST_BYTES, Decoder, existing, mail_files
from veilbench.families.mail.data.loaders.labels import FOLDERS
from veilbench.families.mail.data.loaders.mail_parts import text_of
from veilbench.families.mail.data.raw_mails import RawMails


class MailFolder:
    """Reads .eml and mbox files; the label is the first `ham` or `spam` in the file's path below the folder.

    For example, `spam/1.eml`, `2024/ham/a.eml`, `ham.mbox` and `spam` (an mbox without a suffix) are labelled. Files
    without such a name are counted and skipped.

    Args:
        path: folder that is searched recursively.
        most_bytes: maximum number of bytes per mail; the rest is dropped.
    """

    def __init__(self, path: str, most_bytes: Annotated[int, Ge(1)] = MOST_BYTES) -> None:
        self.path, self.most_bytes = path, most_bytes

    def read(self, rng: np.random.Generator) -> RawMails:
        """Read all mails in the order of their paths.

        Raises:
            UserError: there is no such folder, or it contains no labelled mails.
        """
        root, decoder = existing(self.path, folder=True), Decoder(self.most_bytes)
        texts: list[str] = []
        labels: list[int] = []
        for path, content, marked in mail_files(sorted(p for p in root.rglob("*") if p.is_file()), decoder):
            if (label := _label(path.relative_to(root))) is None:
                decoder.met["files left out: neither ham nor spam is in their path"] += 1
                continue
            for raw in mails_in(content):
                texts.append(text_of(raw, decoder, marked))
                labels.append(label)
        if not texts:
            raise UserError(f"source.path={self.path} holds no mails under the names ham or spam")
        return RawMails.read(texts, labels, decoder.notes())


def _label(path: Path) -> int | None:
    names = [part.lower() for part in (*path.parts[:-1], path.stem)]
    return next((FOLDERS[name] for name in names if name in FOLDERS), None)


def mails_in(content: bytes) -> Iterator[bytes]:
    """Yield the mails of an mbox file (RFC 4155: a mail starts after a line `From ...`), or any other file whole."""
    if not content.startswith(b"From "):
        yield content
        return
    for piece in (b"\n" + content.replace(b"\r\n", b"\n")).split(b"\nFrom ")[1:]:
        yield piece.partition(b"\n")[2].replace(b"\n>From ", b"\nFrom ")
