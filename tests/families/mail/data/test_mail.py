from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.clients import EqualClients, UnequalClients
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.mail import MailData, Mails, find_distinct
from veilbench.families.mail.data.raw_mails import RawMails
from veilbench.families.mail.data.tokeniser import Tokeniser, split_words
from veilbench.families.mail.data.vocabulary import UNKNOWN


@dataclass
class Given:
    """A source of given texts."""

    texts: Sequence[str]
    labels: Sequence[int]

    def read(self, rng: np.random.Generator) -> RawMails:
        return RawMails(list(self.texts), np.array(self.labels), np.zeros(len(self.labels), np.int64), None, ["given"])


def mails(folder: Path, **settings: object) -> Mails:
    corpus = MailCorpus(mails=400, tail=300, names=200, numbers=300, senders=20)
    given = {"source": corpus, "tokeniser": Tokeniser(most_words=2_000), "clients": EqualClients(4), **settings}
    data = MailData(**given)  # type: ignore[arg-type]
    data.prepare(folder)
    return data.load(folder)


def test_mails_are_dealt_cut_and_labelled_as_in_the_source(tmp_path: Path) -> None:
    found = mails(tmp_path, tokeniser=Tokeniser("clients"))
    raw = MailCorpus(mails=400, tail=300, names=200, numbers=300, senders=20).read(np.random.default_rng(0))
    known = {tuple(split_words(text)): label for text, label in zip(raw.texts, raw.labels, strict=True)}
    words = ["", "?", *found.vocabulary.words]
    for row, label in zip(found.train.tokens, found.train.labels, strict=True):
        assert known[tuple(words[i] for i in row[row > 0])] == label
    assert [len(p) for p in (found.train, found.validation, found.auxiliary, found.test)] == [320, 20, 20, 40]
    assert np.bincount(found.clients).tolist() == [80] * 4


def test_the_clients_vocabulary_knows_training_words_only(tmp_path: Path) -> None:
    found = mails(tmp_path, tokeniser=Tokeniser("clients"))
    assert not (found.train.tokens == UNKNOWN).any()
    assert (found.test.tokens == UNKNOWN).any()


def test_the_same_seed_prepares_the_same_to_the_last_byte(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    one, two, three = mails(tmp_path / "one"), mails(tmp_path / "two"), mails(tmp_path / "three", seed=1)
    assert (tmp_path / "one/mails.safetensors").read_bytes() == (tmp_path / "two/mails.safetensors").read_bytes()
    assert (one.clients == two.clients).all()
    assert one.lexicon != three.lexicon


def test_repeats_and_empty_mails_are_dropped_before_the_split_and_counted(tmp_path: Path) -> None:
    texts = [f"mail {i}" for i in range(40)] + ["Mail, 3!"[:-1], "MAIL 4", "", "...", "mail 5"]
    labels = [i % 2 for i in range(40)] + [1, 1, 0, 0, 1]
    found = mails(tmp_path, source=Given(texts, labels), tokeniser=Tokeniser("clients"), split=(0.4, 0.2, 0.2, 0.2))
    rows = [tuple(row) for part in (found.train, found.validation, found.auxiliary, found.test) for row in part.tokens]
    assert len(rows) == 40
    assert found.notes[:3] == [
        "given",
        "2 mails without a word dropped",
        "3 repeated mails dropped, 1 of them with another label than the first",
    ]


def test_runs_that_are_too_long_for_words_are_counted(tmp_path: Path) -> None:
    class Long:
        def read(self, rng: np.random.Generator) -> RawMails:
            texts = [f"mail number {i} " + "x" * (41 if i < 3 else 40) for i in range(40)]
            return RawMails.read(texts, [i % 2 for i in range(40)], ["first"])

    data = MailData(Long(), Tokeniser(), EqualClients(2))
    data.prepare(tmp_path)
    notes = data.load(tmp_path).notes
    assert notes[:2] == ["first", "3 runs of more than 40 letters left out: encoded attachments and the like"]


def test_distinct_keeps_the_first_of_each() -> None:
    notes: list[str] = []
    kept = find_distinct([["a"], [], ["b"], ["a"], ["a", "b"]], np.array([0, 0, 1, 1, 0]), notes)
    assert kept.tolist() == [0, 2, 4]
    assert len(notes) == 2


def test_rare_words_are_the_sources_or_else_the_seldom_ones_and_numbers(tmp_path: Path) -> None:
    found = mails(tmp_path)
    assert found.rare[found.lexicon.index("the")] == 0
    assert all(found.rare[place] for place, word in enumerate(found.lexicon) if word.isdigit())
    assert set(found.rare_numbers) == set(
        found.vocabulary.to_numbers([w for w, r in zip(found.lexicon, found.rare, strict=True) if r])
    )
    texts = [
        f"common word {'seldom' if i < 3 else ''} {'often' if i < 4 else ''} 77 x{chr(97 + i % 26)}" for i in range(20)
    ]
    (tmp_path / "other").mkdir()
    given = mails(tmp_path / "other", source=Given(texts, [0, 1] * 10), split=(0.25, 0.25, 0.25, 0.25))
    marked = dict(zip(given.lexicon, given.rare, strict=True))
    assert (marked["common"], marked["seldom"], marked["often"], marked["77"]) == (False, True, False, True)


def test_long_mails_are_cut_and_counted(tmp_path: Path) -> None:
    texts = [f"{i} " + "word " * (i * 10) for i in range(20)]
    found = mails(tmp_path, source=Given(texts, [0, 1] * 10), tokeniser=Tokeniser(longest=100), split=(0.25,) * 4)
    assert found.train.tokens.shape == (5, 100)
    assert found.notes[-1] == "10 mails cut to their first 100 words"


def test_mails_that_cannot_be_used_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"by label: \[20, 0\]"):
        mails(tmp_path, source=Given([f"mail {i}" for i in range(20)], [0] * 20))
    with pytest.raises(UserError, match=r"leave nothing of 320 mails"):
        mails(tmp_path, clients=UnequalClients())
    with pytest.raises(UserError, match="the part validation has no mails"):
        mails(tmp_path, source=Given(["a", "b", "c", "d"], [0, 1, 0, 1]))
    with pytest.raises(UserError, match="run `dvc repro prepare`"):
        MailData(MailCorpus(), Tokeniser(), EqualClients()).load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="four positive shares"):
        MailData(MailCorpus(), Tokeniser(), EqualClients(), split=(0.5, 0.5))
