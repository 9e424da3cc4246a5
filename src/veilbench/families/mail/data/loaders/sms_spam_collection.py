"""The SMS Spam Collection (Almeida, Hidalgo and Yamakami 2011): `ham` or `spam`, a tab, the message; a line each."""

from __future__ import annotations

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.loaders.decoding import Decoder, existing, numbered
from veilbench.families.mail.data.loaders.labels import label_of
from veilbench.families.mail.data.raw_mails import RawMails


class SmsSpamCollection:
    """Reads the collection's one file.

    Args:
        path: of the file `SMSSpamCollection`.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self, rng: np.random.Generator) -> RawMails:
        """Read everything.

        Raises:
            UserError: a line without a tab or a label; it is named.
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
