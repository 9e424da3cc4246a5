"""Loader of JSON Lines files, plain or gzipped."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count
from veilbench.families.mail.data.loaders.charsets import detect_codec
from veilbench.families.mail.data.loaders.decoding import MOST_BYTES, Decoder, number_lines
from veilbench.families.mail.data.loaders.labels import parse_label
from veilbench.families.mail.data.loaders.mail_loader import LabelledMail, MailLoader


class MailJsonl(MailLoader):
    """Reads lines `{"text": ..., "label": 0, 1, "ham" or "spam", "set": ...}`; the optional set is the topic.

    Args:
        path: path of a .jsonl or .jsonl.gz file.
        text: key of the text.
        label: key of the label.
        topic: key of the topic; lines without it share one topic.
        most_bytes: maximum number of bytes per mail; the rest is dropped.
    """

    def __init__(
        self,
        path: str,
        text: str = "text",
        label: str = "label",
        topic: str = "set",
        most_bytes: Count = MOST_BYTES,
    ) -> None:
        super().__init__(path, most_bytes)
        self.text, self.label, self.topic = text, label, topic

    def find(self, path: Path, decoder: Decoder) -> Iterator[LabelledMail]:
        """Yield all mails in the order of the lines.

        Raises:
            UserError: a line is not an object or lacks a key; the message contains its number.
        """
        topics = dict[str, int]()
        for number, line in number_lines(_lines(path)):
            entry = self._entry(line, number)
            label = parse_label(entry[self.label], f"{self.path}, line {number}")
            topic = topics.setdefault(str(entry.get(self.topic, "")), len(topics))
            yield LabelledMail(decoder.truncate_text(str(entry[self.text])), label, topic)

    def _entry(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise UserError(f"{self.path}, line {number} is not JSON: {error}") from error
        if not isinstance(entry, dict) or {self.text, self.label} - entry.keys():
            raise UserError(f"{self.path}, line {number} is not an object with the keys {self.text} and {self.label}")
        return entry


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            first = file.readline()
            if detect_codec(first) not in (None, "utf-8-sig"):
                raise UserError(f"{path} is in UTF-16 or UTF-32; save it in UTF-8")
            yield first.removeprefix(codecs.BOM_UTF8)
            yield from file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is a damaged gzip file: {error}") from error
