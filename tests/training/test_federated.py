from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.families.mail.data.clients import Deal, EqualClients, UnequalClients
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.mail import MailData, Mails
from veilbench.families.mail.data.tokeniser import Tokeniser
from veilbench.families.mail.modules.mail_classifier import MailClassifier
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import HEAD
from veilbench.federated.aggregations.central_dp import CentralDp
from veilbench.federated.aggregations.ckks import Ckks
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.secagg import Secagg
from veilbench.training.federated import Federated
from veilbench.training.whole_epochs import WholeEpochs

SGD = {"optimizer": "sgd", "learning_rate": 0.05}


def mails(folder: Path, clients: Deal) -> Mails:
    corpus = MailCorpus(mails=900, tail=500, names=200, numbers=200, senders=30)
    data = MailData(corpus, Tokeniser(most_words=2_000), clients, split=(0.6, 0.1, 0.1, 0.2))
    data.prepare(folder)
    return data.load(folder)


def weights(model: object) -> np.ndarray:
    assert isinstance(model, MailFilter)
    return np.append(model.weights["embedding.weight"][:, 0], model.weights["bias.weight"])


def fitted(training: Any, data: Mails, folder: Path, seed: int = 0, **module: Any) -> tuple[MailFilter, Findings]:
    model, found = training.fit(
        MailClassifier(**module), data, Accelerator("cpu"), np.random.SeedSequence(seed), folder
    )
    assert isinstance(model, MailFilter)
    return model, found


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    return mails(tmp_path_factory.mktemp("one"), EqualClients(1))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    return mails(tmp_path_factory.mktemp("three"), UnequalClients((100, 100)))


@pytest.mark.parametrize(("rounds", "local", "settings"), [(1, 3, {}), (3, 1, SGD), (1, 3, {"dimension": 4})])
def test_the_federation_of_one_client_is_central_training(
    one: Mails, tmp_path: Path, rounds: int, local: int, settings: dict[str, Any]
) -> None:
    central, _ = fitted(WholeEpochs(3, 64), one, tmp_path, **settings)
    federated, _ = fitted(Federated(Plain(64), rounds, local, 64), one, tmp_path, **settings)
    for name, weight in central.weights.items():
        assert (federated.weights[name] == weight).all(), name
    assert len(one.train) % 64  # the last batch of an epoch is a smaller one, and counts


def test_one_step_of_all_clients_is_one_central_step(three: Mails, tmp_path: Path) -> None:
    """With full batches and plain SGD the mean of updates, by numbers of mails, is the update of the mean."""
    central, _ = fitted(WholeEpochs(1, 10_000), three, tmp_path, **SGD)
    federated, _ = fitted(Federated(Plain(64), 1, 1, 10_000), three, tmp_path, **SGD)
    np.testing.assert_allclose(weights(federated), weights(central), atol=1e-6)
    assert np.abs(weights(central)).max() > 1e-3


def test_encrypted_and_plain_federations_give_the_same_filter_and_both_filter(three: Mails, tmp_path: Path) -> None:
    plain, _ = fitted(Federated(Plain(64)), three, tmp_path)
    encrypted, found = fitted(Federated(Ckks()), three, tmp_path)
    np.testing.assert_allclose(weights(encrypted), weights(plain), atol=1e-5)
    assert (weights(fitted(Federated(Ckks()), three, tmp_path)[0]) == weights(encrypted)).all()  # whatever the keys
    assert ((encrypted.score(three.test.tokens) > 0.5) == three.test.labels).mean() > 0.9
    assert found.metrics["rounds"].value == 3
    assert [len(figure.curves[0].x) for figure in found.figures] == [3, 3, 3]
    assert found.cost["bytes_up"] > 100_000
    assert found.cost["protecting_seconds"] > 0


@pytest.mark.parametrize("fraction", [1.0, 0.67])
def test_secure_aggregation_gives_the_plain_filter_twice_the_same(
    three: Mails, tmp_path: Path, fraction: float
) -> None:
    pytest.importorskip("flwr")
    plain, _ = fitted(Federated(Plain(64), fraction=fraction), three, tmp_path)
    (one, found), (two, _) = (fitted(Federated(Secagg(), fraction=fraction), three, tmp_path) for _ in range(2))
    np.testing.assert_allclose(weights(one), weights(plain), atol=1e-5)
    assert (weights(one) == weights(two)).all()
    assert found.cost["bytes_up"] == HEAD.size + 4 * 2_003
    assert {
        "keys_seconds",
        "shares_seconds",
        "forward_seconds",
        "survivors_seconds",
        "unmask_seconds",
        "rebuilding_seconds",
    } <= found.cost.keys()
    assert 0 < found.cost["messages_bytes_up"] < found.cost["messages_bytes_down"] < 10_000


def test_the_same_seed_gives_the_same_federation(three: Mails, tmp_path: Path) -> None:
    (a, _), (b, _), (c, _) = (fitted(Federated(CentralDp(), fraction=0.5), three, tmp_path, seed) for seed in (0, 0, 1))
    assert (weights(a) == weights(b)).all()
    assert (weights(a) != weights(c)).any()


def test_epsilon_stands_in_the_findings_where_there_is_one(three: Mails, tmp_path: Path) -> None:
    _, found = fitted(Federated(CentralDp(1.0, 4.0), rounds=2), three, tmp_path)
    assert found.metrics["epsilon"].value == CentralDp(1.0, 4.0).epsilon(2)
    assert "epsilon" not in fitted(Federated(Plain(), 1), three, tmp_path)[1].metrics


def test_a_fraction_of_the_clients_takes_part(three: Mails, tmp_path: Path) -> None:
    moved = set()
    for seed in range(8):
        found, _ = fitted(Federated(Plain(64), 1, 2, fraction=0.3), three, tmp_path, seed)
        touched = np.flatnonzero(weights(found)[:-1])
        words = [set(three.train.tokens[three.clients == c].ravel().tolist()) - {0} for c in range(3)]
        moved |= {c for c in range(3) if words[c] == set(touched.tolist())}
    assert len(moved) > 1  # one client each time, and not always the same one


def test_fedprox_holds_clients_to_where_the_round_began(three: Mails, tmp_path: Path) -> None:
    free, held, tight = (
        fitted(Federated(Plain(64), 1, 3, 64, proximal=mu), three, tmp_path, **SGD)[0] for mu in (0.0, 1.0, 10.0)
    )
    sizes = [float(np.linalg.norm(weights(found))) for found in (free, held, tight)]
    assert sizes[0] > sizes[1] > sizes[2] > 0


def test_fedproxs_step_is_the_formulas(one: Mails, tmp_path: Path) -> None:
    """Second full-batch step: the gradient at the first point, plus mu times the way from the beginning."""
    rate, mu = 0.05, 0.7
    first, _ = fitted(Federated(Plain(64), 1, 1, 10_000), one, tmp_path, **SGD)
    free, _ = fitted(Federated(Plain(64), 1, 2, 10_000), one, tmp_path, **SGD)
    held, _ = fitted(Federated(Plain(64), 1, 2, 10_000, proximal=mu), one, tmp_path, **SGD)
    np.testing.assert_allclose(weights(held), weights(free) - rate * mu * weights(first), atol=1e-7)


class Diverging(MailClassifier):
    """One client's loss is not a number: that of the client whose first mail is `poisoned`."""

    poisoned: int

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        made = super().loss(rows)
        return made * float("nan") if len(rows) == self.poisoned else made


def test_a_client_that_sends_nan_is_left_out_and_named(three: Mails, tmp_path: Path) -> None:
    module = Diverging()
    module.poisoned = 100  # the first two clients have as many mails, the third has more
    training = Federated(Plain(), 2, 1, 10_000)
    model, found = training.fit(module, three, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
    assert np.isfinite(weights(model)).all()
    assert [note.split(" was left out")[0] for note in found.notes] == [
        "round 1: client 0",
        "round 1: client 1",
        "round 2: client 0",
        "round 2: client 1",
    ]


def test_a_round_without_a_usable_update_is_an_error(one: Mails, tmp_path: Path) -> None:
    module = Diverging()
    module.poisoned = len(one.train)
    with pytest.raises(UserError, match=r"no client sent a usable update in round 1: .*client 0 was left out"):
        Federated(Plain(), 1, 1, 10_000).fit(module, one, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
