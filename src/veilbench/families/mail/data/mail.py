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
from veilbench.families.mail.data.tokeniser import LONGEST_WORD, Tokeniser, runs_of, within_length
from veilbench.families.mail.data.vocabulary import FIRST_WORD, Vocabulary, packed, unpacked

PARTS = ("train", "validation", "auxiliary", "test")
NAME = "mails"  # name of the file of arrays
RARE_AT_MOST = 3  # a word in at most this many mails is rare, unless the source defines the rare words


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


@dataclass(frozen=True)
class Mails:
    """A corpus, split into parts. No mail is in two parts.

    The attributes are the arrays of one prepared file; they are not grouped further, since each is read by itself.

    Attributes:
        train: mails for training the filter.
        validation: mails for early stopping and learning curves.
        auxiliary: mails that attackers have.
        test: mails on which everything is measured.
        clients: client of each training mail, shape (len(train),), int64.
        vocabulary: mapping from words to numbers.
        lexicon: all words of the corpus, in any part.
        rare: whether each word of the lexicon is sensitive, such as a name or a number, shape (len(lexicon),), bool.
        notes: what was dropped or changed when the data was prepared.
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
        """Sorted word numbers to which a rare word is mapped, without that of the unknown word."""
        numbers = np.array(self.vocabulary.numbers(self.lexicon), np.int64)[self.rare]
        return np.unique(numbers[numbers >= FIRST_WORD])


class MailData(DataSet):
    """Deduplicates and shuffles a source's mails, splits them into four parts, and distributes the training part.

    Args:
        source: loader or generator of the mails.
        tokeniser: splits mails into words and numbers them.
        clients: distributes the training mails to clients.
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
            raise ValueError(f"split={list(split)} must be four positive shares that make 1: {', '.join(PARTS)}")
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
        train, validation, auxiliary, test = (_part(arrays, name, vocabulary.size) for name in PARTS)
        for name, part in zip(PARTS[1:], (validation, auxiliary, test), strict=True):
            require_shape(part.tokens, f"{name}_tokens", (None, train.tokens.shape[1]))
        clients = require_array(arrays, "clients", np.int64, (len(train),), low=0)
        lexicon = unpacked(require_array(arrays, "lexicon", np.uint8, (None,)))
        rare = require_array(arrays, "rare", np.uint8, (len(lexicon),), high=1).astype(bool)
        told = (prepared.field(about, "notes", list[str]), prepared.field(about, "vocabulary_from", str))
        return Mails(train, validation, auxiliary, test, clients, vocabulary, lexicon, rare, *told)


def _part(arrays: Mapping[str, np.ndarray], name: str, numbers: int) -> MailPart:
    """Read one part, whose word numbers must be below `numbers`.

    Raises:
        ValueError: an array is missing, has a wrong shape or type, or is out of range.
    """
    tokens = require_array(arrays, f"{name}_tokens", np.int32, (None, None), low=0, high=numbers - 1)
    labels = require_array(arrays, f"{name}_labels", np.int64, (len(tokens),), low=HAM, high=SPAM)
    return MailPart(tokens, labels, require_array(arrays, f"{name}_topics", np.int64, (len(tokens),), low=0))


def save_mails(mails: Mails, folder: Path) -> None:
    """Write mails to an existing folder, from which `load_mails` reads them."""
    arrays = dict(mails.vocabulary.arrays())
    for name in PARTS:
        part: MailPart = getattr(mails, name)
        arrays |= {f"{name}_tokens": part.tokens, f"{name}_labels": part.labels, f"{name}_topics": part.topics}
    arrays |= {"clients": mails.clients, "lexicon": packed(mails.lexicon), "rare": mails.rare.astype(np.uint8)}
    prepared.write(folder, NAME, arrays, {"notes": mails.notes, "vocabulary_from": mails.vocabulary_from})


def distinct(mails: Sequence[Sequence[str]], labels: np.ndarray, notes: list[str]) -> np.ndarray:
    """Return the indices of the distinct, non-empty mails, in the order of their first appearance.

    Mails with the same words in the same order are duplicates, whatever is between the words. Empty mails and
    duplicates are counted in the notes, as are duplicates whose label differs from that of the first.
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
