"""A CSV file with a column of texts and one of labels."""

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
    """Reads a CSV with a head line; quotes, line breaks within quotes and a byte order mark are understood.

    Args:
        path: of the file.
        text: the texts' column.
        label: the labels' column: ham or spam, 0 or 1, true or false.
        delimiter: between fields.
        most_bytes: of one mail; the rest is left out.
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
        """Read everything.

        Raises:
            UserError: no such columns, or a row that cannot be used; it is named.
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
                if row.get(None):  # what csv calls the cells beyond the header
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
