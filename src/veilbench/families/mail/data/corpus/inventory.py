"""Every word that the corpus can use, under one number each, with the ranges that its parts are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilbench.families.mail.data.corpus.lexicon import FIRST_NAMES, FUNCTION, GENERAL, HAM_TOPICS, SPAM_TOPICS
from veilbench.families.mail.data.corpus.templates import HAM_CLOSINGS, HAM_OPENINGS, SPAM_CLOSINGS, SPAM_OPENINGS

ONSETS = "b c d f g h k l m n p r s t v w z br ch cl cr dr fl gr pl pr sh sl st th tr"
VOWELS = "a e i o u ai ea ie oo ou"
CODAS = "l m n r s t ck nd ng rt st"
OPEN = 3  # of the codas are none: the syllable ends with its vowel


@dataclass(frozen=True)
class Inventory:
    """Words by number.

    Attributes:
        words: the words, dtype object.
        function, general: word numbers, commonest first.
        topics: one array of word numbers per topic, ham's topics first.
        tail: invented words, commonest first: the long tail of any language.
        names: invented surnames, and first names.
        numbers: telephone numbers, amounts, references.
    """

    words: np.ndarray
    function: np.ndarray
    general: np.ndarray
    topics: list[np.ndarray]
    tail: np.ndarray
    names: np.ndarray
    numbers: np.ndarray

    @property
    def rare(self) -> frozenset[str]:
        """Names and numbers: what identifies a person when it leaks."""
        return frozenset(self.words[np.concatenate([self.names, self.numbers])])


def invented(count: int, syllables: int, rng: np.random.Generator) -> list[str]:
    """`count` distinct words of at least `syllables` syllables that are in no dictionary of ours."""
    syllable = (ONSETS.split(), VOWELS.split(), [""] * OPEN + CODAS.split())
    made: dict[str, None] = {}
    while len(made) < count:
        parts = [[pool[i] for i in rng.integers(len(pool), size=count)] for pool in syllable * syllables]
        made |= dict.fromkeys(map("".join, zip(*parts, strict=True)))
    return list(made)[:count]


def figures(count: int, rng: np.random.Generator) -> list[str]:
    """`count` distinct numbers of 3 to 10 digits."""
    made: dict[str, None] = {}
    while len(made) < count:
        digits = rng.integers(3, 11, count)
        made |= dict.fromkeys(str(int(x)) for x in 10.0 ** (digits - 1) * rng.uniform(1, 10, count))
    return list(made)[:count]


def inventory(tail: int, names: int, numbers: int, rng: np.random.Generator) -> Inventory:
    """All words of a corpus, with that many invented ones of each kind."""
    topics = [text.split() for text in (*HAM_TOPICS.values(), *SPAM_TOPICS.values())]
    lines = [*HAM_OPENINGS, *SPAM_OPENINGS, *HAM_CLOSINGS, *SPAM_CLOSINGS]
    function, general, first_names = FUNCTION.split(), GENERAL.split(), FIRST_NAMES.split()
    written = [*function, *general, *(word for topic in topics for word in topic)]
    written += [word for line in lines for word in line.split()]
    invented_tail = invented(tail, 2, rng)
    surnames = invented(names, 3, rng)
    number_of: dict[str, int] = {}
    for word in (*written, *first_names, *surnames, *invented_tail, *figures(numbers, rng)):
        number_of.setdefault(word, len(number_of))
    words = np.array(list(number_of), dtype=object)

    def places(chosen: list[str]) -> np.ndarray:
        return np.array([number_of[word] for word in dict.fromkeys(chosen)])

    tail_places = np.setdiff1d(places(invented_tail), places([*written, *first_names, *surnames]))
    numeric = np.arange(len(words) - numbers, len(words))
    people = np.setdiff1d(places([*first_names, *surnames]), places(written))
    return Inventory(
        words, places(function), places(general), [places(t) for t in topics], tail_places, people, numeric
    )
