from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.file_lock import lock_file
from veilbench.bench.findings import Findings
from veilbench.families.mail.data.clients import EqualClients, UnequalClients
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.mail import MailData, Mails
from veilbench.families.mail.data.tokeniser import Tokeniser
from veilbench.families.mail.modules.mail_classifier import MailClassifier
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.central_dp import CentralDp
from veilbench.federated.aggregations.ckks import Ckks
from veilbench.federated.aggregations.faulty import Fault, Faulty, Kind
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.robust import Robust
from veilbench.federated.aggregations.secagg import Secagg
from veilbench.training.federated import Federated


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    folder = tmp_path_factory.mktemp("mails")
    corpus = MailCorpus(mails=900, tail=500, names=200, numbers=200, senders=30)
    made = MailData(corpus, Tokeniser(most_words=2_000), EqualClients(4), split=(0.6, 0.1, 0.1, 0.2))
    made.prepare(folder)
    return made.load(folder)


def fitted(data: Mails, folder: Path, aggregation: Aggregation, **settings: Any) -> tuple[MailFilter, Findings]:
    training = Federated(aggregation, **({"rounds": 2} | settings))
    model, found = training.fit(MailClassifier(), data, Accelerator("cpu"), np.random.SeedSequence(0), folder)
    assert isinstance(model, MailFilter)
    return model, found


def without(data: Mails, client: int) -> Mails:
    """The same federation, had the client never been there; the others keep their numbers."""
    kept = data.clients != client
    train = dataclasses.replace(
        data.train, tokens=data.train.tokens[kept], labels=data.train.labels[kept], topics=data.train.topics[kept]
    )
    return dataclasses.replace(data, train=train, clients=data.clients[kept])


def weights(model: MailFilter) -> np.ndarray:
    return model.weights["embedding.weight"][:, 0]


FAULTS: list[tuple[Kind, str, dict[str, Any]]] = [
    ("dies", "it has gone without an answer", {}),
    ("late", "the deadline was 2 s", {"deadline": 2.0}),
    ("nan", "values are not finite", {}),
    ("wrong shape", "its update has 2002 values instead of 2003", {}),
    ("huge", "long, and at most 100 is allowed", {"largest_norm": 100.0}),
    ("claims more", "it claims the weight 1 instead of 0.25", {}),
    ("rubbish", "a message of 100 bytes is not an update", {}),
]


@pytest.mark.parametrize(("kind", "said", "settings"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_client_with_a_fault_is_named_and_changes_nothing(
    kind: Kind, said: str, settings: dict[str, Any], data: Mails, tmp_path: Path
) -> None:
    faulty = Faulty(Plain(64), [Fault(3, kind, seconds=2.1)])
    model, found = fitted(data, tmp_path, faulty, **settings)
    assert len(found.notes) == 2
    for number, note in enumerate(found.notes, 1):
        assert note.startswith(f"round {number}: client 3 was left out: ")
        assert said in note
    alone, _ = fitted(without(data, 3), tmp_path, Plain(64))
    np.testing.assert_allclose(weights(model), weights(alone), atol=1e-6)
    assert np.abs(weights(model)).max() > 1e-3


INNER = {"plain": Plain(64), "krum": Robust("krum"), "ckks": Ckks(), "secagg": Secagg()}


@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
def test_an_old_update_is_not_taken_twice(inner: Aggregation, data: Mails, tmp_path: Path) -> None:
    _, found = fitted(data, tmp_path, Faulty(inner, [Fault(1, "replays", turn=1)]), rounds=3)
    said = "client 1 was left out: its update is of round 1"
    assert found.notes == [f"round 2: {said}", f"round 3: {said}"]


def test_equal_updates_of_an_honest_client_all_count(tmp_path: Path) -> None:
    """A client with one mail: every round a fresh Adam takes a first step, which has the same length every time."""
    corpus = MailCorpus(mails=900, tail=500, names=200, numbers=200, senders=30)
    tiny = MailData(corpus, Tokeniser(most_words=2_000), UnequalClients((1, 1)), split=(0.6, 0.1, 0.1, 0.2))
    tiny.prepare(tmp_path)
    _, found = fitted(tiny.load(tmp_path), tmp_path, Robust("krum"), rounds=3)
    assert found.notes == []


@pytest.mark.parametrize("kind", ["nan", "rubbish", "wrong shape"])
def test_ciphertexts_that_are_none_are_named(kind: Kind, data: Mails, tmp_path: Path) -> None:
    """With 2,003 values both shapes take one ciphertext: the size that is claimed tells."""
    _, found = fitted(data, tmp_path, Faulty(Ckks(), [Fault(2, kind)]), rounds=1)
    assert found.notes[0].startswith("round 1: client 2 was left out: ")


def test_a_huge_encrypted_update_spoils_a_round_that_then_changes_nothing(data: Mails, tmp_path: Path) -> None:
    """The aggregator cannot measure it; who opens the mean can."""
    with pytest.raises(UserError, match="changed no weight"):
        fitted(data, tmp_path, Faulty(Ckks(), [Fault(2, "huge")]), largest_norm=100.0)
    _, found = fitted(data, tmp_path, Faulty(Ckks(), [Fault(2, "huge", turn=1)]), largest_norm=100.0)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("round 2 changed nothing: the norm of the mean is ")


SECAGG_FAULTS: list[tuple[Kind, str, dict[str, Any]]] = [
    ("dies", "it has gone without an answer", {}),
    ("late", "the deadline was 2 s", {"deadline": 2.0}),
    ("wrong shape", "its update has 2002 values instead of 2003", {}),
    ("huge", "is too large for secure aggregation: at most 8", {}),
    ("claims more", "it claims the weight 1 instead of 0.25", {}),
    ("rubbish", "a message of 100 bytes is not an update", {}),
]


@pytest.mark.parametrize(("kind", "said", "settings"), SECAGG_FAULTS, ids=[fault[0] for fault in SECAGG_FAULTS])
def test_secure_aggregation_recovers_from_a_client_that_has_shared_its_keys_and_then_fails(
    kind: Kind, said: str, settings: dict[str, Any], data: Mails, tmp_path: Path
) -> None:
    pytest.importorskip("flwr")
    model, found = fitted(data, tmp_path, Faulty(Secagg(), [Fault(3, kind, seconds=2.1)]), **settings)
    assert len(found.notes) == 2
    assert all(note.startswith(f"round {n}: client 3 was left out: ") for n, note in enumerate(found.notes, 1))
    assert all(said in note for note in found.notes)
    alone, _ = fitted(without(data, 3), tmp_path, Plain(64))
    np.testing.assert_allclose(weights(model), weights(alone), atol=1e-6)
    assert np.abs(weights(model)).max() > 1e-3


def test_masked_numbers_that_are_none_spoil_a_round_that_then_changes_nothing(data: Mails, tmp_path: Path) -> None:
    """The aggregator cannot tell them; who opens the mean can measure that."""
    pytest.importorskip("flwr")
    faulty = Faulty(Secagg(), [Fault(1, "nan", turn=1)])
    model, found = fitted(data, tmp_path, faulty, largest_norm=100.0)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("round 2 changed nothing: the norm of the mean is ")
    one, _ = fitted(data, tmp_path, Plain(64), rounds=1)
    np.testing.assert_allclose(weights(model), weights(one), atol=1e-6)


def test_too_few_clients_for_secure_aggregation_are_an_error(data: Mails, tmp_path: Path) -> None:
    pytest.importorskip("flwr")
    faults = [Fault(who, "dies", turn=1) for who in (0, 2)]
    with pytest.raises(UserError, match="needs a masked update from 3 of the 4 clients around client 1, and has 2"):
        fitted(data, tmp_path, Faulty(Secagg(), faults))
    with pytest.raises(UserError, match="needs keys from 2 of the 1 clients"):
        fitted(data, tmp_path, Secagg(), fraction=0.25)


def test_too_few_clients_leave_the_model_as_it_was(data: Mails, tmp_path: Path) -> None:
    faults = [Fault(who, "dies", turn=1) for who in (0, 2)]
    one, _ = fitted(data, tmp_path, Plain(64), rounds=1)
    two, found = fitted(data, tmp_path, Faulty(Plain(64), faults), least_clients=3)
    np.testing.assert_array_equal(weights(one), weights(two))
    assert found.notes[-1] == "round 2 changed nothing: 2 of at least 3 clients sent a usable update"


@pytest.mark.parametrize("rule", ["median", "trimmed_mean", "krum"])
def test_a_poisoned_update_that_looks_right_is_a_matter_for_robust_rules(
    rule: Any, data: Mails, tmp_path: Path
) -> None:
    """Nothing of it can be refused without `largest_norm`; the robust rules do not follow it, the mean does."""

    def accuracy(aggregation: Aggregation, **settings: Any) -> float:
        model, found = fitted(data, tmp_path, aggregation, **settings)
        assert not found.notes or settings
        return float(((model.score(data.test.tokens) > 0.5) == data.test.labels).mean())

    usual, fault = accuracy(Plain()), [Fault(0, "poisoned")]
    assert accuracy(Faulty(Robust(rule, 0.25, 1), fault)) > usual - 0.05
    assert accuracy(Faulty(Plain(), fault)) < usual - 0.2
    assert accuracy(Faulty(Plain(), fault), largest_norm=2.0) > usual - 0.05


class Killed(Exception):
    pass


class Stopping(MailClassifier):
    """The server is killed in the middle of its second round."""

    turns = 0

    def configure_optimizers(self) -> Any:
        self.turns += 1
        if self.turns == 7:
            raise Killed
        return super().configure_optimizers()


@pytest.mark.parametrize(
    ("aggregation", "fraction"),
    [(Plain(64), 1.0), (Plain(64), 0.75), (Ckks(), 1.0), (Secagg(), 1.0)],
    ids=["plain", "plain, a fraction", "ckks", "secagg"],
)
def test_a_killed_server_goes_on_from_the_last_whole_round(
    aggregation: Aggregation, fraction: float, data: Mails, tmp_path: Path
) -> None:
    file = tmp_path / "state" / "round.safetensors"
    settings: dict[str, Any] = {"rounds": 3, "fraction": fraction}
    whole, found = fitted(data, tmp_path, aggregation, **settings)
    training = Federated(aggregation, **settings, state=str(file))
    with pytest.raises(Killed):
        training.fit(Stopping(), data, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
    assert {path.name for path in file.parent.iterdir()} == {file.name}  # the lock went with the error
    resumed, again = fitted(data, tmp_path, aggregation, **settings, state=str(file))
    np.testing.assert_array_equal(weights(whole), weights(resumed))
    assert [figure.curves for figure in again.figures] == [figure.curves for figure in found.figures]
    assert file.exists(), "the record is not written yet"
    again_resumed, _ = fitted(data, tmp_path, aggregation, **settings, state=str(file))
    np.testing.assert_array_equal(weights(whole), weights(again_resumed))
    training.forget()
    training.forget()
    assert not file.exists()


def test_noise_is_never_used_twice(data: Mails, tmp_path: Path) -> None:
    """Resumed, the second round's noise is not the first's again."""
    file, dp = tmp_path / "round.safetensors", CentralDp(1e-3, 1e6)  # all is noise
    with pytest.raises(Killed):
        Federated(dp, 2, state=str(file)).fit(Stopping(), data, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
    one, _ = fitted(data, tmp_path, dp, rounds=1)
    two, _ = fitted(data, tmp_path, dp, rounds=2, state=str(file))
    first, second = weights(one), weights(two) - weights(one)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2


def test_epsilon_counts_the_round_that_was_cut_short(data: Mails, tmp_path: Path) -> None:
    file, dp = tmp_path / "round.safetensors", CentralDp(1.0, 1.0)
    for _ in range(2):
        with pytest.raises(Killed):
            Federated(dp, 3, state=str(file)).fit(
                Stopping(), data, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path
            )
    _, found = fitted(data, tmp_path, dp, rounds=3, state=str(file))
    assert found.metrics["epsilon"].value == pytest.approx(dp.epsilon(5))
    assert any(note.startswith("2 rounds were cut short") for note in found.notes)


def test_a_state_of_another_training_or_a_damaged_one_is_refused(data: Mails, tmp_path: Path) -> None:
    file = tmp_path / "round.safetensors"
    with pytest.raises(Killed):
        Federated(Plain(), 2, state=str(file)).fit(
            Stopping(), data, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path
        )
    with pytest.raises(UserError, match="is of another training; name another file, or remove it to start over"):
        fitted(data, tmp_path, Plain(), batch_size=64, state=str(file))
    with pytest.raises(UserError, match=r"training.rounds=1 is not allowed: .* is after 1 rounds"):
        fitted(data, tmp_path, Plain(), rounds=1, state=str(file))
    before = file.read_bytes()
    with lock_file(file), pytest.raises(UserError, match="is being changed by another process"):
        fitted(data, tmp_path, Plain(), rounds=2, state=str(file))
    assert file.read_bytes() == before
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match="is damaged"):
        fitted(data, tmp_path, Plain(), state=str(file))


def test_a_state_that_cannot_be_written_is_one_line(data: Mails, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for state in (tmp_path / "file" / "state", tmp_path):
        with pytest.raises(UserError, match=r"training\.state=.*(cannot|is damaged)|cannot write training\.state="):
            fitted(data, tmp_path, Plain(), rounds=2, state=str(state))
    assert (tmp_path / "file").read_text() == "in the way"
