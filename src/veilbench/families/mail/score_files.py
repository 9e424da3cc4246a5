"""Scores mail files with a trained filter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.mail.data.loaders.decoding import Decoder, detect_binary
from veilbench.families.mail.data.loaders.mail_parts import extract_text
from veilbench.families.mail.data.tokeniser import split_words
from veilbench.families.mail.schemes.filter import MailFilter

HEADER = re.compile(rb"(?:From [^\n]*\n)?[!-9;-~]+:[ \t]")  # first line (RFC 5322, section 2.2)


def score_files(model: Path, paths: Sequence[Path]) -> np.ndarray:
    """Compute the probability that each file is spam, shape (n,).

    Args:
        model: folder of a trained filter.
        paths: .eml files, of which the subject and the visible text are scored; other files are read as a mail if they
            start with a header, otherwise as plain text.

    Raises:
        UserError: the folder does not contain a filter, or a file cannot be read, is not text, or has no words.
    """
    trained = load_trained_model(model)
    if not isinstance(trained, MailFilter):
        raise UserError(f"{model} holds a {type(trained).__name__}, which scores no mails; a mail filter is needed")
    return trained.score_texts([_read_text(path) for path in paths])


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    if kind := detect_binary(raw):
        raise UserError(f"{path} is {kind}, which is no text; save the mail as .eml")
    decoder = Decoder()
    raw, detected = decoder.to_utf8(raw)
    is_mail = path.suffix.lower() == ".eml" or HEADER.match(raw)
    text = extract_text(raw, decoder, detected) if is_mail else decoder.decode(raw)
    if not split_words(text):
        raise UserError(f"{path} has no words: there is nothing to score")
    return text
