"""Measure how the text attacks grow with the length of the ciphertext.

Usage: python benchmarks/text_scale.py [--lengths 1000,10000,100000,1000000] [--members 4]

Python's help topics, repeated where they are too short, are encrypted with random code books, one for each member of an
ensemble; the statistics are those of docstrings. The steps are the
encryption, the search for the code books with published and with hidden ids, and fitting the language model to as many
characters. One process with one thread; the shortest length runs twice, and the first run does not count.
Prints the CPU seconds as ratios to the shortest length, the exponent, the memory, and the share of characters read.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from growth import measure, print_growth
from veilbench.families.ciphers.attacks.language import fit_bigrams, fit_language_model
from veilbench.families.ciphers.attacks.ngrams import NGramModel
from veilbench.families.ciphers.attacks.substitution import solve
from veilbench.families.ciphers.schemes.codebook import CodebookCipher, draw_mapping
from veilbench.text import alphabet, english

ORDER = 6  # of the pipeline's attack


def attack(text: np.ndarray, statistics: np.ndarray, members: int) -> dict[str, tuple[float, float, float]]:
    """Return CPU seconds, bytes of memory, and the share of characters read (or 1) of each step."""
    rng, found = np.random.default_rng(0), dict[str, tuple[float, float, float]]()
    cipher = CodebookCipher.from_mappings([draw_mapping(32, rng) for _ in range(members)])
    sealed, *cost = measure(lambda: cipher.encrypt(text, rng))
    found["encrypt"] = (*cost, 1.0)
    _, *cost = measure(lambda: NGramModel.fit(statistics[: len(text)], ORDER))
    found["fit the language model to as many characters"] = (*cost, 1.0)
    model, bigrams = fit_language_model(statistics, ORDER), fit_bigrams(statistics)
    codes, tokens = np.unique(np.column_stack([sealed.members, sealed.codes]), axis=0, return_inverse=True)
    ways = {"published ids": (codes[:, 0].astype(np.int64), None), "hidden ids": (np.full(len(codes), -1), members)}
    for name, (groups, copies) in ways.items():
        key, *cost = measure(
            lambda groups=groups, copies=copies: solve(
                tokens.ravel(), groups, model, bigrams=bigrams, restarts=0, copies=copies
            )
        )
        found[f"search, {name}"] = (*cost, float((key[tokens.ravel()] == text).mean()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lengths", default="1000,10000,100000,1000000")
    parser.add_argument("--members", type=int, default=4)
    options = parser.parse_args()
    lengths = sorted(int(word) for word in options.lengths.split(","))
    topics = english.load_topics()
    text = alphabet.encode(alphabet.normalise(" ".join(topics)))
    text = np.tile(text, -(-lengths[-1] // len(text)))
    statistics = alphabet.encode(english.load_docstrings(topics))
    steps, shares = defaultdict[str, list[tuple[float, float]]](list), defaultdict[str, list[str]](list)
    for number, length in enumerate([lengths[0], *lengths]):
        for name, (seconds, memory, share) in attack(text[:length], statistics, options.members).items():
            if number:
                steps[name].append((seconds, memory))
                shares[name].append(f"{share:.1%}")
    print_growth("characters", lengths, steps)
    for name in list(shares)[2:]:
        print(f"\n{name}, share of characters read: {', '.join(shares[name])}")


if __name__ == "__main__":
    main()
