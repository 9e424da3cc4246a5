"""The language models of ham and spam, sampled for all mails at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veilbench.families.mail.data.corpus.inventory import Inventory
from veilbench.families.mail.data.corpus.lexicon import HAM_TOPICS, SPAM_TOPICS
from veilbench.families.mail.data.corpus.templates import NAME, NUMBER

KINDS = ("function", "general", "topic", "tail", "habit", "name", "number")
SHARES = (0.43, 0.24, 0.13, 0.08, 0.06, 0.03, 0.03)  # expected shares of the kinds of words in a mail


def draw_zipf(words: np.ndarray, count: int, rng: np.random.Generator, shift: float = 3) -> np.ndarray:
    """Draw word numbers with Zipf-Mandelbrot probabilities (Zipf 1949, Mandelbrot 1953).

    Args:
        words: word numbers to draw from; the i-th has a weight of 1 / (i + shift).
        count: number of words to draw.
        rng: generator of the draws.
        shift: shift of the ranks; larger values make the distribution more even.
    """
    weights = 1 / (np.arange(len(words)) + shift)
    drawn: np.ndarray = words[np.searchsorted(np.cumsum(weights / weights.sum())[:-1], rng.random(count))]
    return drawn


@dataclass(frozen=True)
class Mail:
    """Random properties of the mails, each of shape (n,).

    Attributes:
        labels: 0 for ham and 1 for spam.
        topics: indices of the topics in the inventory.
        lengths: numbers of words.
        senders: author of a ham mail or campaign of a spam mail, which determines its favourite words and templates.
        disguise: share of its topic words that a mail draws from any topic, including those of the other label.
    """

    labels: np.ndarray
    topics: np.ndarray
    lengths: np.ndarray
    senders: np.ndarray
    disguise: np.ndarray


def draw_outlines(
    count: int, spam: float, senders: int, disguise: float, lengths: tuple[int, int], rng: np.random.Generator
) -> Mail:
    """Draw the label, topic, length, sender and disguise of each mail.

    Args:
        count: number of mails to generate.
        spam: probability that a mail is spam.
        senders: number of authors of ham, and also of spam campaigns.
        disguise: share of disguised mails.
        lengths: minimum and maximum number of words per mail.
        rng: generator of all draws.
    """
    labels = (rng.random(count) < spam).astype(np.int64)
    ham_topics, spam_topics = len(HAM_TOPICS), len(SPAM_TOPICS)
    topics = np.where(
        labels == 1, ham_topics + rng.integers(spam_topics, size=count), rng.integers(ham_topics, size=count)
    )
    sizes = np.clip(rng.lognormal(4.3, 1, count), *lengths).astype(np.int64)
    who = draw_zipf(np.arange(senders), count, rng) + labels * senders
    return Mail(labels, topics, sizes, who, np.where(rng.random(count) < disguise, 0.85, 0.2))


def draw_bodies(mail: Mail, words: Inventory, rng: np.random.Generator) -> np.ndarray:
    """Draw the word numbers of all mails, concatenated, shape (sum of lengths,)."""
    owner = np.repeat(np.arange(len(mail.labels)), mail.lengths)
    kinds = np.searchsorted(np.cumsum(SHARES)[:-1], rng.random(len(owner)))
    numbers = np.empty(len(owner), np.int64)
    for kind, name in enumerate(KINDS):
        at = np.flatnonzero(kinds == kind)
        numbers[at] = _draw(name, mail, owner[at], words, rng)
    return numbers


def _draw(kind: str, mail: Mail, owner: np.ndarray, words: Inventory, rng: np.random.Generator) -> np.ndarray:
    if kind in ("function", "general", "tail"):
        return draw_zipf(getattr(words, kind), len(owner), rng)
    if kind == "topic":
        return _draw_topic_words(mail, owner, words, rng)
    if kind == "habit":
        return _draw_habits(mail, owner, words, rng)
    pool = words.names if kind == "name" else words.numbers
    mentioned = rng.integers(len(pool), size=(len(mail.labels), 3))  # a mail mentions three people and three figures
    drawn: np.ndarray = pool[mentioned[owner, rng.integers(3, size=len(owner))]]
    return drawn


def _draw_topic_words(mail: Mail, owner: np.ndarray, words: Inventory, rng: np.random.Generator) -> np.ndarray:
    strays = rng.random(len(owner)) < mail.disguise[owner]
    topics = np.where(strays, rng.integers(len(words.topics), size=len(owner)), mail.topics[owner])
    numbers = np.empty(len(owner), np.int64)
    for topic, pool in enumerate(words.topics):
        at = np.flatnonzero(topics == topic)
        numbers[at] = draw_zipf(pool, len(at), rng, shift=10)
    return numbers


def _draw_habits(mail: Mail, owner: np.ndarray, words: Inventory, rng: np.random.Generator) -> np.ndarray:
    """Draw from ten favourite words of each sender, which do not depend on the topic."""
    pool = np.concatenate([words.general, words.tail[:2000]])
    favourites = rng.choice(pool, (int(mail.senders.max()) + 1, 10))
    drawn: np.ndarray = favourites[mail.senders[owner], rng.integers(10, size=len(owner))]
    return drawn


def overlay_templates(
    numbers: np.ndarray,
    mail: Mail,
    lines: tuple[Sequence[str], Sequence[str]],
    at_end: bool,
    words: Inventory,
    rng: np.random.Generator,
) -> None:
    """Overwrite the first or last words of three quarters of the mails with the sender's template, in place.

    A template is truncated to half of the mail's length.

    Args:
        numbers: word numbers as drawn by `draw_bodies`, shape (sum of lengths,).
        mail: properties of the mails.
        lines: templates of ham and of spam.
        at_end: True for closings, False for openings.
        words: inventory of the corpus.
        rng: generator that selects the mails and fills in names and figures.
    """
    number_of = {word: place for place, word in enumerate(words.words)}
    coded = [[number_of.get(word, -1) for word in line.split()] for group in lines for line in group]
    rows = _pad_lines(coded)
    slots = [
        _pad_lines([[1 if word == slot else 0 for word in line.split()] for group in lines for line in group]) == 1
        for slot in (NAME, NUMBER)
    ]
    sizes = np.array([len(line) for line in coded])
    choice = np.where(mail.labels == 1, len(lines[0]) + mail.senders % len(lines[1]), mail.senders % len(lines[0]))
    ends = np.cumsum(mail.lengths)
    room = np.minimum(sizes[choice], mail.lengths // 2) * (rng.random(len(choice)) < 0.75)
    starts = np.where(at_end, ends - room, ends - mail.lengths)
    for place in range(rows.shape[1]):
        at = np.flatnonzero(place < room)
        text = rows[choice[at], place]
        for slot, pool in zip(slots, (words.names, words.numbers), strict=True):
            text = np.where(slot[choice[at], place], rng.choice(pool, len(at)), text)
        numbers[starts[at] + place] = text


def _pad_lines(lines: list[list[int]]) -> np.ndarray:
    rows = np.full((len(lines), max(map(len, lines))), -1)
    for row, line in zip(rows, lines, strict=True):
        row[: len(line)] = line
    return rows
