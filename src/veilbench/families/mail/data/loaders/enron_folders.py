"""Enron-Spam as published: folders `ham` and `spam` of text files (Metsis, Androutsopoulos, Paliouras 2006)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veilbench.families.mail.data.loaders.decoding import Decoder, read_mail_files
from veilbench.families.mail.data.loaders.labels import FOLDERS
from veilbench.families.mail.data.loaders.mail_loader import LabelledMail, MailLoader


class EnronFolders(MailLoader):
    """Reads all files in folders called `ham` or `spam`; the parent folder of these is the topic.

    Args:
        path: folder that is searched recursively.
        most_bytes: maximum number of bytes per mail; the rest is dropped.
    """

    is_folder = True
    content = "files in folders called ham or spam"

    def find(self, path: Path, decoder: Decoder) -> Iterator[LabelledMail]:
        """Yield all mails in the order of their paths."""
        files = sorted(file for file in path.rglob("*") if file.parent.name.lower() in FOLDERS and file.is_file())
        topics = sorted({file.parent.parent for file in files})
        for file, content, _ in read_mail_files(files, decoder):
            label = FOLDERS[file.parent.name.lower()]
            yield LabelledMail(decoder.decode(content), label, topics.index(file.parent.parent))
