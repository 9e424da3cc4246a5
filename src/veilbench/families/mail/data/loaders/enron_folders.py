"""Enron-Spam as published: folders `ham` and `spam` of text files (Metsis, Androutsopoulos, Paliouras 2006)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.loaders.decoding import MOST_BYTES, Decoder, existing, mail_files
from veilbench.families.mail.data.loaders.labels import FOLDERS
from veilbench.families.mail.data.raw_mails import RawMails


class EnronFolders:
    """Reads all files in folders called `ham` or `spam`; the parent folder of these is the topic.

    Args:
        path: folder that is searched recursively.
        most_bytes: maximum number of bytes per mail; the rest is dropped.
    """

    def __init__(self, path: str, most_bytes: Annotated[int, Ge(1)] = MOST_BYTES) -> None:
        self.path, self.most_bytes = path, most_bytes

    def read(self, rng: np.random.Generator) -> RawMails:
        """Read all mails in the order of their paths.

        Raises:
            UserError: there is no such folder, or it contains no mails.
        """
        root, decoder = existing(self.path, folder=True), Decoder(self.most_bytes)
        paths = sorted(p for p in root.rglob("*") if p.parent.name.lower() in FOLDERS and p.is_file())
        if not paths:
            raise UserError(f"source.path={self.path} holds no files in folders called ham or spam")
        parents = sorted({path.parent.parent for path in paths})
        texts, labels, topics = [], [], []
        for path, content, _ in mail_files(paths, decoder):
            texts.append(decoder.text(content))
            labels.append(FOLDERS[path.parent.name.lower()])
            topics.append(parents.index(path.parent.parent))
        return RawMails.read(texts, labels, decoder.notes(), topics)
