from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.mail.data.clients import UnequalClients
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.mail import MailData, load_mails
from veilbench.families.mail.data.tokeniser import Tokeniser
from veilbench.families.mail.local_round import ORDER, train_client
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.protocol import Protocol

pytest.importorskip("flwr")

from veilbench.families.mail.flower.in_process import run_in_process

CLIENTS = 5


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    corpus = MailCorpus(mails=700, tail=500, names=200, numbers=200, senders=30)
    MailData(corpus, Tokeniser(most_words=2_000), UnequalClients((60, 60, 60, 60)), split=(0.6, 0.1, 0.1, 0.2)).prepare(
        folder
    )
    return folder


def run(prepared: Path, **settings: Any) -> MailFilter:
    return run_in_process({"prepared": str(prepared), "clients": CLIENTS, "rounds": 2} | settings, CLIENTS)


def test_flowers_average_is_the_weighted_mean_of_the_clients(prepared: Path, tmp_path: Path) -> None:
    made = run(prepared, rounds=1, batch_size=10_000, optimizer="sgd", learning_rate=0.5, out=str(tmp_path))
    mails = load_mails(prepared)
    zeros = dict(
        zip(ORDER, (np.zeros((mails.vocabulary.size, 1), np.float32), np.zeros((1, 1), np.float32)), strict=False)
    )
    protocol = Protocol({}, batch_size=10_000, optimizer="sgd", learning_rate=0.5)
    own = [mails.clients == client for client in range(CLIENTS)]
    updates = [train_client(zeros, mails.train.tokens[at], mails.train.labels[at], protocol, 0) for at in own]
    wanted = np.average(updates, axis=0, weights=[at.sum() for at in own])
    np.testing.assert_allclose(made.weights["embedding.weight"][:, 0], wanted[:-1], atol=1e-6)
    assert np.abs(wanted).max() > 1e-3
    back = load_trained_model(tmp_path)
    assert isinstance(back, MailFilter)
    np.testing.assert_array_equal(back.logits(mails.test.tokens), made.logits(mails.test.tokens))


@pytest.mark.parametrize("strategy", ["fedavg", "fedprox", "trimmed_mean", "median", "krum"])
def test_every_strategy_learns_to_filter(prepared: Path, strategy: str) -> None:
    made, mails = run(prepared, strategy=strategy, batch_size=16, proximal=0.01, malicious=1), load_mails(prepared)
    accuracy = ((made.logits(mails.test.tokens) > 0) == mails.test.labels).mean()
    assert accuracy > 0.85


def test_fedprox_holds_clients_and_fedavg_does_not(prepared: Path) -> None:
    free, held = (
        run(prepared, strategy="fedprox", proximal=mu, local_epochs=4, optimizer="sgd", learning_rate=0.1)
        for mu in (0.0, 5.0)
    )
    sizes = [float(np.linalg.norm(made.weights["embedding.weight"])) for made in (free, held)]
    assert sizes[0] > 1.1 * sizes[1] > 0


def test_bad_settings_are_one_line(prepared: Path) -> None:
    with pytest.raises(UserError, match="strategy=nonesuch is not allowed: one of fedavg, fedprox"):
        run(prepared, strategy="nonesuch")
    with pytest.raises(UserError, match="unknown key colour of the Flower run"):
        run(prepared, colour="red")
