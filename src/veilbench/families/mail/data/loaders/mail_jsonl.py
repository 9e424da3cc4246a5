"""One JSON object a line, plain or gzipped."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count
from veilbench.families.mail.data.loaders.charsets import marked
from veilbench.families.mail.data.loaders.decoding import MOST_BYTES, Decoder, existing, numbered
from veilbench.families.mail.data.loaders.labels import label_of
from veilbench.families.mail.data.raw_mails import RawMails


class MailJsonl:
    """Reads `{"text": ..., "label": 0, 1, "ham" or "spam", "set": ...}`; the set is the topic, where there is one.

    Args:
        path: a .jsonl or .jsonl.gz file.
        text: the text's key.
        label: the label's key.
        topic: the topic's key; lines without it are of topic 0.
        most_bytes: of one mail; the rest is left out.
    """

    def __init__(
        self,
        path: str,
        text: str = "text",
        label: str = "label",
        topic: str = "set",
        most_bytes: Count = MOST_BYTES,
    ) -> None:
        self.path, self.text, self.label, self.topic = path, text, label, topic
        self.most_bytes = most_bytes

    def read(self, rng: np.random.Generator) -> RawMails:
        """Read everything.

        Raises:
            UserError: a line is no object, or lacks a key; it is named.
        """
        decoder, names = Decoder(self.most_bytes), dict[str, int]()
        texts, labels, topics = [], [], []
        for number, line in numbered(_lines(existing(self.path, folder=False))):
            entry = self._entry(line, number)
            texts.append(decoder.again(str(entry[self.text])))
            labels.append(label_of(entry[self.label], f"{self.path}, line {number}"))
            topics.append(names.setdefault(str(entry.get(self.topic, "")), len(names)))
        return RawMails.read(texts, labels, decoder.notes(), topics)

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
            if marked(first) not in (None, "utf-8-sig"):
                raise UserError(f"{path} is in UTF-16 or UTF-32; save it in UTF-8")
            yield first.removeprefix(codecs.BOM_UTF8)
            yield from file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is a damaged gzip file: {error}") from error
