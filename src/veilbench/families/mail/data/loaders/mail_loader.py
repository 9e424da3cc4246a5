"""Base class of the loaders of mails from files and folders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count
from veilbench.families.mail.data.loaders.decoding import MOST_BYTES, Decoder
from veilbench.families.mail.data.raw_mails import RawMails


@dataclass(frozen=True)
class LabelledMail:
    """One mail as a loader returns it.

    Attributes:
        text: decoded text, starting with the subject if there is one.
        label: 0 for ham and 1 for spam.
        topic: number of the mail's topic, such as its folder; 0 if the source has none.
    """

    text: str
    label: int
    topic: int = 0


class MailLoader(ABC):
    """Reads mails from a file or a folder; subclasses implement `find`.

    Args:
        path: path of the file, or of the folder that is searched recursively.
        most_bytes: maximum number of bytes per mail; the rest is dropped.

    Attributes:
        is_folder: whether the path must be a folder; otherwise it must be a file.
        content: content of the path, for the error message if it has none.
    """

    is_folder: ClassVar[bool] = False
    content: ClassVar[str] = "mails"

    def __init__(self, path: str, most_bytes: Count = MOST_BYTES) -> None:
        self.path, self.most_bytes = path, most_bytes

    @abstractmethod
    def find(self, path: Path, decoder: Decoder) -> Iterator[LabelledMail]:
        """Yield the mails in a fixed order.

        Args:
            path: existing file or folder.
            decoder: decodes the mails, and counts what was dropped, truncated or guessed.

        Raises:
            UserError: a mail cannot be read, or has no valid label; the message contains its location.
        """

    def read(self, rng: np.random.Generator) -> RawMails:
        """Read all mails; nothing is drawn from `rng`.

        Raises:
            UserError: the path does not exist or holds no mails, or a mail cannot be used.
        """
        path, decoder = Path(self.path), Decoder(self.most_bytes)
        if not (path.is_dir() if self.is_folder else path.is_file()):
            raise UserError(f"source.path={self.path} is not {'a folder' if self.is_folder else 'a file'}")
        if not (mails := list(self.find(path, decoder))):
            raise UserError(f"source.path={self.path} holds no {self.content}")
        texts, labels, topics = zip(*((mail.text, mail.label, mail.topic) for mail in mails), strict=True)
        return RawMails.read(list(texts), labels, decoder.notes(), topics)
