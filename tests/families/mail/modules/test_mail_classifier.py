from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from veilbench.bench.accelerator import Accelerator
from veilbench.families.mail.data.clients import EqualClients
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.mail import MailData, Mails
from veilbench.families.mail.data.tokeniser import Tokeniser
from veilbench.families.mail.data.word_counts import word_counts
from veilbench.families.mail.modules.mail_classifier import MailClassifier, append_labels
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.training.whole_epochs import WholeEpochs


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    folder = tmp_path_factory.mktemp("mails")
    corpus = MailCorpus(mails=1_500, tail=1_000, names=300, numbers=300, senders=40)
    data = MailData(corpus, Tokeniser(most_words=4_000), EqualClients(3), split=(0.6, 0.1, 0.1, 0.2))
    data.prepare(folder)
    return data.load(folder)


def fitted(mails: Mails, folder: Path, epochs: int = 3, seed: int = 0, **settings: object) -> MailFilter:
    module = MailClassifier(**settings)  # type: ignore[arg-type]
    model, _ = WholeEpochs(epochs, 64).fit(module, mails, Accelerator("cpu"), np.random.SeedSequence(seed), folder)
    assert isinstance(model, MailFilter)
    return model


def accuracy(mail_filter: MailFilter, mails: Mails) -> float:
    return float(((mail_filter.score(mails.test.tokens) > 0.5) == mails.test.labels).mean())


@pytest.mark.parametrize("settings", [{}, {"dimension": 8, "learning_rate": 0.005}])
def test_it_learns_to_tell_spam_from_ham(mails: Mails, tmp_path: Path, settings: dict[str, object]) -> None:
    assert accuracy(fitted(mails, tmp_path, 5, **settings), mails) > 0.95 > mails.test.labels.mean()


def test_full_batch_descent_is_logistic_regression_by_hand(mails: Mails, tmp_path: Path) -> None:
    rate, steps = 0.01, 4
    module = MailClassifier(optimizer="sgd", learning_rate=rate)
    training = WholeEpochs(steps, len(mails.train))
    model, _ = training.fit(module, mails, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
    x, y = word_counts(mails.train.tokens, mails.vocabulary.size).toarray(), mails.train.labels
    weight, bias = np.zeros(x.shape[1]), 0.0
    for _ in range(steps):
        residual = (1 / (1 + np.exp(-(x @ weight + bias))) - y) / len(y)
        weight, bias = weight - rate * x.T @ residual, bias - rate * residual.sum()
    assert isinstance(model, MailFilter)
    np.testing.assert_allclose(model.weights["embedding.weight"][:, 0], weight, atol=1e-6)
    assert np.abs(weight).max() > 1e-3


def test_the_loss_is_the_mean_over_the_mails_whatever_the_batch(mails: Mails) -> None:
    module = MailClassifier()
    rows = module.start(mails, np.random.SeedSequence(0))
    torch.nn.init.normal_(module.net.embedding.weight)
    whole = module.loss(rows[:90])
    parts = torch.stack([module.loss(rows[:60]) * 60, module.loss(rows[60:90]) * 30]).sum() / 90
    assert torch.allclose(whole, parts, atol=1e-4)


def test_the_same_seed_gives_the_same_filter(mails: Mails, tmp_path: Path) -> None:
    one, two, three = (fitted(mails, tmp_path, 1, seed) for seed in (0, 0, 1))
    assert (one.weights["embedding.weight"] == two.weights["embedding.weight"]).all()
    assert (one.weights["embedding.weight"] != three.weights["embedding.weight"]).any()


def test_with_patience_it_stops_and_keeps_the_best(mails: Mails, tmp_path: Path) -> None:
    module = MailClassifier(dimension=8, learning_rate=0.1, patience=2)
    model, _ = WholeEpochs(60, 64).fit(module, mails, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
    best = int(np.argmin(module.losses))
    assert len(module.losses) == best + 3 < 60
    assert isinstance(model, MailFilter)
    logits = torch.from_numpy(model.logits(mails.validation.tokens))
    kept = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(mails.validation.labels * 1.0))
    assert kept.item() == pytest.approx(module.losses[best], rel=1e-4)


def test_rows_carry_their_label_last(mails: Mails) -> None:
    rows = append_labels(mails.train)
    assert rows.shape == (len(mails.train), 501)
    assert rows[:, -1].tolist() == mails.train.labels.tolist()


def test_momentum_without_sgd_is_refused() -> None:
    with pytest.raises(ValueError, match=r"momentum=0.9 is for optimizer=sgd, not for optimizer=adam"):
        MailClassifier(momentum=0.9)
