from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mail_cases import mails, untrained
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.findings import BudgetCurve, Findings, Metric
from veilbench.bench.threat import ThreatModel
from veilbench.bench.trained_model import load_trained_model
from veilbench.bench.verdict import Verdict
from veilbench.families.mail.attacks.word_leak.attack import BEST, MEAN, MESSAGE, MailWordLeak
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch, estimate_noise_std, simulate_round
from veilbench.families.mail.attacks.word_leak.round_observer import find_plain_values
from veilbench.families.mail.attacks.word_leak.unprotected import UnprotectedUpdates
from veilbench.families.mail.attacks.word_leak.update import compute_exponents, solve_one_mail
from veilbench.families.mail.baselines.source_leak_test import SourceLeakTest
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.local_round import train_client
from veilbench.families.mail.modules.mail_classifier import MailClassifier
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation, ExampleNoise
from veilbench.federated.aggregations.central_dp import CentralDp
from veilbench.federated.aggregations.ckks import Ckks, CkksAggregator, CkksClient
from veilbench.federated.aggregations.client_local_dp import ClientLocalDp
from veilbench.federated.aggregations.equal_dp import EqualDp
from veilbench.federated.aggregations.example_dp import ExampleDp
from veilbench.federated.aggregations.paillier import Paillier
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.robust import Robust
from veilbench.federated.aggregations.secagg import Secagg
from veilbench.training.federated import Federated

THREAT = ThreatModel(client_messages=True, aggregates=True)
UPDATES = UnprotectedUpdates(mails=(1, 10), local_epochs=(1,), batch_sizes=(4,), clients=(1, 8))
RULES = {
    "plain": Plain(),
    "krum": Robust("krum"),
    "trimmed mean": Robust("trimmed_mean", 0.34),
    "median": Robust("median"),
}
SMALL: dict[str, Any] = {"unprotected": UPDATES, "rounds": (1,)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    return mails(tmp_path_factory.mktemp("mails"))


def run(data: Mails, aggregation: Aggregation, control: bool = True, **settings: Any) -> Findings:
    attack = MailWordLeak(THREAT, SourceLeakTest(), **SMALL | settings)
    return attack.run(untrained(data, aggregation), data, Accelerator("cpu"), np.random.default_rng(0), control)


def test_a_plain_federation_is_broken_with_both_controls_passed(data: Mails, tmp_path: Path) -> None:
    attack = MailWordLeak(THREAT, SourceLeakTest(), **SMALL)
    memory = ControlMemory(tmp_path, None)
    found = attack.examine(untrained(data), data, Accelerator("cpu"), np.random.SeedSequence(0), memory)
    assert found.verdict is Verdict.BROKEN
    assert [(c.kind, c.name, c.passed) for c in found.controls] == [
        ("positive", "SourceLeakTest", True),
        ("negative", "messages lost in noise", True),
    ]
    assert found.controls[0].gain.value == 1  # the source's case, recovered completely
    assert abs(found.controls[1].gain.value) < 0.05
    assert found.budget is None  # of one number of rounds
    assert found.metrics["message_precision"].value == 1
    table = {row[0]: row for row in found.tables[0].rows}
    for seen in (MESSAGE, MEAN):
        assert table[seen][1].value == 1  # type: ignore[union-attr]
        assert table[seen][2].value > 0.9  # type: ignore[union-attr]
    ways = {row[0]: row for row in found.tables[1].rows}
    assert ways["1 mail, one step of SGD, weights of zero"][-1].value == 1  # type: ignore[union-attr]
    assert ways["10 mails"][-1] is None  # counts are solved for one step alone
    assert ways["first round, weights of zero"][2].value > 0.9  # type: ignore[union-attr]
    crowd = next(curve for curve in found.figures[0].curves if curve.name.startswith("precision"))
    assert crowd.y[0] == 1
    assert crowd.y[-1] < 0.6


def test_the_sources_case_gives_counts_and_label_too(data: Mails) -> None:
    target = SourceLeakTest().fit(data, np.random.default_rng(0))
    batch = ClientBatch(data.train.tokens[:1, :5], data.train.labels[:1])
    assert target.protocol is not None
    update = simulate_round(target.weights, target.protocol, [batch], np.random.default_rng(0)).updates[0]
    counts, label = solve_one_mail(update[: data.vocabulary.size], update[data.vocabulary.size])
    words, truth = np.unique(batch.tokens, return_counts=True)
    assert counts == dict(zip(words.tolist(), truth.tolist(), strict=True))
    assert label == batch.labels[0]


@pytest.mark.parametrize(
    ("aggregation", "low", "high"),
    [
        (Robust("median"), 0.9, 1),
        (CentralDp(), 0.9, 1),  # its aggregator is trusted with everything
        (EqualDp(clips="client"), 0.9, 1),  # clipping hides nothing
        (Paillier(encoding="float"), 0.9, 1),
        (ClientLocalDp(1.0, 1.0), -0.05, 0.2),
        (ClientLocalDp(1.0, 1e-6), 0.85, 0.98),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Aggregation) else "",
)
def test_what_a_message_names_depends_on_the_aggregation(
    data: Mails, aggregation: Aggregation, low: float, high: float
) -> None:
    gain = run(data, aggregation).gain
    assert gain is not None
    assert low <= gain.value <= high


@pytest.mark.parametrize("aggregation", [Ckks(), Paillier(encoding="fixed")], ids=lambda value: type(value).__name__)
def test_encrypted_messages_get_no_verdict_and_no_controls(
    data: Mails, aggregation: Aggregation, tmp_path: Path
) -> None:
    """Without the key nothing is read, so a gain of 0 would say nothing about this federation."""
    attack, memory = MailWordLeak(THREAT, SourceLeakTest(), **SMALL), ControlMemory(tmp_path, None)
    found = attack.examine(untrained(data, aggregation), data, Accelerator("cpu"), np.random.SeedSequence(0), memory)
    assert (found.verdict, found.gain, found.controls) == (None, None, [])
    assert found.reason.startswith("not applicable by construction: no message can be read")
    assert found.metrics["mean_recall"].value > 0.8  # what every client learns is still measured


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("padding", [0, 1_000])
def test_plain_updates_under_the_name_of_ckks_are_broken(
    data: Mails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, padding: int
) -> None:
    """A planted weak scheme: the clients do not encrypt, and may put random bytes in front."""

    def send(self: CkksClient, update: np.ndarray, weight: float) -> bytes:
        return np.random.default_rng(0).bytes(padding) + (weight * update).astype(dtype).tobytes()

    def add(self: CkksAggregator, payloads: Any, weights: Any, size: int) -> bytes:
        return np.sum([np.frombuffer(payload[padding:], dtype) for payload in payloads], 0).astype("<f8").tobytes()

    monkeypatch.setattr(CkksClient, "_protect", send)
    monkeypatch.setattr(CkksAggregator, "_combine", add)
    monkeypatch.setattr(CkksClient, "_open", lambda self, payload, size: np.frombuffer(payload, "<f8"))
    attack, memory = MailWordLeak(THREAT, SourceLeakTest(), **SMALL), ControlMemory(tmp_path, None)
    found = attack.examine(untrained(data, Ckks()), data, Accelerator("cpu"), np.random.SeedSequence(0), memory)
    assert found.verdict is Verdict.BROKEN


def test_random_bytes_are_not_taken_for_plain_values() -> None:
    rng = np.random.default_rng(0)
    assert all(
        find_plain_values(rng.bytes(size), 500) is None for size in (500, 2_000, 4_000, 9_999) for _ in range(20)
    )
    update = rng.normal(size=500) * (rng.random(500) < 0.1)
    np.testing.assert_array_equal(find_plain_values(rng.bytes(7) + update.tobytes(), 500), update)  # type: ignore[arg-type]


def test_noise_within_local_training_hides_words_by_its_size(data: Mails) -> None:
    """Without noise a clipped update names every word; the threshold is what silent clients show."""
    steep = {"optimizer": "sgd", "learning_rate": 2.0}
    quiet, loud = (
        MailWordLeak(THREAT, SourceLeakTest(), **SMALL).run(
            untrained(data, ExampleDp(1.0, noise), **steep), data, Accelerator("cpu"), np.random.default_rng(0), True
        )
        for noise in (1e-6, 20.0)
    )
    assert quiet.gain is not None
    assert quiet.gain.value > 0.8
    assert loud.gain is not None
    assert abs(loud.gain.value) < 0.05


def test_what_noise_alone_does_to_a_weight_is_the_formulas(data: Mails) -> None:
    """Of SGD: rate * multiplier * clip / batch, once for each of 3 * 2 steps."""
    target = untrained(data, optimizer="sgd", learning_rate=0.5, batch_size=20, local_epochs=3)
    assert target.protocol is not None
    batch = ClientBatch(data.train.tokens[:40], data.train.labels[:40])
    found = estimate_noise_std(target.weights, target.protocol, batch, ExampleNoise(0.4, 3.0))
    assert found == pytest.approx(0.5 * 3.0 * 0.4 / 20 * 6**0.5, rel=0.05)
    assert estimate_noise_std(target.weights, target.protocol, batch, None) == 0


def test_noise_that_adam_has_bounded_has_the_false_alarms_of_normal_noise(data: Mails) -> None:
    """Four steps of Adam are as long as they can be wherever there is noise alone: its deviation says too much."""
    target = untrained(data, batch_size=10)
    assert target.protocol is not None
    silent = ClientBatch(np.zeros((40, 5), np.int32), np.arange(40) % 2)
    noise = ExampleNoise(1.0, 1.0)
    above = 2 * estimate_noise_std(target.weights, target.protocol, silent, noise)
    seed = 7
    update = train_client(target.weights, silent.tokens, silent.labels, target.protocol, seed, noise)[:-1]
    assert (np.abs(update) > above).mean() == pytest.approx(0.0455, abs=0.015)
    assert (np.abs(update) > 2 * update.std()).mean() < 0.02


def test_adding_up_over_rounds_names_what_noise_hides_in_one(data: Mails) -> None:
    noisy, hidden = (run(data, ClientLocalDp(1.0, noise), False, rounds=(1, 10)) for noise in (0.01, 10.0))
    for findings, least in ((noisy, 0.25), (hidden, None)):
        figure = next(figure for figure in findings.figures if "added up" in figure.title)
        message, means = figure.curves
        assert list(message.x) == [1, 10]
        if least is not None:
            assert message.low[1] > message.high[0]
            assert message.y[1] > message.y[0] + least
            assert means.low[1] > means.high[0]
        else:
            assert abs(message.y[1]) < 0.05
            assert message.low[1] < 0 < message.high[1]


def test_the_gain_is_of_as_many_rounds_as_the_federation_has_had(data: Mails) -> None:
    for had, wanted in ((1, 0), (2, 0), (4, 1), (9, 1), (10, 2)):
        settings = SMALL | {"rounds": (10, 1, 4)}
        target = untrained(data, ClientLocalDp(1.0, 0.03), rounds=had)
        attack = MailWordLeak(THREAT, SourceLeakTest(), **settings)
        found = attack.run(target, data, Accelerator("cpu"), np.random.default_rng(0), False)
        assert found.gain is not None
        curve = next(figure for figure in found.figures if "added up" in figure.title).curves[0]
        assert found.gain.value == curve.y[wanted]
        assert len(set(curve.y)) == 3
        assert found.budget == BudgetCurve("rounds", [1, 4, 10], curve.y)
        table = next(table for table in found.tables if "added up" in table.title)
        assert [row[:2] for row in table.rows[::2]] == [[n, "one client's messages"] for n in ("1", "4", "10")]
        assert found.metrics["message_recall"] == table.rows[2 * wanted][3]


def test_a_mean_is_one_clients_words_under_krum_alone(data: Mails) -> None:
    """Krum hands one client's update to all; the mean of three does not say whose a word is."""
    found = {name: run(data, rule, control=False) for name, rule in RULES.items()}
    krum = found["krum"].metrics
    assert krum["mean_as_one_client_precision"].value == 1
    assert krum["mean_as_one_client_recall"].value > 0.9
    assert found["plain"].metrics["mean_as_one_client_precision"].value < 0.95
    assert found["trimmed mean"].metrics["mean_recall"] == found["median"].metrics["mean_recall"]  # of three clients
    for name in ("krum", "median"):
        assert found[name].metrics["mean_recall"].value < 0.9  # words of one client, or of the others, are lost
    rows = {row[0]: row[1:] for row in found["krum"].tables[0].rows}
    assert isinstance(rows[MESSAGE][4], Metric)
    assert rows[MESSAGE][4].value > 0.9
    assert rows[BEST][0] == krum["mean_as_one_client_precision"]


def test_a_vocabulary_that_clients_build_tells_every_word_under_encryption(tmp_path: Path) -> None:
    """The lists are the gain; with hashed words the same federation tells nothing."""
    found, words = {}, {}
    for kind in ("hashed", "clients"):
        (folder := tmp_path / kind).mkdir()
        words[kind] = mails(folder, vocabulary=kind)  # type: ignore[arg-type]
        attack = MailWordLeak(THREAT, SourceLeakTest(), **SMALL)
        memory = ControlMemory(tmp_path, None)
        target = untrained(words[kind], Ckks())
        found[kind] = attack.examine(target, words[kind], Accelerator("cpu"), np.random.SeedSequence(0), memory)
    assert (found["hashed"].verdict, found["hashed"].gain, found["hashed"].notes) == (None, None, [])
    assert found["clients"].verdict is Verdict.BROKEN
    assert found["clients"].gain.value == 1  # type: ignore[union-attr]
    assert [control.passed for control in found["clients"].controls] == [True, True]
    assert abs(found["clients"].controls[1].gain.value) < 0.05  # lists are no part of controls
    assert len(found["clients"].notes) == 1
    rows = {row[0]: row for row in found["clients"].tables[0].rows}
    assert [getattr(share, "value", share) for share in rows["one client's word list, to the aggregator"][1:]] == [
        *[1] * 4,
        None,
    ]
    data = words["clients"]
    used = {int(number) for mail in data.train.tokens for number in mail} - {0, 1}
    common = rows["the common vocabulary, to every client"]
    assert isinstance(common[1], Metric)
    assert (common[1].value, common[1].n) == (len(used) / len(data.vocabulary.words), len(data.vocabulary.words))
    elsewhere = len(data.lexicon) - len(used)  # words of the corpus that no client has used
    wrong = len(data.vocabulary.words) - len(used)
    assert elsewhere > 30
    assert found["clients"].metrics["mean_gain"].value == pytest.approx(1 - wrong / elsewhere)
    silent = "the vocabulary (hashed): nothing is sent to make it"
    assert [silent, *[None] * 5] in found["hashed"].tables[0].rows


@pytest.mark.parametrize(("aggregation", "tables"), [(Plain(), 3), (Ckks(), 2), (ExampleDp(1.0, 20.0), 2)])
def test_only_a_plain_federation_has_unprotected_updates(data: Mails, aggregation: Aggregation, tables: int) -> None:
    found = run(data, aggregation, control=False)
    assert len(found.tables) == tables
    assert len(found.figures) == tables - 1


def test_secure_aggregation_hides_a_message_and_its_masks_are_what_does_it(
    data: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading of masked numbers is measured: without the masks between clients it names the words."""
    pytest.importorskip("flwr")
    found = run(data, Secagg(), control=False)
    assert found.gain is None
    assert found.reason.startswith("not applicable by construction")
    assert "The clients trust in an aggregator that follows the protocol" in found.notes[0]
    assert found.metrics["mean_recall"].value > 0.8  # what the aggregate itself gives to everybody
    table = {row[0]: row for row in found.tables[0].rows}
    assert table[MESSAGE][2].value == 0  # type: ignore[union-attr]
    name = "veilbench.federated.aggregations.secagg_client.apply_sign"
    monkeypatch.setattr(name, lambda numbers, first, second: 0 * numbers)
    bare = run(data, Secagg()).gain
    assert bare is not None
    assert bare.value > 0.9


def test_the_exponents_are_phes() -> None:
    phe = pytest.importorskip("phe")
    public, _ = phe.paillier.generate_paillier_keypair(n_length=256)
    values = np.concatenate([np.random.default_rng(0).normal(size=50) * 10.0 ** np.arange(-25, 25), [0.0, 1.0, -0.5]])
    wanted = [phe.EncodedNumber.encode(public, float(value)).exponent for value in values]
    np.testing.assert_array_equal(compute_exponents(values), wanted)


def test_the_round_is_the_one_that_the_federation_would_run(data: Mails, tmp_path: Path) -> None:
    """A federation of one round from zero, and a second one; the attack's round from the first's end is the same."""
    training, module = Federated(Plain(64), 1, 1, 10_000), MailClassifier(optimizer="sgd", learning_rate=0.5)
    target, _ = training.fit(module, data, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
    target.save(tmp_path)
    back = load_trained_model(tmp_path)
    assert isinstance(back, MailFilter)
    assert back.protocol is not None
    assert back.protocol.settings() == target.protocol.settings()  # type: ignore[attr-defined]
    module = MailClassifier(optimizer="sgd", learning_rate=0.5)
    two, _ = Federated(Plain(64), 2, 1, 10_000).fit(
        module, data, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path
    )
    batches = [
        ClientBatch(data.train.tokens[data.clients == c], data.train.labels[data.clients == c]) for c in range(3)
    ]
    made = simulate_round(back.weights, back.protocol, batches, np.random.default_rng(0))
    assert isinstance(two, MailFilter)
    moved = two.weights["embedding.weight"][:, 0] - back.weights["embedding.weight"][:, 0]
    np.testing.assert_allclose(np.average(made.updates, 0, made.weights)[:-1], moved, atol=1e-6)
    assert np.abs(moved).max() > 1e-3


def test_the_same_seed_gives_the_same_findings(data: Mails) -> None:
    one, again = (run(data, ClientLocalDp(), control=False).as_dict() for _ in range(2))
    assert one == again


def test_a_filter_without_a_federation_and_a_threat_without_messages_are_refused(data: Mails) -> None:
    target = untrained(data)
    target.protocol = None
    attack = MailWordLeak(THREAT, SourceLeakTest(), **SMALL)
    with pytest.raises(NotImplementedError, match="not trained in a federation"):
        attack.run(target, data, Accelerator("cpu"), np.random.default_rng(0), True)
    attack = MailWordLeak(ThreatModel(), SourceLeakTest(), **SMALL)
    with pytest.raises(Exception, match="does not grant client_messages"):
        attack.run(untrained(data), data, Accelerator("cpu"), np.random.default_rng(0), True)


def test_lists_of_words_count_for_the_federation_and_not_for_a_control(tmp_path: Path) -> None:
    words = mails(tmp_path, vocabulary="clients")
    attack = MailWordLeak(THREAT, SourceLeakTest(), **SMALL)
    gains = []
    for control in (False, True):
        found = attack.run(untrained(words, Ckks()), words, Accelerator("cpu"), np.random.default_rng(0), control)
        gains.append(found.gain and found.gain.value)
    assert gains == [1, None]
