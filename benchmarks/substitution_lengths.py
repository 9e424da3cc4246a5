"""Measure the share of a text that the search for code books reads, against the length of the text.

Usage: python benchmarks/substitution_lengths.py [--members 4] [--lengths 2000,5000] [--alphabets 91] [--ids hidden]
       [--pairs doyle+python:shakespeare] [--seeds 3] [--restarts 0] [--unknown-members] [--misread]

A pair names the sources of the statistics and the attacked text. The default pairs are authors of different centuries,
in both directions: Doyle (1892) and the speeches of Shakespeare (about 1600), from $VEILBENCH_SHARED_DATA/text or
../shared/data/text. Python's help topics are added to the statistics, since neither author uses all punctuation. The
text "plays" has the speaker before each speech.

Each character is encrypted by a random member of an ensemble of random code books. The attacker knows the number of
members, unless `--unknown-members` is given, and sees the id of each character's member (published) or not (hidden).
The alphabet of 27 symbols is that of the small letters and the space: capitals become
small letters, apostrophes are dropped, and all other characters become a space. Seeds below 100 are for measuring, and
attack the text's first half; those from 100 on are for choosing settings, and attack its second half.

Prints a Markdown table: mean and range over the seeds of the share of characters that is read, and the mean CPU
seconds of a text, in one process with one thread. The time to fit the statistics, once, is not included. `--misread`
adds a line below each row: the share of the errors at codes that occur up to three times, the shares by kind, and the
most frequent pairs of symbol and reading.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from shared_texts import SPACED, encode, fit_models, read_text
from veilbench.families.ciphers.attacks.substitution import solve

ALPHABETS = {91: "", 27: SPACED}
MARKS = ".?!,;:"
PAIRS = "doyle+python:shakespeare,shakespeare+python:doyle"
ORDER = 6  # of the pipeline's attack


@dataclass(frozen=True)
class Sealed:
    """A text encrypted with random code books.

    Attributes:
        text: the secret symbols, shape (length,).
        tokens: token of each position, shape (length,).
        members: member of each token, shape (tokens,).
    """

    text: np.ndarray
    tokens: np.ndarray
    members: np.ndarray


def encrypt(text: np.ndarray, members: int, size: int, rng: np.random.Generator) -> Sealed:
    """Encrypt each character with the random code book of a random member."""
    books = np.array([rng.permutation(size) for _ in range(members)])
    ids = rng.integers(0, members, len(text))
    codes, tokens = np.unique(ids * size + books[ids, text], return_inverse=True)
    return Sealed(text, tokens, codes // size)


def draw_piece(text: np.ndarray, length: int, seed: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a piece of the half of the text that belongs to the seed."""
    half = len(text) // 2
    first = int(rng.integers(half - length)) + (half if seed >= 100 else 0)
    return text[first : first + length]


@dataclass(frozen=True)
class Opened:
    """An attacked text: what it is, the symbols that are read, and the CPU seconds of the attack."""

    sealed: Sealed
    symbols: np.ndarray
    seconds: float

    @property
    def share(self) -> float:
        """Share of the characters that are read."""
        return float((self.symbols == self.sealed.text).mean())


def read(sealed: Sealed, models: tuple, seed: int, restarts: int, hidden: bool, copies: int | None) -> Opened:
    """Attack a text."""
    groups = np.full(len(sealed.members), -1) if hidden else sealed.members
    started = time.process_time()
    key = solve(sealed.tokens, groups, models[0], bigrams=models[1], restarts=restarts, seed=seed, copies=copies)
    return Opened(sealed, key[sealed.tokens], time.process_time() - started)


def warm_up(models: tuple, size: int) -> None:
    """Compile the search, so that no text's time includes it."""
    sealed = encrypt(np.arange(300, dtype=np.uint8) % size, 2, size, np.random.default_rng(0))
    for hidden in (False, True):
        read(sealed, models, 0, 1, hidden, 2)


def measure(victim: np.ndarray, models: tuple, cell: tuple, options: argparse.Namespace) -> list[Opened]:
    """Attack one text per seed."""
    size, ids, members, length = cell
    copies, found = None if options.unknown_members else members, list[Opened]()
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        rng = np.random.default_rng([seed, members, length])
        sealed = encrypt(draw_piece(victim, length, seed, rng), members, size, rng)
        found.append(read(sealed, models, seed, options.restarts, ids == "hidden", copies))
    return found


def row(source: str, victim: str, cell: tuple, found: list[Opened]) -> str:
    size, ids, members, length = cell
    shares, seconds = 100 * np.array([each.share for each in found]), np.mean([each.seconds for each in found])
    share = f"{shares.mean():.1f} [{shares.min():.1f}, {shares.max():.1f}]"
    return f"| {source} | {victim} | {size} | {ids} | {members} | {length:,} | {share} | {seconds:.1f} |"


def describe_misread(found: list[Opened], symbols: str) -> str:
    """Format which symbols are read as which, and at how rare codes."""
    rare, pairs = 0, Counter[tuple[str, str]]()
    for each in found:
        wrong, sealed = each.symbols != each.sealed.text, each.sealed
        rare += int((np.bincount(sealed.tokens)[sealed.tokens[wrong]] <= 3).sum())
        pairs.update((symbols[a], symbols[b]) for a, b in zip(sealed.text[wrong], each.symbols[wrong], strict=True))
    total, kinds = max(pairs.total(), 1), Counter[str]()
    for pair, count in pairs.items():
        kinds[name_kind(*pair)] += count
    shares = ", ".join(f"{kind} {count / total:.0%}" for kind, count in kinds.most_common())
    often = " ".join(f"{old}>{new} {count}" for (old, new), count in pairs.most_common(8))
    return f"{pairs.total()} errors, {rare / total:.0%} at rare codes: {shares}; {often}"


def name_kind(old: str, new: str) -> str:
    """Name what an error confuses."""
    if old in MARKS:
        return "marks as marks" if new in MARKS else "marks as others"
    if old.isupper():
        return "capitals as capitals" if new.isupper() else "capitals as others"
    return "others"


def main() -> None:
    options = parse()
    print("| statistics | text | symbols | ids | members | characters | read, % | CPU seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for size, (source, victim) in itertools.product(options.alphabets, options.pairs):
        models = fit_models(read_text(source), ALPHABETS[size], ORDER)
        warm_up(models, size)
        text = encode(read_text(victim), ALPHABETS[size])
        for cell in itertools.product([size], options.ids, options.members, options.lengths):
            found = measure(text, models, cell, options)
            print(row(source, victim, cell, found), flush=True)
            if options.misread:
                print(describe_misread(found, ALPHABETS[size] or "".join(map(chr, range(32, 32 + size)))), flush=True)


def parse() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    def names(text: str) -> list[str]:
        return text.split(",")

    def pairs(text: str) -> list[list[str]]:
        return [part.split(":") for part in text.split(",")]

    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=numbers, default=[1, 2, 4, 8, 16], help="numbers of code books")
    parser.add_argument("--lengths", type=numbers, default=[500, 1000, 2000, 5000, 20000], help="in characters")
    parser.add_argument("--alphabets", type=numbers, default=[91, 27], help="numbers of symbols, 91 or 27")
    parser.add_argument("--ids", type=names, default=["published", "hidden"], help="published, hidden or both")
    parser.add_argument("--pairs", type=pairs, default=pairs(PAIRS), help="statistics:text, several joined by commas")
    parser.add_argument("--seeds", type=int, default=3, help="number of texts of each kind")
    parser.add_argument("--first-seed", type=int, default=0, help="100 and more attack the validation half")
    parser.add_argument("--restarts", type=int, default=0, help="annealing runs; the pipeline's attack takes 0")
    parser.add_argument("--unknown-members", action="store_true", help="the attacker does not know their number")
    parser.add_argument("--misread", action="store_true", help="say what is misread")
    return parser.parse_args()


if __name__ == "__main__":
    main()
