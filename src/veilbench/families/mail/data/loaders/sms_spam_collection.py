"""The SMS Spam Collection (Almeida, Hidalgo and Yamakami 2011): each line has `ham` or `spam`, a tab, and a message."""

from __future__ import annotations

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.loaders.decoding import Decoder, existing, numbered
from veilbench.families.mail.data.loaders.labels import label_of
from veilbench.families.mail.data.raw_mails import RawMails


class SmsSpamCollection:
    """Reads the single file of the collection.

    Args:
        path: path of the file `SMSSpamCollection`.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self, rng: np.random.Generator) -> RawMails:
        """Read all messages in the order of the lines.

        Raises:
            UserError: a line has no tab or no valid label; the message contains its number.
        """
        decoder, texts, labels = Decoder(), [], []
        content, _ = decoder.utf8(existing(self.path, folder=False).read_bytes())
        for number, line in numbered(content.split(b"\n")):
            name, tab, message = line.partition(b"\t")
            if not tab:
                raise UserError(f"{self.path}, line {number} has no tab between label and message")
            labels.append(label_of(decoder.text(name), f"{self.path}, line {number}"))
            texts.append(decoder.text(message))
        return RawMails.read(texts, labels, decoder.notes())
