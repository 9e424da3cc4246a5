"""The data set of mail filters: deduplicated, tokenised mails, split into parts and distributed to clients."""

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
from veilbench.families.mail.data.raw_mails import HAM, SPAM, MailSource, check_raw
from veilbench.families.mail.data.tokeniser import LONGEST_WORD, Tokeniser, drop_long_runs, split_runs
from veilbench.families.mail.data.vocabulary import FIRST_WORD, Vocabulary, pack_words, unpack_words

PARTS = ("train", "validation", "auxiliary", "test")
NAME = "mails"  # name of the file of arrays
RARE_AT_MOST = 3  # maximum number of mails with a rare word, for sources that do not define their rare words


@dataclass(frozen=True)
class MailPart:
    """Mails of one part of the data.

    Attributes:
        tokens: word numbers, shape (n, longest), int32; 0 for padding.
        labels: 0 for ham and 1 for spam, shape (n,), int64.
        topics: topic of each mail, shape (n,), int64; 0 for all if the source has none.
    """

    tokens: np.ndarray
    labels: np.ndarray
    topics: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, at: np.ndarray) -> MailPart:
        """Return the mails with the given indices."""
        return MailPart(self.tokens[at], self.labels[at], self.topics[at])

    @classmethod
    def join(cls, *parts: MailPart) -> MailPart:
        """Return the mails of all parts, in their order."""
        tokens, labels, topics = zip(*((part.tokens, part.labels, part.topics) for part in parts), strict=True)
        return cls(np.concatenate(tokens), np.concatenate(labels), np.concatenate(topics))


@dataclass(frozen=True)
class Mails:
    """A corpus, split into four disjoint parts.

    Attributes:
        train: mails for training the filter.
        validation: mails for early stopping and learning curves.
        auxiliary: mails that the attacker has.
        test: mails for evaluations and attacks.
        clients: client of each training mail, shape (len(train),), int64.
        vocabulary: mapping from words to numbers.
        lexicon: all words of the corpus, in any part.
        rare: whether each word of the lexicon is rare, such as a name or a number, shape (len(lexicon),), bool.
        notes: notes about mails and words that were dropped or changed when the data was prepared.
        vocabulary_from: source of the vocabulary: `public`, `hashed` or `clients`.
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
        """Sorted numbers of the rare words, except the number of the unknown word."""
        numbers = np.array(self.vocabulary.to_numbers(self.lexicon), np.int64)[self.rare]
        return np.unique(numbers[numbers >= FIRST_WORD])

    @cached_property
    def unused_numbers(self) -> np.ndarray:
        """Sorted numbers of words that no mail has, except padding and the unknown word."""
        used = np.zeros(self.vocabulary.size, bool)
        for name in PARTS:
            used[getattr(self, name).tokens] = True
        used[:FIRST_WORD] = True
        return np.flatnonzero(~used)


class MailData(DataSet):
    """Deduplicates and shuffles a source's mails, splits them into four parts, and distributes the training part.

    Args:
        source: loader or generator of the mails.
        tokeniser: tokeniser that splits mails into words and numbers them.
        clients: method that distributes the training mails to clients.
        split: shares of train, validation, auxiliary and test; they sum to 1.
        most_mails: maximum number of mails, drawn at random; None uses all.
        seed: seed of the generator, the shuffling and the distribution to clients.
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
            raise ValueError(f"split={list(split)} must be four positive shares that sum to 1: {', '.join(PARTS)}")
        self.source, self.tokeniser, self.clients = source, tokeniser, clients
        self.split, self.most_mails, self.seed = list(split), most_mails, seed

    def prepare(self, folder: Path) -> None:
        """Read or generate the mails, and write mails.safetensors and about.json.

        Raises:
            UserError: the mails cannot be used, for example because a label or a part is missing.
        """
        rng = np.random.default_rng(self.seed)
        raw = check_raw(self.source.read(rng))
        notes = list(raw.notes)
        runs = [split_runs(text) for text in raw.texts]
        mails = [drop_long_runs(mail) for mail in runs]
        if long := sum(map(len, runs)) - sum(map(len, mails)):
            notes.append(
                f"{long:,} runs of more than {LONGEST_WORD} letters left out: encoded attachments and the like"
            )
        kept = find_distinct(mails, raw.labels, notes)
        order = rng.permutation(kept)[: self.most_mails]
        if len(order) < len(kept):
            notes.append(f"{len(order):,} of {len(kept):,} distinct mails taken at random")
        _check_labels(raw.labels[order])
        parts = self._split(order)
        vocabulary = self.tokeniser.fit(mails[i] for i in parts[0])
        tokens = [self.tokeniser.rows([mails[i] for i in part], vocabulary) for part in parts]
        cut = sum(len(mails[i]) > self.tokeniser.longest for i in order)
        notes.append(f"{cut:,} mails cut to their first {self.tokeniser.longest} words")
        arrays = dict(vocabulary.arrays())
        for name, part, rows in zip(PARTS, parts, tokens, strict=True):
            arrays |= {f"{name}_tokens": rows, f"{name}_labels": raw.labels[part], f"{name}_topics": raw.topics[part]}
        arrays["clients"] = self.clients.deal(raw.labels[parts[0]], raw.topics[parts[0]], rng)
        arrays |= _build_lexicon([mails[i] for i in order], raw.rare)
        prepared.write(folder, NAME, arrays, {"notes": notes, "vocabulary_from": self.tokeniser.vocabulary})

    def _split(self, order: np.ndarray) -> list[np.ndarray]:
        ends = np.round(np.cumsum(self.split) * len(order)).astype(int)
        parts = np.split(order, ends[:-1])
        if empty := [name for name, part in zip(PARTS, parts, strict=True) if not len(part)]:
            raise UserError(f"the part {empty[0]} has no mails: {len(order)} mails dealt as {self.split}")
        return parts

    def load(self, folder: Path) -> Mails:
        """Read the files that `prepare` wrote.

        Raises:
            UserError: a file is missing or damaged.
        """
        return load_mails(folder)


def load_mails(folder: Path) -> Mails:
    """Read the files that `MailData.prepare` wrote with any settings.

    Raises:
        UserError: a file is missing or damaged.
    """
    with prepared.read(folder, NAME) as (arrays, about):
        vocabulary = Vocabulary.from_arrays(arrays)
        train, validation, auxiliary, test = (_read_part(arrays, name, vocabulary.size) for name in PARTS)
        for name, part in zip(PARTS[1:], (validation, auxiliary, test), strict=True):
            require_shape(part.tokens, f"{name}_tokens", (None, train.tokens.shape[1]))
        clients = require_array(arrays, "clients", np.int64, (len(train),), low=0)
        lexicon = unpack_words(require_array(arrays, "lexicon", np.uint8, (None,)))
        rare = require_array(arrays, "rare", np.uint8, (len(lexicon),), high=1).astype(bool)
        description = (prepared.field(about, "notes", list[str]), prepared.field(about, "vocabulary_from", str))
        return Mails(train, validation, auxiliary, test, clients, vocabulary, lexicon, rare, *description)


def _read_part(arrays: Mapping[str, np.ndarray], name: str, numbers: int) -> MailPart:
    """Read one part, whose word numbers must be below `numbers`.

    Raises:
        ValueError: an array is missing, has a wrong shape or type, or is out of range.
    """
    tokens = require_array(arrays, f"{name}_tokens", np.int32, (None, None), low=0, high=numbers - 1)
    labels = require_array(arrays, f"{name}_labels", np.int64, (len(tokens),), low=HAM, high=SPAM)
    return MailPart(tokens, labels, require_array(arrays, f"{name}_topics", np.int64, (len(tokens),), low=0))


def save_mails(mails: Mails, folder: Path) -> None:
    """Write mails to an existing folder; `load_mails` is the inverse."""
    arrays = dict(mails.vocabulary.arrays())
    for name in PARTS:
        part: MailPart = getattr(mails, name)
        arrays |= {f"{name}_tokens": part.tokens, f"{name}_labels": part.labels, f"{name}_topics": part.topics}
    arrays |= {"clients": mails.clients, "lexicon": pack_words(mails.lexicon), "rare": mails.rare.astype(np.uint8)}
    prepared.write(folder, NAME, arrays, {"notes": mails.notes, "vocabulary_from": mails.vocabulary_from})


def find_distinct(mails: Sequence[Sequence[str]], labels: np.ndarray, notes: list[str]) -> np.ndarray:
    """Find the first copies of all distinct, non-empty mails.

    Mails with the same words in the same order are duplicates.

    Args:
        mails: words of each mail.
        labels: label of each mail, shape (n,).
        notes: list to which notes are added with the numbers of empty mails, of duplicates, and of duplicates whose
            label differs from that of the first copy.

    Returns:
        Indices of the mails, ascending, int64.
    """
    first: dict[tuple[str, ...], int] = {}
    empty = repeats = two_labels = 0
    for index, mail in enumerate(mails):
        if not mail:
            empty += 1
        elif (original := first.setdefault(tuple(mail), index)) != index:
            repeats += 1
            two_labels += int(labels[original] != labels[index])
    if empty:
        notes.append(f"{empty:,} mails without a word dropped")
    if repeats:
        notes.append(f"{repeats:,} repeated mails dropped, {two_labels:,} of them with another label than the first")
    return np.array(list(first.values()), np.int64)


def _check_labels(labels: np.ndarray) -> None:
    counts = np.bincount(labels, minlength=2)
    if len(counts) > 2 or not counts.all():
        raise UserError(f"a filter needs ham and spam, labelled 0 and 1; there are, by label: {counts.tolist()}")


def _build_lexicon(mails: Sequence[Sequence[str]], rare: frozenset[str] | None) -> dict[str, np.ndarray]:
    """Return the arrays `lexicon` and `rare` of all words in the mails; None as `rare` uses the words' frequencies."""
    counts = Counter(word for mail in mails for word in set(mail))
    words = sorted(counts)
    is_rare = [
        word in rare if rare is not None else counts[word] <= RARE_AT_MOST or word[0].isdigit() for word in words
    ]
    return {"lexicon": pack_words(words), "rare": np.array(is_rare, np.uint8)}
