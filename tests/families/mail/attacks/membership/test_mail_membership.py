from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mail_cases import mails, untrained
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.trained_model import load_trained_model
from veilbench.bench.verdict import Verdict
from veilbench.families.mail.attacks.membership.attack import MailMembership
from veilbench.families.mail.baselines.marked_mails import MarkedMails
from veilbench.families.mail.baselines.memorised_mails import MemorisedMails
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.families.mail.shadows import ShadowFilters
from veilbench.federated.aggregations.client_local_dp import ClientLocalDp
from veilbench.federated.aggregations.example_dp import ExampleDp
from veilbench.federated.aggregations.gaussian import Gaussian

THREAT = ThreatModel(score_queries=True, auxiliary_data=True)
ALL = ThreatModel(score_queries=True, auxiliary_data=True, weights=True, client_messages=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    return mails(tmp_path_factory.mktemp("mails"))


def small(threat: ThreatModel = THREAT, **settings: Any) -> MailMembership:
    return MailMembership(threat, MemorisedMails(), shadows=ShadowFilters(**{"count": 32} | settings))


def run(target: SpamScorer, data: Mails, attack: MailMembership | None = None, seed: int = 0) -> Findings:
    return (attack or small()).run(target, data, Accelerator("cpu"), np.random.default_rng(seed), control=False)


def overfitted(data: Mails) -> MailFilter:
    """Logistic regression without a penalty."""
    made, bags = untrained(data), np.zeros((len(data.train), data.vocabulary.size))
    np.add.at(bags, (np.nonzero(data.train.tokens)[0], data.train.tokens[data.train.tokens > 0]), 1)
    model = LogisticRegression(C=1e6, max_iter=2_000).fit(bags, data.train.labels)
    made.weights["embedding.weight"] = model.coef_.T.astype(np.float32)
    made.weights["bias.weight"] = model.intercept_[None].astype(np.float32)
    return made


QUERIES = ("confidence", "unused_words", "lira", "lira_offline", "rmia", "bavaria")


def test_an_overfitted_filter_leaks_with_all_controls_passed(data: Mails, tmp_path: Path) -> None:
    memory = ControlMemory(tmp_path, None)
    found = small().examine(overfitted(data), data, Accelerator("cpu"), np.random.SeedSequence(1), memory)
    assert [(c.kind, c.name, c.path, c.passed) for c in found.controls] == [
        ("positive", "MemorisedMails", "confidence", True),
        ("positive", "FewMails", "unused_words", True),
        ("positive", "MarkedMails", "lira", True),
        ("positive", "MarkedMails", "lira_offline", True),
        ("positive", "MemorisedMails", "rmia", True),
        ("positive", "MarkedMails", "bavaria", True),
        ("negative", "MailFilter, mails never seen", "", True),
    ]
    assert found.verdict in (Verdict.LEAKS, Verdict.BROKEN)
    assert found.gain is not None
    assert all(found.gain.value >= 2 * found.metrics[f"{path}_auroc"].value - 1 - 1e-9 for path in QUERIES)
    assert found.gain == found.metrics["queries_gain"]
    assert found.budget is not None
    assert (found.budget.setting, list(found.budget.budgets)) == ("shadow models", [16, 32])
    assert found.budget.gains[1] == pytest.approx(found.gain.value)
    assert "lira_tpr_at_1_percent_fpr" in found.metrics
    assert any("0.1% false positives" in note for note in found.notes)  # too few mails for that


def test_shadows_that_learn_nothing_leave_their_paths_untested(data: Mails, tmp_path: Path) -> None:
    """The memorised mails are broken by a threshold, which is no sign that shadows work."""
    memory, attack = ControlMemory(tmp_path, None), small(learning_rate=1e-9)
    found = attack.examine(untrained(data), data, Accelerator("cpu"), np.random.SeedSequence(1), memory)
    passed = {c.path: c.passed for c in found.controls if c.kind == "positive"}
    assert not passed["lira"]
    assert not passed["bavaria"]
    assert passed["confidence"]
    assert passed["unused_words"]
    assert found.verdict is Verdict.INCONCLUSIVE


def test_the_pool_is_trained_once_for_the_target_and_the_controls(
    data: Mails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []
    logits = ShadowFilters.logits

    def count(self: ShadowFilters, *arguments: Any) -> np.ndarray:
        trained.append(self.count)
        return logits(self, *arguments)

    monkeypatch.setattr(ShadowFilters, "logits", count)
    memory = ControlMemory(tmp_path, None)
    small().examine(untrained(data), data, Accelerator("cpu"), np.random.SeedSequence(1), memory)
    assert sorted(trained) == [8, 32]  # the filters of the planted control, and the pool


def test_memorised_mails_are_broken(data: Mails, tmp_path: Path) -> None:
    """A planted weak scheme."""
    memory, memorised = ControlMemory(tmp_path, None), MemorisedMails().fit(data, np.random.default_rng(0))
    found = small().examine(memorised, data, Accelerator("cpu"), np.random.SeedSequence(1), memory)
    assert found.verdict is Verdict.BROKEN


def test_a_threshold_tells_little_of_marked_mails(data: Mails, tmp_path: Path) -> None:
    made = MarkedMails().fit(data, np.random.default_rng(0))
    game = small().set_up(made, data, Accelerator("cpu"), np.random.default_rng(0))
    threshold, *shadows = (
        small().distinguish(game, [path]).findings.gain for path in ("confidence", "lira", "bavaria")
    )
    assert threshold is not None
    assert all(threshold.high < 0.8 < gain.low for gain in shadows if gain)
    assert all(shadows)
    made.save(tmp_path)
    back = load_trained_model(tmp_path)
    np.testing.assert_array_equal(back.logits(data.test.tokens), made.logits(data.test.tokens))  # type: ignore[attr-defined]


@pytest.mark.parametrize("aggregation", [ExampleDp(1.0, 4.0), ClientLocalDp(1.0, 4.0)])
def test_the_audit_stands_beside_the_attack(data: Mails, aggregation: Gaussian) -> None:
    found = run(untrained(data, aggregation, rounds=2), data)
    assert [table.title for table in found.tables].count("Epsilon, claimed and audited") == 1
    assert found.metrics["epsilon_claimed"] == found.metrics["epsilon"]  # of one mail; of a client likewise
    assert not any("contradicts" in note for note in found.notes)


def test_a_filter_that_has_learned_nothing_tells_nothing(data: Mails) -> None:
    gain = run(untrained(data), data, small(ALL)).metrics["queries_gain"]
    assert gain is not None
    assert gain.low <= 0 <= gain.high


def test_epsilon_and_what_it_allows_stand_beside(data: Mails) -> None:
    found = run(untrained(data, ClientLocalDp(1.0, 4.0), rounds=2), data)
    epsilon = found.metrics["epsilon"].value
    assert epsilon == ClientLocalDp(1.0, 4.0).epsilon(2)
    assert found.metrics["tpr_allowed_at_1_percent_fpr"].value == pytest.approx(np.exp(epsilon) * 0.01 + 1e-5)
    assert found.metrics["epsilon_shown_at_least"].value <= epsilon
    assert "epsilon" not in run(untrained(data), data).metrics


def test_epsilon_of_single_mails_counts_with_every_clients_own_steps(data: Mails) -> None:
    found = run(untrained(data, ExampleDp(1.0, 2.0), rounds=2, local_epochs=3, batch_size=50), data)
    sizes = np.bincount(data.clients)
    assert found.metrics["epsilon"].value == ExampleDp(1.0, 2.0).example_epsilon(2, 3, 50, sizes.tolist())


def test_the_same_seed_gives_the_same_findings(data: Mails) -> None:
    one, again, other = (run(overfitted(data), data, seed=seed).as_dict() for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_a_memory_survives_the_disk(data: Mails, tmp_path: Path) -> None:
    made = MemorisedMails().fit(data, np.random.default_rng(0))
    made.save(tmp_path)
    back = load_trained_model(tmp_path)
    assert isinstance(back, MemorisedMails)
    np.testing.assert_array_equal(back.logits(data.train.tokens) > 0, data.train.labels == 1)
    assert not back.logits(data.test.tokens).any()


def test_bad_settings_are_refused(data: Mails) -> None:
    with pytest.raises(ValueError, match="shadows=7 must be even"):
        small(count=7)
    with pytest.raises(UserError, match="does not grant auxiliary_data"):
        run(untrained(data), data, small(ThreatModel(score_queries=True)))
