"""Observers of membership: who sees what, which paths apply, and what words, weights and updates tell."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from mail_cases import mails, untrained
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.membership import updates
from veilbench.families.mail.attacks.membership.attack import MailMembership
from veilbench.families.mail.attacks.membership.observers import NO_ROUNDS, UNREADABLE, explain_missing
from veilbench.families.mail.attacks.membership.optimum import score_optimum
from veilbench.families.mail.attacks.membership.words import query_words, score_words
from veilbench.families.mail.baselines.few_mails import FewMails
from veilbench.families.mail.baselines.logistic_filter import LogisticFilter
from veilbench.families.mail.baselines.memorised_mails import MemorisedMails
from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.families.mail.shadow_pool import join_mails
from veilbench.families.mail.shadows import ShadowFilters
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.ckks import Ckks
from veilbench.federated.aggregations.paillier import Paillier
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.secagg import Secagg
from veilbench.metrics.membership import auroc

ALL = ThreatModel(score_queries=True, auxiliary_data=True, weights=True, client_messages=True)
CPU = Accelerator("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    return mails(tmp_path_factory.mktemp("mails"))


def attack(threat: ThreatModel = ALL) -> MailMembership:
    return MailMembership(threat, MemorisedMails(), shadows=ShadowFilters(8))


def run(target: SpamScorer, data: Mails, threat: ThreatModel = ALL) -> Findings:
    return attack(threat).run(target, data, CPU, np.random.default_rng(0), control=False)


def fitted(data: Mails) -> MailFilter:
    return LogisticFilter().fit(data, np.random.default_rng(0))


def ask(data: Mails) -> tuple[MailPart, int]:
    """Return the training and test mails, and the number of the former."""
    return MailPart.join(data.train, data.test), len(data.train)


@pytest.mark.parametrize(
    ("aggregation", "reasons"),
    [
        (Plain(), {}),
        (Ckks(), {"moved_rows": UNREADABLE, "fedmia": UNREADABLE}),
        (Secagg(), {"moved_rows": UNREADABLE, "fedmia": UNREADABLE}),
        (Paillier(encoding="fixed"), {"moved_rows": UNREADABLE, "fedmia": UNREADABLE}),
        (Paillier(encoding="float"), {"fedmia": "it needs the values of the updates of 3 clients"}),
    ],
)
def test_the_aggregator_is_left_out_where_it_reads_nothing(
    data: Mails, aggregation: Aggregation, reasons: dict[str, str]
) -> None:
    missing = explain_missing(ALL, untrained(data, aggregation), 3)
    assert {path: reason for path, reason in missing.items() if reason and path != "optimum"} == reasons


def test_an_aggregation_that_claims_encryption_and_sends_plain_values_is_read(
    data: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted weak scheme."""
    plain = Plain()
    monkeypatch.setattr(Ckks, "setup", lambda self, clients, seeds: plain.setup(clients, seeds))
    assert not explain_missing(ALL, untrained(data, Ckks()), 3)["moved_rows"]


def test_paths_that_do_not_apply_or_are_not_granted_have_reasons(data: Mails) -> None:
    central = replace_protocol(untrained(data))
    missing = explain_missing(ALL, central, 3)
    assert (missing["moved_rows"], missing["fedmia"]) == (NO_ROUNDS, NO_ROUNDS)
    assert not missing["zero_rows"]
    assert explain_missing(ALL, MemorisedMails(), 3)["zero_rows"].startswith("not applicable by construction")
    granted = replace(ALL, weights=False)
    assert explain_missing(granted, central, 3)["zero_rows"] == "the threat model does not grant weights"
    assert "fedmia" in {p for p, reason in explain_missing(ALL, untrained(data), 2).items() if reason}  # two clients


def test_one_attack_decides_on_each_filter_by_itself(data: Mails) -> None:
    one_weight = fitted(data)
    wide = {name: np.repeat(values, 2, 1) for name, values in one_weight.weights.items()}
    tried, several = attack(), MailFilter(wide, one_weight.vocabulary, one_weight.longest)
    one_weight.inverse_penalty = None
    assert "zero_rows" in tried.paths(one_weight, data)
    assert "zero_rows" not in tried.paths(several, data)


def test_a_filter_whose_optimum_is_known_is_kept_so_that_no_other_takes_its_place(data: Mails) -> None:
    tried = attack()
    game = tried.set_up(fitted(data), data, CPU, np.random.default_rng(0))
    target = weakref.ref(game.target)
    tried.score("optimum", game)
    del game
    gc.collect()
    assert target() is not None


def replace_protocol(target: MailFilter) -> MailFilter:
    return MailFilter(target.weights, target.vocabulary, target.longest)


def test_findings_name_each_observer_and_its_paths(data: Mails) -> None:
    found = run(untrained(data), data)
    assert {"queries_gain", "weights_gain", "aggregator_gain", "moved_rows_first_client_auroc"} <= set(found.metrics)
    (table,) = (table for table in found.tables if table.title == "Membership by observer and path")
    assert [row[0] for row in table.rows] == ["queries"] * 6 + ["weights"] * 2 + ["aggregator"] * 2
    rows = {row[2]: row for row in table.rows}
    assert rows["moved_rows"][3] == found.metrics["moved_rows_auroc"]
    assert rows["optimum"][3] is None
    assert any(note.startswith("weights, optimum: not applicable by construction") for note in found.notes)
    assert found.gain is not None
    assert found.gain.value == max(found.metrics[f"{who}_gain"].value for who in ("queries", "weights", "aggregator"))


def test_words_that_never_moved_are_found_by_queries_as_in_the_weights(data: Mails) -> None:
    target, (asked, n) = fitted(data), ask(data)
    moved = query_words(target, asked.tokens, data.vocabulary.size)
    used = np.unique(asked.tokens[asked.tokens > 0])
    np.testing.assert_array_equal(moved[used], target.weights["embedding.weight"][used, 0] != 0)
    scores = score_words(asked.tokens, moved, data.auxiliary.tokens, n)
    unused = np.array([(~moved[mail[mail > 0]]).any() for mail in asked.tokens])
    assert not unused[:n].any()  # no word of a training mail is unused
    assert unused[n:].any()
    assert scores[unused].max() < scores[~unused].min()


def test_words_count_by_how_probable_it_is_that_another_mail_moved_them() -> None:
    tokens = np.array([[2, 3, 3], [2, 0, 0], [2, 4, 5]])
    known = np.array([[2, 0, 0], [2, 3, 0], [2, 2, 2]])
    shares = {2: 3.5 / 4, 3: 1.5 / 4, 4: 0.5 / 4}
    weight = {word: -np.log(1 - (1 - share) ** 10) for word, share in shares.items()}
    moved = np.array([False, False, True, True, True, False])
    wanted = [weight[2] + weight[3], weight[2], weight[2] + weight[4] - 1_000]
    np.testing.assert_allclose(score_words(tokens, moved, known, 10), wanted)


def test_the_optimum_names_the_training_mails_of_a_converged_fit(data: Mails) -> None:
    target, pool, n = fitted(data), join_mails(data), len(data.train)
    scores = score_optimum(target, pool, n)
    assert auroc(scores[:n], scores[n:]) > 0.97
    assert scores[:n].mean() > scores[n:].mean() + 0.5
    shuffled = replace(pool, labels=1 - pool.labels)  # with other labels nothing adds up
    wrong = score_optimum(target, shuffled, n)
    assert auroc(wrong[:n], wrong[n:]) < 0.9


def test_the_optimum_breaks_a_penalised_fit_with_its_control_passed(data: Mails, tmp_path: Path) -> None:
    threat = replace(ALL, client_messages=False)
    memory, seeds = ControlMemory(tmp_path, None), np.random.SeedSequence(0)
    found = attack(threat).examine(fitted(data), data, CPU, seeds, memory)
    assert found.gain is not None
    assert found.gain.low == found.metrics["weights_gain"].low
    assert found.metrics["weights_gain"].low > found.metrics["queries_gain"].value
    assert {c.path: c.passed for c in found.controls if c.path in ("zero_rows", "optimum")} == {
        "zero_rows": True,
        "optimum": True,
    }


def read(data: Mails, **settings: Any) -> updates.ReadUpdates:
    protocol = untrained(data, **settings).protocol
    assert protocol is not None
    return updates.read_updates(protocol, data, np.random.default_rng(0))


def test_the_aggregator_tells_whose_mail_it_is(data: Mails) -> None:
    seen, (asked, n) = read(data), ask(data)
    scores = updates.score_moved_rows(seen, asked, data.auxiliary.tokens)
    for client in range(3):
        own = np.append(data.clients == client, np.zeros(len(asked) - n, bool))
        assert auroc(scores[client][own], scores[client][~own]) > 0.9
    words = [np.unique(mail[mail > 0]) for mail in data.train.tokens[data.clients == 1]]
    assert (seen.values[:, 1, np.concatenate(words)] != 0).any(0).mean() > 0.99


def test_updates_that_cannot_be_read_tell_nothing(data: Mails) -> None:
    seen = read(data, aggregation=Secagg(), rounds=1)
    assert not seen.values.any()
    assert seen.sizes.tolist() == np.bincount(data.clients).tolist()


def test_fedmia_is_the_law_of_the_other_clients_cosines() -> None:
    """Against a plain loop over clients, mails and rounds."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((2, 4, 7)) * (rng.random((2, 4, 7)) < 0.7)
    part = MailPart(rng.integers(0, 6, (5, 3)), np.array([0, 1, 1, 0, 1]), np.zeros(5, int))
    cosines = np.empty((2, 4, 5))
    for at, tokens in enumerate(part.tokens):
        gradient = np.append(np.bincount(tokens[tokens > 0], minlength=6), 1) * (2 * part.labels[at] - 1)
        for one, client in np.ndindex(2, 4):
            update = values[one, client]
            cosines[one, client, at] = update @ gradient / np.linalg.norm(update) / np.linalg.norm(gradient)
    seen = updates.ReadUpdates(values, np.ones(4))
    np.testing.assert_allclose(updates.measure_cosines(seen, part), cosines)
    made = updates.score_fedmia(seen, part)
    for client in range(4):
        rest = np.delete(cosines, client, axis=1)
        deviation = np.sqrt(rest.var(1, ddof=1).mean(1, keepdims=True))
        wanted = norm.logcdf(cosines[:, client], rest.mean(1), deviation).sum(0)
        np.testing.assert_allclose(made[client], wanted)


def test_the_control_of_words_and_updates_is_broken_on_each_of_its_paths(data: Mails) -> None:
    chosen, target = attack(), untrained(data)
    cases = [case for case in chosen.control_cases(target, data) if isinstance(case.scheme, FewMails)]
    assert [case.path for case in cases] == ["unused_words", "zero_rows", "moved_rows", "fedmia"]
    for case in cases:
        scheme = FewMails().fit(data, np.random.default_rng(0))
        gain = chosen.run_control(case, scheme, data, CPU, np.random.default_rng(0)).gain
        assert gain is not None
        assert gain.low > 0.8, case.path


def test_few_mails_are_saved_as_their_settings(data: Mails) -> None:
    made = FewMails(30, 10)
    assert FewMails.restore(made.settings(), made.arrays()).settings() == {"mails": 30, "clients": 10}
    assert not made.logits(data.test.tokens).any()
    kept = made.keep(data)
    assert (len(kept.train), kept.clients.tolist()) == (30, [*range(10)] * 3)
    assert len(kept.test) == 30
    own = np.concatenate([kept.train.tokens[:, 0], kept.test.tokens[:, 0]])
    assert len(np.unique(own)) == 60
    assert np.isin(own, data.unused_numbers).all()
