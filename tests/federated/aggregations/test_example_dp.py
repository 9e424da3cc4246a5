from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from opacus.accountants import PRVAccountant
from scipy.special import gammaln, logsumexp

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.families.mail.data.clients import UnequalClients
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.mail import MailData, Mails
from veilbench.families.mail.data.tokeniser import Tokeniser
from veilbench.families.mail.modules.mail_classifier import MailClassifier
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.example_dp import ExampleDp
from veilbench.federated.aggregations.faulty import Fault, Faulty
from veilbench.federated.aggregations.noise import count_steps
from veilbench.federated.aggregations.releases import Releases
from veilbench.training.federated import Federated

DELTA = 1e-5
STEEP = {"optimizer": "sgd", "learning_rate": 2.0}
CASES = [(1.0, 0.25, 36), (2.0, 0.5, 18), (4.0, 0.01, 1000), (0.8, 0.05, 10)]


def by_whole_orders(sigma: float, rate: float, steps: int) -> float:
    """Mironov, Talwar and Zhang 2019, section 3.3, at whole orders; conversion of Balle et al. 2020, theorem 21."""
    found = []
    for order in range(2, 129):
        k = np.arange(order + 1)
        chosen = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
        terms = chosen + (order - k) * np.log1p(-rate) + k * np.log(rate) + (k * k - k) / (2 * sigma**2)
        renyi = steps * logsumexp(terms) / (order - 1)
        found.append(renyi + np.log1p(-1 / order) - (np.log(DELTA) + np.log(order)) / (order - 1))
    return float(min(found))


@pytest.mark.parametrize(("sigma", "rate", "steps"), CASES)
def test_epsilon_of_sampled_steps_is_the_published_formulas(sigma: float, rate: float, steps: int) -> None:
    found, wanted = Releases(sigma, steps, rate).epsilon(DELTA), by_whole_orders(sigma, rate, steps)
    assert 0.9 * wanted <= found <= 1.001 * wanted  # Opacus tries fractional orders too
    assert found < Releases(sigma, steps).epsilon(DELTA)  # samples help


@pytest.mark.parametrize(("sigma", "rate", "steps"), CASES)
def test_epsilon_is_above_what_another_accountant_finds_and_not_by_much(sigma: float, rate: float, steps: int) -> None:
    """By the law of the privacy loss, numerically (Gopi, Lee and Wutschitz 2021)."""
    other = PRVAccountant()
    other.history = [(sigma, rate, steps)]
    tight = other.get_epsilon(delta=DELTA, eps_error=0.01)
    assert tight - 0.01 <= Releases(sigma, steps, rate).epsilon(DELTA) <= 1.4 * tight


def test_the_client_that_samples_its_mails_most_often_decides() -> None:
    aggregation = ExampleDp(1.0, 2.0)
    found = aggregation.example_epsilon(3, 2, 100, [1_000, 250, 400])
    assert count_steps(250, 100) == 3
    assert found == Releases(2.0, 3 * 2 * 3, 1 / 3).epsilon(DELTA)
    assert found > aggregation.example_epsilon(3, 2, 100, [1_000, 400])
    assert aggregation.epsilon(3) is None  # a whole client is not hidden


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    corpus = MailCorpus(mails=900, tail=500, names=200, numbers=200, senders=30)
    data = MailData(corpus, Tokeniser(most_words=2_000), UnequalClients((100, 100)), split=(0.6, 0.1, 0.1, 0.2))
    folder = tmp_path_factory.mktemp("three")
    data.prepare(folder)
    return data.load(folder)


def fitted(training: Federated, data: Mails, folder: Path, **module: Any) -> tuple[MailFilter, Findings]:
    module = STEEP | module
    model, found = training.fit(MailClassifier(**module), data, Accelerator("cpu"), np.random.SeedSequence(0), folder)
    assert isinstance(model, MailFilter)
    return model, found


def accuracy(model: MailFilter, data: Mails) -> float:
    return float(((model.logits(data.test.tokens) > 0) == data.test.labels).mean())


def test_a_little_noise_leaves_a_filter_and_much_leaves_none(three: Mails, tmp_path: Path) -> None:
    little, found = fitted(Federated(ExampleDp(1.0, 0.1), 3, 3, 32), three, tmp_path)
    much, _ = fitted(Federated(ExampleDp(1.0, 100.0), 3, 3, 32), three, tmp_path)
    assert accuracy(little, three) > 0.9
    assert accuracy(much, three) < 0.7
    assert (little.weights["embedding.weight"] != 0).mean() > 0.99  # noise is on words that nobody has used too
    assert "epsilon" not in found.metrics
    assert any("delta 1e-05" in note for note in found.notes)


def test_the_accountant_counts_the_steps_that_are_taken(
    three: Mails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, step = list[int](), torch.optim.SGD.step

    def counted(self: torch.optim.SGD, *arguments: Any) -> Any:
        taken.append(1)
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", counted)
    _, found = fitted(Federated(ExampleDp(1.0, 2.0), 2, 3, 64), three, tmp_path)
    assert len(taken) == 2 * 3 * (2 + 2 + count_steps(340, 64))
    assert found.metrics["example_epsilon"].value == Releases(2.0, 2 * 3 * 2, 1 / 2).epsilon(DELTA)


def test_the_same_seed_gives_the_same_noise_and_rounds_and_clients_have_their_own(three: Mails, tmp_path: Path) -> None:
    one, again = (fitted(Federated(ExampleDp(), 2), three, tmp_path)[0] for _ in range(2))
    assert (one.weights["embedding.weight"] == again.weights["embedding.weight"]).all()
    unused = np.setdiff1d(np.arange(2, three.vocabulary.size), np.unique(three.train.tokens))
    alone, both = (fitted(Federated(ExampleDp(), n), three, tmp_path)[0] for n in (1, 2))
    first = alone.weights["embedding.weight"][unused, 0]
    second = both.weights["embedding.weight"][unused, 0] - first
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(len(unused))


def test_a_faulty_client_still_trains_privately() -> None:
    inner = ExampleDp(0.5, 3.0)
    assert Faulty(inner, [Fault(0, "dies")]).example_noise() == inner.example_noise()


class Together(MailClassifier):
    examples_apart = False


def test_a_loss_that_is_no_mean_over_examples_is_refused(three: Mails, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="example_dp needs a loss of independent examples; Together has none"):
        Federated(ExampleDp()).fit(Together(), three, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
