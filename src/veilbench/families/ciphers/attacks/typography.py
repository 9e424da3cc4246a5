"""Copies of a text in other typography, for a language model that meets texts of other authors and printers."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from veilbench.text.alphabet import decode, encode

_MARKS = {'"': 1.0, "'": 0.3}
"""Quotation marks, and how much of the text is copied with each, relative to the first. Printers use either, but one in
a text. With equal copies, a key that reads some of the first as the second is as likely as one that does not."""
_QUOTED, _SENTENCES = 0.6, (1, 4)
"""Share of the passages that are quoted, and the range of their number of sentences, the end excluded."""


def add_capitals(symbols: NDArray[np.uint8], share: float = 0.1) -> NDArray[np.uint8]:
    """Append a copy of a text's beginning in capitals, and a copy of its end with capital initials.

    Ordinary prose has few headings and paragraphs in capitals, so a language model predicts them poorly. The copies
    improve this, and cost about 0.02 bits per character elsewhere.

    Args:
        symbols: Shape ``(length,)``; character codes minus 32.
        share: Share of the text to copy for each variant, 0 to 1.

    Returns:
        Shape ``(length + 2 * floor(share * length),)``.

    Raises:
        ValueError: If ``share`` is out of range.
    """
    _check_share(share)
    count = int(share * len(symbols))
    lower = (symbols >= ord("a") - 32) & (symbols <= ord("z") - 32)
    initial = lower & (np.concatenate([[0], symbols[:-1]]) == 0)
    upper_case, title_case = symbols - 32 * lower, symbols - 32 * initial
    parts = [symbols, upper_case[:count], title_case[len(symbols) - count :]]
    return np.concatenate(parts).astype(np.uint8)


def add_quotations(symbols: NDArray[np.uint8], share: float = 0.35) -> NDArray[np.uint8]:
    """Append two copies of a part of a text in which random passages are quoted, with double and with single marks.

    Plays have hardly any quotation marks, and authors differ in which ones they use. A language model of such a text
    prefers keys that exchange the marks of another author.

    Args:
        symbols: Shape ``(length,)``; character codes minus 32.
        share: Share of the text to copy with double marks, 0 to 1, and more than with single ones; a fixed seed draws
            the parts.

    Returns:
        Shape ``(n,)``; the text and its copies, each after a space.

    Raises:
        ValueError: If ``share`` is out of range.
    """
    _check_share(share)
    text, rng = decode(symbols), np.random.default_rng(0)
    parts = [text]
    for mark, relative in _MARKS.items():
        count = int(relative * share * len(text))
        first = int(rng.integers(len(text) - count + 1))
        parts.append(_quote_passages(text[first : first + count], mark, rng))
    return encode(" ".join(filter(None, parts)))


def _quote_passages(text: str, mark: str, rng: np.random.Generator) -> str:
    """Put the mark around random passages of whole sentences; double marks that are there are dropped."""
    sentences, passages, first = re.findall(r"[^.!?]+[.!?]* ?", text.replace('"', "")), [], 0
    while first < len(sentences):
        last = first + int(rng.integers(*_SENTENCES))
        passage = "".join(sentences[first:last]).strip()
        passages.append(f"{mark}{passage}{mark}" if rng.random() < _QUOTED else passage)
        first = last
    return " ".join(passages)


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; allowed are 0 to 1")
