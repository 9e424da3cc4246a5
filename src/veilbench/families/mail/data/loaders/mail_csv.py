"""Loader of a CSV file with a column of texts and a column of labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count
from veilbench.families.mail.data.loaders.decoding import MOST_BYTES, Decoder
from veilbench.families.mail.data.loaders.labels import parse_label
from veilbench.families.mail.data.loaders.mail_loader import LabelledMail, MailLoader

LONGEST_FIELD = 1 << 30  # limit of characters per field; the default of Python's csv is 131,072


class MailCsv(MailLoader):
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
        most_bytes: Count = MOST_BYTES,
    ) -> None:
        if len(delimiter) != 1:
            raise ValueError(f"delimiter={delimiter!r} must be one character")
        super().__init__(path, most_bytes)
        self.text, self.label, self.delimiter = text, label, delimiter

    def find(self, path: Path, decoder: Decoder) -> Iterator[LabelledMail]:
        """Yield all mails in the order of the rows.

        Raises:
            UserError: a column is missing, or a row is invalid; the message contains its line number.
        """
        file_decoder = Decoder(LONGEST_FIELD)  # `decoder` has the limit of one mail
        content = file_decoder.decode(path.read_bytes()).removeprefix("\ufeff")
        csv.field_size_limit(LONGEST_FIELD)
        rows = csv.DictReader(io.StringIO(content, newline=""), delimiter=self.delimiter)
        try:
            self._refuse_header(list(rows.fieldnames or []))
            for row in rows:
                where = f"{self.path}, line {rows.line_num}"
                if row.get(None):  # cells beyond the header have the key None
                    raise UserError(
                        f"{where} has more cells than the header; is a text with {self.delimiter} unquoted?"
                    )
                if row.get("", "").strip():
                    decoder.problems["texts in columns without a name left out"] += 1
                label = parse_label(row[self.label], where)
                yield LabelledMail(decoder.truncate_text(row[self.text] or ""), label)
        except csv.Error as error:
            raise UserError(f"{self.path}, line {rows.line_num} cannot be read: {error}") from error
        decoder.problems.update(file_decoder.problems)

    def _refuse_header(self, names: list[str]) -> None:
        for name in (self.text, self.label):
            if (count := names.count(name)) != 1:
                said = "no column" if not count else f"{count} columns called"
                raise UserError(f"{self.path} has {said} {name}; there are: {', '.join(names)}")
