from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from mail_cases import mails, untrained
from veilbench.bench.accelerator import Accelerator
from veilbench.families.mail.attacks.word_leak.accumulator import Accumulator, Knowledge, WordEvidence, observe_rounds
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch, Clients
from veilbench.families.mail.attacks.word_leak.round_observer import Observation, Round, RoundObserver
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.modules.mail_classifier import MailClassifier
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.ckks import Ckks
from veilbench.federated.aggregations.paillier import Paillier
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.robust import Robust
from veilbench.training.federated import Federated


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    return mails(tmp_path_factory.mktemp("mails"))


def clients_of(data: Mails) -> Clients:
    own = [data.clients == who for who in range(3)]
    return Clients([ClientBatch(data.train.tokens[at], data.train.labels[at]) for at in own])


def rounds_of(data: Mails, aggregation: Aggregation, rounds: int) -> list[tuple[Round, Knowledge]]:
    target, clients = untrained(data, aggregation), clients_of(data)
    assert target.protocol is not None
    observer = RoundObserver(aggregation, 3, np.random.SeedSequence(0))
    seen = observe_rounds(target.weights, target.protocol, observer, lambda: clients, np.random.default_rng(0), 2.0)
    return list(islice(seen, rounds))


def test_without_noise_a_row_that_moved_once_is_named_even_when_it_moves_back() -> None:
    evidence, step = WordEvidence(6, 1), np.array([0, 0, 0.5, 0, -0.25, 0, 9.0])  # the last value is no row's
    evidence.add(step, 0.0)
    evidence.add(-step, 0.0)
    evidence.add(np.array([3, 3, 0, 0, 0, 2.0, 0]), 0.0)  # padding and the unknown word are no words
    evidence.add(None, 0.0)
    named = evidence.guess(2.0)
    assert named.words.tolist() == [2, 4, 5]
    assert named.labels is not None
    assert named.labels.tolist() == [0, 0, 0, 0, 0, 1]
    assert evidence.guess(2.0, signed=False).labels is None


@pytest.mark.parametrize("rounds", [1, 4, 16])
def test_noise_averages_out_as_the_root_of_the_rounds_and_false_alarms_stay(rounds: int) -> None:
    rng, rows, signal = np.random.default_rng(rounds), 40_000, 0.8
    there = np.arange(rows) % 2 * signal
    evidence = WordEvidence(rows, 1)
    for _ in range(rounds):
        evidence.add(there + rng.normal(size=rows), 1.0)
    named = np.isin(np.arange(rows), evidence.guess(2.0).words)
    above, shift = 2 if rounds == 1 else norm.isf(norm.sf(2) / 2), signal * rounds**0.5
    by_sum = norm.sf(above - shift) + norm.sf(above + shift)
    assert -0.01 < named[1::2].mean() - by_sum < (0.01 if rounds == 1 else 0.06)
    assert (0.039 if rounds == 1 else 0.03) < named[::2].mean() < 2 * norm.sf(2) + 0.006


def test_what_stands_out_once_is_not_lost_in_the_sum() -> None:
    rng, rows = np.random.default_rng(0), 20_000
    once = np.arange(rows) % 2 * 5.0
    evidence = WordEvidence(rows, 1)
    for number in range(16):
        evidence.add(once * (number == 3) + rng.normal(size=rows), 1.0)
    named = np.isin(np.arange(rows), evidence.guess(2.0).words)
    assert named[1::2].mean() > 0.9
    assert norm.sf(2 - 5 / 16**0.5) < 0.3  # what the sum alone would have named
    assert named[::2].mean() < 2 * norm.sf(2) + 0.006


def test_rows_of_several_numbers_are_named_by_any_of_them_and_lean_nowhere() -> None:
    evidence = WordEvidence(4, 2)
    evidence.add(np.array([0, 0, 0, 0, 0, 1.5, 0.5, 0]), 0.5)
    assert evidence.guess(2.0).words.tolist() == [2]
    assert evidence.guess(2.0).labels is None


def test_each_client_has_the_threshold_of_its_own_noise() -> None:
    updates = np.tile([0, 0, 1.0, 0], (2, 1))
    played = Round(updates, np.array([0.5, 0.5]), 4, 1, np.array([0.1, 10.0]))
    observation = Observation([updates[0], updates[1]], played.noise_std, updates[0], 0.0)
    knowledge = Accumulator(played, 2.0).add(observation, Clients([]))
    assert [words.tolist() for words in knowledge.guesses()] == [[2], []]


def test_the_rounds_are_those_that_the_federation_goes_on_with(data: Mails, tmp_path: Path) -> None:
    """Two rounds from where a federation of one has ended bring it where one of three ends."""
    settings, whole = {"optimizer": "sgd", "learning_rate": 0.5}, 10_000
    ends = {}
    for rounds in (1, 3):
        module, seeds = MailClassifier(**settings), np.random.SeedSequence(0)  # type: ignore[arg-type]
        ends[rounds], _ = Federated(Plain(64), rounds, 1, whole).fit(module, data, Accelerator("cpu"), seeds, tmp_path)
    one, three = ends[1], ends[3]
    assert isinstance(one, MailFilter)
    assert isinstance(three, MailFilter)
    assert one.protocol is not None
    clients, observer = clients_of(data), RoundObserver(Plain(64), 3, np.random.SeedSequence(0))
    seen = observe_rounds(one.weights, one.protocol, observer, lambda: clients, np.random.default_rng(0), 2.0)
    added = sum(np.average(played.updates, 0, played.weights) for played, _ in islice(seen, 2))
    moved = three.weights["embedding.weight"][:, 0] - one.weights["embedding.weight"][:, 0]
    np.testing.assert_allclose(np.asarray(added)[:-1], moved, atol=1e-6)
    assert np.abs(moved).max() > 1e-3


def test_clients_with_a_limit_draw_other_mails_in_each_round_and_the_truth_grows(data: Mails) -> None:
    drawn: list[Clients] = []

    def draw() -> Clients:
        at = np.arange(3) + 3 * len(drawn)
        drawn.append(Clients([ClientBatch(data.train.tokens[at], data.train.labels[at])]))
        return drawn[-1]

    for limit, calls in ((3, 4), (None, 1)):
        drawn.clear()
        target = untrained(data, mails=limit)
        assert target.protocol is not None
        observer = RoundObserver(Plain(), 1, np.random.SeedSequence(0))
        seen = observe_rounds(target.weights, target.protocol, observer, draw, np.random.default_rng(0), 2.0)
        known = [knowledge for _, knowledge in islice(seen, 4)]
        assert len(drawn) == calls
        assert len(known[-1].clients.batches[0].labels) == 3 * calls
        truth = set(data.train.tokens[: 3 * calls].ravel().tolist()) - {0, 1}
        assert set(known[-1].clients.pooled.words.tolist()) == truth
        assert set(known[-1].messages[0].words.tolist()) <= truth
        assert len(known[-1].messages[0].words) > 0.9 * len(truth)


def test_nothing_read_stays_nothing_however_often(data: Mails) -> None:
    (_, first), *_, (_, last) = rounds_of(data, Ckks(), 3)
    for knowledge in (first, last):
        assert [len(words) for words in knowledge.guesses()] == [0, 0, 0]
    assert len(last.mean.words) >= len(first.mean.words) > 100  # everybody opens the means


def test_the_exponents_of_floats_name_words_and_no_label(data: Mails) -> None:
    ((_, plain),) = rounds_of(data, Plain(), 1)
    ((_, exponents),) = rounds_of(data, Paillier(encoding="float"), 1)
    assert exponents.messages[0].labels is None
    assert plain.messages[0].labels is not None
    np.testing.assert_array_equal(exponents.messages[0].words, plain.messages[0].words)
    np.testing.assert_array_equal(exponents.mean.words, plain.mean.words)


def test_krums_mean_is_one_clients_update_and_names_that_clients_words(data: Mails) -> None:
    ((played, knowledge),) = rounds_of(data, Robust("krum"), 1)
    apart = [((played.updates[i] - played.updates) ** 2).sum(1) for i in range(3)]  # nearest of 3 - 0 - 2 = 1 other
    chosen = int(np.argmin([np.delete(apart[i], i).min() for i in range(3)]))
    np.testing.assert_array_equal(knowledge.mean.words, knowledge.messages[chosen].words)
    assert all(len(np.setdiff1d(knowledge.messages[i].words, knowledge.mean.words)) for i in range(3) if i != chosen)
