"""Loader of a CSV file with a column of texts and a column of labels."""

from __future__ import annotations

import csv
import io
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.loaders.decoding import MOST_BYTES, Decoder, existing
from veilbench.families.mail.data.loaders.labels import label_of
from veilbench.families.mail.data.raw_mails import RawMails

LONGEST_FIELD = 1 << 30  # Python's csv stops at 131,072 characters unless told otherwise


class MailCsv:
    """Reads a CSV file with a header; quotes, line breaks within quotes and a byte order mark are supported.

    Args:
        path: path of the CSV file.
        text: name of the column of texts.
        label: name of the column of labels, which are ham or spam, 0 or 1, true or false.
        delimiter: character that separates fields.
        most_bytes: maximum number of bytes per mail; the rest is dropped.
    """

    def __init__(
        self,
        path: str,
        text: str = "text",
        label: str = "label",
        delimiter: str = ",",
        most_bytes: Annotated[int, Ge(1)] = MOST_BYTES,
    ) -> None:
        if len(delimiter) != 1:
            raise ValueError(f"delimiter={delimiter!r} must be one character")
        self.path, self.text, self.label = path, text, label
        self.delimiter, self.most_bytes = delimiter, most_bytes

    def read(self, rng: np.random.Generator) -> RawMails:
        """Read all mails in the order of the rows.

        Raises:
            UserError: a column is missing, or a row is invalid; the message contains its line number.
        """
        whole, decoder = Decoder(LONGEST_FIELD), Decoder(self.most_bytes)
        content = whole.text(existing(self.path, folder=False).read_bytes()).removeprefix("\ufeff")
        csv.field_size_limit(LONGEST_FIELD)
        rows = csv.DictReader(io.StringIO(content, newline=""), delimiter=self.delimiter)
        texts, labels = [], []
        try:
            self._refuse_header(list(rows.fieldnames or []))
            for row in rows:
                where = f"{self.path}, line {rows.line_num}"
                if row.get(None):  # cells beyond the header have the key None
                    raise UserError(
                        f"{where} has more cells than the header; is a text with {self.delimiter} unquoted?"
                    )
                if row.get("", "").strip():
                    whole.met["texts in columns without a name left out"] += 1
                labels.append(label_of(row[self.label], where))
                texts.append(decoder.again(row[self.text] or ""))
        except csv.Error as error:
            raise UserError(f"{self.path}, line {rows.line_num} cannot be read: {error}") from error
        return RawMails.read(texts, labels, [*whole.notes(), *decoder.notes()])

    def _refuse_header(self, names: list[str]) -> None:
        for name in (self.text, self.label):
            if (count := names.count(name)) != 1:
                said = "no column" if not count else f"{count} columns called"
                raise UserError(f"{self.path} has {said} {name}; there are: {', '.join(names)}")
