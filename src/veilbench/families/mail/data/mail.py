"""Mails for a filter: read, cleared of repeats, cut into numbered words, dealt into parts and to clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench import prepared
from veilbench.bench.checked_arrays import require_array, require_shape
from veilbench.bench.contracts import DataSet
from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, Seed, Share
from veilbench.families.mail.data.clients import Deal
from veilbench.families.mail.data.raw_mails import HAM, SPAM, MailSource, checked
from veilbench.families.mail.data.tokeniser import LONGEST_WORD, Tokeniser, runs_of, within_length
from veilbench.families.mail.data.vocabulary import FIRST_WORD, Vocabulary, packed, unpacked

PARTS = ("train", "validation", "auxiliary", "test")
NAME = "mails"  # of the arrays' file
RARE_AT_MOST = 3  # mails that a word may stand in and still be rare, where the source does not say what is


@dataclass(frozen=True)
class MailPart:
    """Mails of one part.

    Attributes:
        tokens: shape (n, longest), int32: word numbers, 0 for padding.
        labels: shape (n,), int64: 0 ham, 1 spam.
        topics: shape (n,), int64.
    """

    tokens: np.ndarray
    labels: np.ndarray
    topics: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Mails:
    """A corpus, dealt. No mail is in two parts.

    Attributes:
        train: what the filter learns from.
        validation: what it is stopped by.
        auxiliary: what attackers have.
        test: what everything is measured on.
        clients: shape (n of train,), int64: whose mail each is.
        vocabulary: what the words' numbers mean.
        lexicon: every word of the corpus, in any part.
        rare: shape (len(lexicon),), bool: names, numbers and the like, which would hurt when leaked.
        notes: what was done to the data.
        vocabulary_from: what the vocabulary was made of, see `Tokeniser`.
    """

    train: MailPart
    validation: MailPart
    auxiliary: MailPart
    test: MailPart
    clients: np.ndarray
    vocabulary: Vocabulary
    lexicon: list[str]
    rare: np.ndarray
    notes: list[str] = field(default_factory=list)
    vocabulary_from: str = "hashed"

    @cached_property
    def rare_numbers(self) -> np.ndarray:
        """Word numbers that a rare word falls on, sorted; the unknown word's is none of them."""
        numbers = np.array(self.vocabulary.numbers(self.lexicon), np.int64)[self.rare]
        return np.unique(numbers[numbers >= FIRST_WORD])


class MailData(DataSet):
    """A source's mails without repeats, shuffled, dealt into four parts; the training part dealt to clients.

    Args:
        source: the loader or generator.
        tokeniser: cuts and numbers the words.
        clients: deals the training mails.
        split: shares of train, validation, auxiliary and test; together 1.
        most_mails: take a random part of the source's mails, at most this many; None takes all.
        seed: generates, shuffles and deals.
    """

    data_kind = Mails

    def __init__(
        self,
        source: MailSource,
        tokeniser: Tokeniser,
        clients: Deal,
        split: Sequence[Share] = (0.8, 0.05, 0.05, 0.1),
        most_mails: Annotated[Count, Ge(4)] | None = None,
        seed: Seed = 0,
    ) -> None:
        if len(split) != 4 or min(split) <= 0 or abs(sum(split) - 1) > 1e-6:
            raise ValueError(f"split={list(split)} must be four positive shares that make 1: {', '.join(PARTS)}")
        self.source, self.tokeniser, self.clients = source, tokeniser, clients
        self.split, self.most_mails, self.seed = list(split), most_mails, seed

    def prepare(self, folder: Path) -> None:
        """Read or generate, and write mails.safetensors and about.json.

        Raises:
            UserError: the mails cannot be used as they are; the line says why.
        """
        rng = np.random.default_rng(self.seed)
        raw = checked(self.source.read(rng))
        notes = list(raw.notes)
        runs = [runs_of(text) for text in raw.texts]
        mails = [within_length(mail) for mail in runs]
        if long := sum(map(len, runs)) - sum(map(len, mails)):
            notes.append(
                f"{long:,} runs of more than {LONGEST_WORD} letters left out: encoded attachments and the like"
            )
        kept = distinct(mails, raw.labels, notes)
        order = rng.permutation(kept)[: self.most_mails]
        if len(order) < len(kept):
            notes.append(f"{len(order):,} of {len(kept):,} distinct mails taken at random")
        _both_labels(raw.labels[order])
        parts = self._deal(order)
        vocabulary = self.tokeniser.fit(mails[i] for i in parts[0])
        tokens = [self.tokeniser.rows([mails[i] for i in part], vocabulary) for part in parts]
        cut = sum(len(mails[i]) > self.tokeniser.longest for i in order)
        notes.append(f"{cut:,} mails cut to their first {self.tokeniser.longest} words")
        arrays = dict(vocabulary.arrays())
        for name, part, rows in zip(PARTS, parts, tokens, strict=True):
            arrays |= {f"{name}_tokens": rows, f"{name}_labels": raw.labels[part], f"{name}_topics": raw.topics[part]}
        arrays["clients"] = self.clients.deal(raw.labels[parts[0]], raw.topics[parts[0]], rng)
        arrays |= _lexicon([mails[i] for i in order], raw.rare)
        prepared.write(folder, NAME, arrays, {"notes": notes, "vocabulary_from": self.tokeniser.vocabulary})

    def _deal(self, order: np.ndarray) -> list[np.ndarray]:
        ends = np.round(np.cumsum(self.split) * len(order)).astype(int)
        parts = np.split(order, ends[:-1])
        if empty := [name for name, part in zip(PARTS, parts, strict=True) if not len(part)]:
            raise UserError(f"the part {empty[0]} has no mails: {len(order)} mails dealt as {self.split}")
        return parts

    def load(self, folder: Path) -> Mails:
        """Read what `prepare` wrote.

        Raises:
            UserError: a file is missing or damaged.
        """
        return load_mails(folder)


def load_mails(folder: Path) -> Mails:
    """Read what `MailData.prepare` wrote, whatever its settings were.

    Raises:
        UserError: a file is missing or damaged.
    """
    with prepared.read(folder, NAME) as (arrays, about):
        vocabulary = Vocabulary.from_arrays(arrays)
        train, validation, auxiliary, test = (_part(arrays, name, vocabulary.size) for name in PARTS)
        for name, part in zip(PARTS[1:], (validation, auxiliary, test), strict=True):
            require_shape(part.tokens, f"{name}_tokens", (None, train.tokens.shape[1]))
        clients = require_array(arrays, "clients", np.int64, (len(train),), low=0)
        lexicon = unpacked(require_array(arrays, "lexicon", np.uint8, (None,)))
        rare = require_array(arrays, "rare", np.uint8, (len(lexicon),), high=1).astype(bool)
        told = (prepared.field(about, "notes", list[str]), prepared.field(about, "vocabulary_from", str))
        return Mails(train, validation, auxiliary, test, clients, vocabulary, lexicon, rare, *told)


def _part(arrays: Mapping[str, np.ndarray], name: str, numbers: int) -> MailPart:
    """One part, whose words have numbers below `numbers`.

    Raises:
        ValueError: its arrays are not what `prepare` writes.
    """
    tokens = require_array(arrays, f"{name}_tokens", np.int32, (None, None), low=0, high=numbers - 1)
    labels = require_array(arrays, f"{name}_labels", np.int64, (len(tokens),), low=HAM, high=SPAM)
    return MailPart(tokens, labels, require_array(arrays, f"{name}_topics", np.int64, (len(tokens),), low=0))


def save_mails(mails: Mails, folder: Path) -> None:
    """The inverse of `load_mails`, into an existing folder."""
    arrays = dict(mails.vocabulary.arrays())
    for name in PARTS:
        part: MailPart = getattr(mails, name)
        arrays |= {f"{name}_tokens": part.tokens, f"{name}_labels": part.labels, f"{name}_topics": part.topics}
    arrays |= {"clients": mails.clients, "lexicon": packed(mails.lexicon), "rare": mails.rare.astype(np.uint8)}
    prepared.write(folder, NAME, arrays, {"notes": mails.notes, "vocabulary_from": mails.vocabulary_from})


def distinct(mails: Sequence[Sequence[str]], labels: np.ndarray, notes: list[str]) -> np.ndarray:
    """Places of the mails that have words, each once, in the order of their first appearance.

    Mails with the same words in the same order are the same, whatever stands between the words. Mails without a
    word and repeats are counted in the notes, and among the repeats those with another label than the first.
    """
    first: dict[tuple[str, ...], int] = {}
    empty = repeats = two_labels = 0
    for place, mail in enumerate(mails):
        if not mail:
            empty += 1
        elif (seen := first.setdefault(tuple(mail), place)) != place:
            repeats += 1
            two_labels += int(labels[seen] != labels[place])
    if empty:
        notes.append(f"{empty:,} mails without a word dropped")
    if repeats:
        notes.append(f"{repeats:,} repeated mails dropped, {two_labels:,} of them with another label than the first")
    return np.array(list(first.values()), np.int64)


def _both_labels(labels: np.ndarray) -> None:
    counts = np.bincount(labels, minlength=2)
    if len(counts) > 2 or not counts.all():
        raise UserError(f"a filter needs ham and spam, labelled 0 and 1; there are, by label: {counts.tolist()}")


def _lexicon(mails: Sequence[Sequence[str]], rare: frozenset[str] | None) -> dict[str, np.ndarray]:
    counted = Counter(word for mail in mails for word in set(mail))
    words = sorted(counted)
    hurts = [word in rare if rare is not None else counted[word] <= RARE_AT_MOST or word[0].isdigit() for word in words]
    return {"lexicon": packed(words), "rare": np.array(hurts, np.uint8)}
