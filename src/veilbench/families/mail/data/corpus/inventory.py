"""All words of the generated corpus with their numbers, and the pools from which its parts are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilbench.families.mail.data.corpus.lexicon import FIRST_NAMES, FUNCTION, GENERAL, HAM_TOPICS, SPAM_TOPICS
from veilbench.families.mail.data.corpus.templates import HAM_CLOSINGS, HAM_OPENINGS, SPAM_CLOSINGS, SPAM_OPENINGS

ONSETS = "b c d f g h k l m n p r s t v w z br ch cl cr dr fl gr pl pr sh sl st th tr"
VOWELS = "a e i o u ai ea ie oo ou"
CODAS = "l m n r s t ck nd ng rt st"
OPEN = 3  # number of empty codas among `CODAS`, so that some syllables end with the vowel


@dataclass(frozen=True)
class Inventory:
    """The words of the corpus, and word numbers by kind.

    Attributes:
        words: the words in the order of their numbers, dtype object.
        function: numbers of function words, most frequent first.
        general: numbers of general words, most frequent first.
        topics: word numbers of each topic, with the topics of ham first.
        tail: numbers of invented words, the long tail of the language, most frequent first.
        names: word numbers of first names and invented surnames.
        numbers: word numbers of telephone numbers, amounts and references.
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
        """Names and numbers, which would identify a person."""
        return frozenset(self.words[np.concatenate([self.names, self.numbers])])


def invent_words(count: int, syllables: int, rng: np.random.Generator) -> list[str]:
    """Generate `count` distinct random words of at least `syllables` syllables."""
    syllable = (ONSETS.split(), VOWELS.split(), [""] * OPEN + CODAS.split())
    words: dict[str, None] = {}
    while len(words) < count:
        parts = [[pool[i] for i in rng.integers(len(pool), size=count)] for pool in syllable * syllables]
        words |= dict.fromkeys(map("".join, zip(*parts, strict=True)))
    return list(words)[:count]


def draw_figures(count: int, rng: np.random.Generator) -> list[str]:
    """Generate `count` distinct numbers of 3 to 10 digits."""
    numbers: dict[str, None] = {}
    while len(numbers) < count:
        digits = rng.integers(3, 11, count)
        numbers |= dict.fromkeys(str(int(x)) for x in 10.0 ** (digits - 1) * rng.uniform(1, 10, count))
    return list(numbers)[:count]


def create_inventory(tail: int, names: int, numbers: int, rng: np.random.Generator) -> Inventory:
    """Create the inventory of a corpus.

    Args:
        tail: number of invented words of the long tail.
        names: number of invented surnames.
        numbers: number of distinct figures.
        rng: generator that draws words and figures.
    """
    topics = [text.split() for text in (*HAM_TOPICS.values(), *SPAM_TOPICS.values())]
    lines = [*HAM_OPENINGS, *SPAM_OPENINGS, *HAM_CLOSINGS, *SPAM_CLOSINGS]
    function, general, first_names = FUNCTION.split(), GENERAL.split(), FIRST_NAMES.split()
    listed = [*function, *general, *(word for topic in topics for word in topic)]
    listed += [word for line in lines for word in line.split()]
    invented_tail = invent_words(tail, 2, rng)
    surnames = invent_words(names, 3, rng)
    number_of: dict[str, int] = {}
    for word in (*listed, *first_names, *surnames, *invented_tail, *draw_figures(numbers, rng)):
        number_of.setdefault(word, len(number_of))
    words = np.array(list(number_of), dtype=object)

    def look_up(chosen: list[str]) -> np.ndarray:
        return np.array([number_of[word] for word in dict.fromkeys(chosen)])

    tail_numbers = np.setdiff1d(look_up(invented_tail), look_up([*listed, *first_names, *surnames]))
    figure_numbers = np.arange(len(words) - numbers, len(words))
    name_numbers = np.setdiff1d(look_up([*first_names, *surnames]), look_up(listed))
    topic_numbers = [look_up(topic) for topic in topics]
    return Inventory(
        words, look_up(function), look_up(general), topic_numbers, tail_numbers, name_numbers, figure_numbers
    )
