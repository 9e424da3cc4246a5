"""The SMS Spam Collection (Almeida, Hidalgo and Yamakami 2011): each line has `ham` or `spam`, a tab, and a message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.loaders.decoding import Decoder, number_lines
from veilbench.families.mail.data.loaders.labels import parse_label
from veilbench.families.mail.data.loaders.mail_loader import LabelledMail, MailLoader


class SmsSpamCollection(MailLoader):
    """Reads the single file of the collection.

    Args:
        path: path of the file `SMSSpamCollection`.
    """

    content = "messages"

    def __init__(self, path: str) -> None:
        super().__init__(path)

    def find(self, path: Path, decoder: Decoder) -> Iterator[LabelledMail]:
        """Yield all messages in the order of the lines.

        Raises:
            UserError: a line has no tab or no valid label; the error contains its number.
        """
        content, _ = decoder.to_utf8(path.read_bytes())
        for number, line in number_lines(content.split(b"\n")):
            name, tab, message = line.partition(b"\t")
            if not tab:
                raise UserError(f"{self.path}, line {number} has no tab between label and message")
            label = parse_label(decoder.decode(name), f"{self.path}, line {number}")
            yield LabelledMail(decoder.decode(message), label)
