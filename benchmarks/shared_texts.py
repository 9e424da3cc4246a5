"""Texts of several authors from $VEILBENCH_SHARED_DATA or ../shared/data, in alphabets of 91, 27 or 26 symbols."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from veilbench.families.ciphers.attacks.language import fit_bigrams, fit_language_model
from veilbench.families.ciphers.attacks.ngrams import NGramModel
from veilbench.text import alphabet, english

PLAYS = "text/tinyshakespeare_input.txt"
FILES = {"doyle": "text/pg1661.txt", "shakespeare": PLAYS, "plays": PLAYS}  # of 1892 and of about 1600
BESIDE = Path(__file__).parents[1].parent / "shared" / "data"
SPACED, LETTERS = "abcdefghijklmnopqrstuvwxyz ", "abcdefghijklmnopqrstuvwxyz"


def find_data() -> Path:
    """Return the folder of the shared data, which may not exist."""
    return Path(os.environ.get("VEILBENCH_SHARED_DATA", BESIDE))


def require_file(name: str) -> Path:
    """Return the path of a shared file; end the script with a line if it is absent."""
    path = find_data() / name
    if not path.is_file():
        raise SystemExit(f"{name} is absent: nothing is measured; name its folder with VEILBENCH_SHARED_DATA")
    return path


def read_text(name: str) -> str:
    """Read all text of one source, restricted to the characters 32 to 122.

    Args:
        name: "doyle"; "plays" of Shakespeare, in which each speech begins with its speaker, as in "KING RICHARD II:";
            "shakespeare", which is the same without the speakers; or "python", the prose of Python's help topics.
            Several, joined by "+", are read one after the other.
    """
    if "+" in name:
        return " ".join(read_text(part) for part in name.split("+"))
    if name == "python":
        return alphabet.normalise(" ".join(english.load_topics()))
    if name not in FILES:
        raise SystemExit(f"{name} is no source of text; allowed are {', '.join([*FILES, 'python'])}")
    raw = require_file(FILES[name]).read_text(encoding="utf8")
    return alphabet.normalise(strip_speakers(raw) if name == "shakespeare" else raw)


def strip_speakers(plays: str) -> str:
    """Remove the line with the speaker from each speech; speeches are separated by empty lines."""
    return re.sub(r"(?m)(\A|(?<=\n\n))[^\n]*:\n", "", plays)


def encode(text: str, symbols: str = "") -> np.ndarray:
    """Convert a text to symbols, shape (length,), uint8.

    Args:
        text: text of the characters 32 to 122.
        symbols: the alphabet, to which the text is reduced: small letters, and a space between words where the alphabet
            has one. Empty for all 91 characters.
    """
    if not symbols:
        return alphabet.encode(text)
    reduced = " ".join("".join(c if c in symbols else " " for c in text.lower().replace("'", "")).split())
    return np.array([symbols.index(c) for c in reduced if c in symbols], np.uint8)


def fit_models(text: str, symbols: str, order: int) -> tuple[NGramModel, NGramModel]:
    """Fit the n-grams and the bigrams of a text, as the attack of the pipeline does for 91 symbols."""
    encoded = encode(text, symbols)
    if not symbols:
        return fit_language_model(encoded, order), fit_bigrams(encoded)
    return NGramModel.fit(encoded, order, len(symbols)), NGramModel.fit(encoded, 2, len(symbols))
