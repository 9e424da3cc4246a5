from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opacus.accountants import RDPAccountant

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.mail.attacks.word_leak.attack import MailWordLeak
from veilbench.families.mail.attacks.word_leak.unprotected import UnprotectedUpdates
from veilbench.families.mail.baselines.source_leak_test import SourceLeakTest
from veilbench.families.mail.data.clients import UnequalClients
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.mail import MailData, Mails, load_mails, save_mails
from veilbench.families.mail.data.tokeniser import Tokeniser
from veilbench.families.mail.flower.settings import FlowerPrivacy, FlowerStrategy
from veilbench.families.mail.flower.training import Flower
from veilbench.families.mail.modules.mail_classifier import MailClassifier
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.equal_dp import EqualDp
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.robust import Robust
from veilbench.training.federated import Federated

pytest.importorskip("flwr")

SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.5}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    folder = tmp_path_factory.mktemp("mails")
    corpus = MailCorpus(mails=900, tail=500, names=200, numbers=200, senders=30)
    clients = UnequalClients((100, 100, 100))
    made = MailData(corpus, Tokeniser(most_words=2_000), clients, split=(0.6, 0.1, 0.1, 0.2))
    made.prepare(folder)
    return made.load(folder)


def fitted(training: Any, data: Mails, folder: Path, seed: int = 0, **module: Any) -> tuple[MailFilter, Findings]:
    seeds = np.random.SeedSequence(seed)
    model, found = training.fit(MailClassifier(**module), data, Accelerator("cpu"), seeds, folder)
    assert isinstance(model, MailFilter)
    return model, found


def numbers(model: MailFilter) -> np.ndarray:
    return np.concatenate([weight.ravel() for _, weight in sorted(model.weights.items())])


def test_mails_that_are_saved_are_the_ones_that_are_loaded(data: Mails, tmp_path: Path) -> None:
    save_mails(data, tmp_path)
    back = load_mails(tmp_path)
    assert back.vocabulary.to_numbers(data.lexicon) == data.vocabulary.to_numbers(data.lexicon)
    assert (back.lexicon, back.notes) == (data.lexicon, data.notes)
    for one, other in ((back.rare, data.rare), (back.clients, data.clients), (back.test.tokens, data.test.tokens)):
        np.testing.assert_array_equal(one, other)
    assert back.train.labels.dtype == data.train.labels.dtype


@pytest.mark.parametrize("settings", [{}, {"dimension": 3}])
def test_with_whole_batches_flowers_federation_is_our_own(
    data: Mails, tmp_path: Path, settings: dict[str, Any]
) -> None:
    ours, _ = fitted(Federated(Plain(64), 2, 1, 10_000), data, tmp_path, **SGD, **settings)
    theirs, _ = fitted(Flower(rounds=2, batch_size=10_000), data, tmp_path, **SGD, **settings)
    np.testing.assert_allclose(numbers(theirs), numbers(ours), atol=2e-6)
    assert np.abs(numbers(ours)).max() > 1e-3


def test_the_rounds_are_curves_and_the_last_is_what_the_filter_does(data: Mails, tmp_path: Path) -> None:
    model, found = fitted(Flower(), data, tmp_path)
    assert [figure.title for figure in found.figures][-2:] == [
        "Training: validation loss",
        "Training: validation accuracy",
    ]
    assert all(list(figure.curves[0].x) == [1, 2, 3] for figure in found.figures)
    probability, spam = model.score(data.validation.tokens), data.validation.labels == 1
    entropy = -np.log(np.where(spam, probability, 1 - probability)).mean()
    assert found.metrics["validation_loss"].value == pytest.approx(entropy, rel=1e-6)
    assert found.metrics["validation_accuracy"].value == ((probability > 0.5) == spam).mean() > 0.7
    losses = list(found.figures[-2].curves[0].y)
    assert losses == sorted(losses, reverse=True)


def test_the_same_seed_gives_the_same_filter_and_a_fraction_is_drawn(data: Mails, tmp_path: Path) -> None:
    one, two = (fitted(Flower(fraction=0.5), data, tmp_path)[0] for _ in range(2))
    assert (numbers(one) == numbers(two)).all()
    seen = set()
    for seed in range(6):
        made, _ = fitted(
            Flower(rounds=1, local_epochs=2, fraction=0.25, batch_size=10_000), data, tmp_path, seed, **SGD
        )
        touched = set(np.flatnonzero(made.weights["embedding.weight"][:, 0]).tolist())
        words = [set(data.train.tokens[data.clients == c].ravel().tolist()) - {0} for c in range(4)]
        seen |= {c for c in range(4) if words[c] == touched}
    assert len(seen) > 1


@pytest.mark.parametrize("strategy", ["fedavg", "fedprox", "trimmed_mean", "median", "krum"])
def test_the_filter_says_by_which_rule_it_was_averaged(data: Mails, tmp_path: Path, strategy: Any) -> None:
    """And the rule is what one round of it gives: our own rules on the same updates."""
    settings = {"share": 0.25, "malicious": 0}  # with one malicious client of four the two nearest tie
    made, _ = fitted(
        Flower(strategy=FlowerStrategy(strategy, **settings), rounds=1, batch_size=10_000), data, tmp_path, **SGD
    )
    assert made.protocol is not None
    rule = build(dict(made.protocol.aggregation))
    assert isinstance(rule, Robust) == (strategy in ("trimmed_mean", "median", "krum"))
    ours, _ = fitted(Federated(rule, 1, 1, 10_000), data, tmp_path, **SGD)
    np.testing.assert_allclose(numbers(made), numbers(ours), atol=2e-6)


@pytest.mark.parametrize("privacy", ["server_side_fixed", "client_side_fixed"])
def test_under_privacy_flowers_federation_is_our_own_with_equal_clients_and_says_so(
    data: Mails, tmp_path: Path, privacy: Any
) -> None:
    """Without noise worth speaking of; and the findings have what the accountant says of noise that is."""
    quiet, _ = fitted(
        Flower(rounds=2, batch_size=10_000, privacy=FlowerPrivacy(privacy, clip=0.05, noise_multiplier=1e-6)),
        data,
        tmp_path,
        **SGD,
    )
    assert quiet.protocol is not None
    rule = build(dict(quiet.protocol.aggregation))
    assert isinstance(rule, EqualDp)
    assert f"{rule.clips}_side_fixed" == privacy
    ours, _ = fitted(Federated(rule, 2, 1, 10_000), data, tmp_path, **SGD)
    np.testing.assert_allclose(numbers(quiet), numbers(ours), atol=2e-6)
    plain, _ = fitted(Flower(rounds=2, batch_size=10_000), data, tmp_path, **SGD)
    assert np.abs(numbers(plain) - numbers(ours)).max() > 1e-3


def test_epsilon_is_printed_as_opacus_has_it(data: Mails, tmp_path: Path) -> None:
    _, found = fitted(
        Flower(rounds=4, privacy=FlowerPrivacy("server_side_fixed", noise_multiplier=2.0, delta=1e-4)), data, tmp_path
    )
    for name, noise in (("epsilon", 2.0), ("example_epsilon", 1.0)):
        accountant = RDPAccountant()
        for _ in range(4):
            accountant.step(noise_multiplier=noise, sample_rate=1.0)
        assert found.metrics[name].value == pytest.approx(accountant.get_epsilon(delta=1e-4))
    assert found.notes[-1] == "Epsilon by Opacus' Renyi accountant: 4 rounds, delta 0.0001."
    assert "update_norm" not in found.metrics
    _, found = fitted(Flower(rounds=1), data, tmp_path)
    assert "epsilon" not in found.metrics
    assert "update_norm" in found.metrics


def test_words_of_a_filter_trained_so_leak_to_the_aggregator_and_not_through_the_mean(
    data: Mails, tmp_path: Path
) -> None:
    model, _ = fitted(Flower(privacy=FlowerPrivacy("client_side_fixed")), data, tmp_path)
    threat = ThreatModel(client_messages=True, aggregates=True)
    updates = UnprotectedUpdates(mails=(1, 10), local_epochs=(1,), batch_sizes=(32,), clients=(1,))
    attack = MailWordLeak(threat, SourceLeakTest(), unprotected=updates)
    memory = ControlMemory(tmp_path, None)
    found = attack.examine(model, data, Accelerator("cpu"), np.random.SeedSequence(0), memory)
    assert [control.passed for control in found.controls] == [True, True]
    assert found.verdict is Verdict.BROKEN
    assert found.gain is not None
    assert found.gain.value > 0.9
    assert abs(found.metrics["mean_gain"].value) < 0.1
    assert model.protocol is not None
    assert isinstance(model.protocol.build_aggregation(), EqualDp)


def test_bad_settings_are_refused(monkeypatch: pytest.MonkeyPatch, data: Mails, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"proximal=0\.1 is for name=fedprox, not for name=krum"):
        FlowerStrategy("krum", proximal=0.1)
    with pytest.raises(ValueError, match=r"privacy=client_side_fixed is for strategy=fedavg or fedprox, not for stra"):
        Flower(strategy=FlowerStrategy("median"), privacy=FlowerPrivacy("client_side_fixed"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="simulation needs the package ray"):
        fitted(Flower("simulation"), data, tmp_path)


@pytest.mark.slow
@pytest.mark.loopback
@pytest.mark.parametrize("runs", ["simulation", "deployed"])
@pytest.mark.parametrize("privacy", ["none", "client_side_fixed"])
def test_all_three_ways_give_the_same_filter(data: Mails, tmp_path: Path, runs: Any, privacy: Any) -> None:
    if runs == "simulation":
        pytest.importorskip("ray")
    alone, found = fitted(Flower(batch_size=64, privacy=FlowerPrivacy(privacy)), data, tmp_path)
    other, again = fitted(Flower(runs, batch_size=64, privacy=FlowerPrivacy(privacy)), data, tmp_path)
    np.testing.assert_allclose(numbers(other), numbers(alone), atol=1e-5)
    for figure, same in zip(found.figures, again.figures, strict=True):
        assert figure.title == same.title
        np.testing.assert_allclose(same.curves[0].y, figure.curves[0].y, rtol=1e-3)
