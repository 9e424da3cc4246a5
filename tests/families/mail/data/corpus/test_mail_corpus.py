from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from veilbench.families.mail.data.corpus.inventory import create_inventory, draw_figures, invent_words
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.raw_mails import RawMails
from veilbench.families.mail.data.tokeniser import split_words


@cache
def generated(mails: int = 5_000, seed: int = 0, **settings: float) -> RawMails:
    return MailCorpus(mails=mails, **settings).read(np.random.default_rng(seed))  # type: ignore[arg-type]


def accuracy(raw: RawMails, train: int) -> float:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    counts = CountVectorizer(analyzer=split_words).fit(raw.texts[:train])
    fitted = LogisticRegression(solver="liblinear").fit(counts.transform(raw.texts[:train]), raw.labels[:train])
    return float(fitted.score(counts.transform(raw.texts[train:]), raw.labels[train:]))


def test_logistic_regression_is_good_at_it_and_not_perfect() -> None:
    assert all(0.97 <= accuracy(generated(seed=seed), 3_000) <= 0.995 for seed in (0, 1))


def test_it_is_the_disguise_that_makes_it_hard() -> None:
    assert accuracy(generated(disguise=0.5), 3_000) < accuracy(generated(disguise=0), 3_000) - 0.01


def test_the_same_seed_gives_the_same_mails_and_another_seed_others() -> None:
    assert generated(200).texts == generated(200).texts
    assert generated(200).texts != generated(200, seed=1).texts


def test_mails_are_as_long_and_as_often_spam_as_asked() -> None:
    raw = generated(words=(7, 60), spam=0.25)  # type: ignore[arg-type]
    lengths = [len(text.split()) for text in raw.texts]
    assert (min(lengths), max(lengths)) == (7, 60)
    assert abs(raw.labels.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 5_000)


def test_names_and_numbers_are_rare_and_common_words_are_not() -> None:
    raw = generated()
    assert raw.rare is not None
    in_mails: dict[str, int] = {}
    for text in raw.texts:
        for word in set(text.split()):
            in_mails[word] = in_mails.get(word, 0) + 1
    assert np.median([in_mails[word] for word in raw.rare & in_mails.keys()]) <= 5
    assert min(in_mails[word] for word in ("the", "to", "and")) > 2_000
    assert not raw.rare & {"the", "meeting", "viagra"}
    assert all(any(word in raw.rare for word in text.split()) for text in raw.texts if len(text.split()) > 200)


def test_both_labels_share_most_of_what_they_say() -> None:
    raw = generated()
    assert raw.rare is not None
    ham, spam = (
        {w for t, y in zip(raw.texts, raw.labels, strict=True) if y == side for w in t.split()} - raw.rare
        for side in (0, 1)
    )
    assert len(ham & spam) > 2_000
    tokens = [w for t, y in zip(raw.texts, raw.labels, strict=True) if y == 1 for w in t.split() if w not in raw.rare]
    assert np.mean([word in ham for word in tokens]) > 0.9


def test_topics_are_told_and_belong_to_one_label_each() -> None:
    raw = generated()
    assert {int(topic) for topic in raw.topics[raw.labels == 0]} == set(range(6))
    assert {int(topic) for topic in raw.topics[raw.labels == 1]} == set(range(6, 12))


def test_every_word_survives_the_tokeniser() -> None:
    raw = generated(500)
    assert [split_words(text) for text in raw.texts] == [text.split() for text in raw.texts]


def test_an_inventory_has_each_word_once_and_its_kinds_are_apart() -> None:
    stock = create_inventory(500, 300, 200, np.random.default_rng(0))
    assert len(set(stock.words)) == len(stock.words)
    kinds = [set(stock.tail), set(stock.names), set(stock.numbers)]
    assert sum(map(len, kinds)) == len(set.union(*kinds))
    assert all(word.isdigit() for word in stock.words[stock.numbers])
    assert "NAME" in stock.words  # a slot of the templates, never left in a mail
    assert not any(
        {"name", "number"} & {word for word in text.split() if word.isupper()} for text in generated(50).texts
    )


def test_invented_words_and_figures_are_distinct_and_as_many_as_asked() -> None:
    rng = np.random.default_rng(0)
    assert len(set(invent_words(3_000, 2, rng))) == 3_000
    assert len(set(draw_figures(3_000, rng))) == 3_000


@pytest.mark.parametrize("words", [(5,), (9, 5)])
def test_lengths_that_make_no_sense_are_refused(words: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be two numbers, the smaller first"):
        MailCorpus(words=words)
