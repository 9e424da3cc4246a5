from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mail_cases import mails
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.mail.attacks.poison import MailPoison, draw_unused_words
from veilbench.families.mail.attacks.rogue_clients import RogueClients, prepend_words
from veilbench.families.mail.baselines.plain_federation import PlainFederation
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.ckks import Ckks
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.robust import Robust
from veilbench.federated.protocol import Protocol, describe_aggregation

THREAT = ThreatModel(rogue_clients=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    return mails(tmp_path_factory.mktemp("mails"))


def filter_of(data: Mails, aggregation: Aggregation) -> MailFilter:
    made = PlainFederation().fit(data, np.random.default_rng(0))
    made.protocol = Protocol(describe_aggregation(aggregation))
    return made


def run(data: Mails, aggregation: Aggregation, **settings: Any) -> Findings:
    attack = MailPoison(THREAT, PlainFederation(), **settings)
    return attack.run(filter_of(data, aggregation), data, Accelerator("cpu"), np.random.default_rng(0), False)


def test_a_plain_federation_is_broken_with_both_controls_passed(data: Mails, tmp_path: Path) -> None:
    attack, memory = MailPoison(THREAT, PlainFederation()), ControlMemory(tmp_path, None)
    found = attack.examine(filter_of(data, Plain()), data, Accelerator("cpu"), np.random.SeedSequence(0), memory)
    assert found.verdict is Verdict.BROKEN
    assert [(c.kind, c.name, c.passed) for c in found.controls] == [
        ("positive", "PlainFederation", True),
        ("negative", "rogue clients that label truthfully", True),
    ]
    assert found.budget is not None
    assert found.budget.setting == "rogue clients"
    assert (list(found.budget.budgets), found.budget.gains[1]) == ([1, 2], found.gain and found.gain.value)
    assert found.metrics["accuracy_backdoor"].value > found.metrics["accuracy_none"].value - 0.02  # nobody notices
    assert found.metrics["accuracy_flipped_labels_enlarged"].value < 0.7


def test_a_backdoor_that_spoils_the_filter_for_all_mails_fails_the_negative_control(
    data: Mails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the trigger to work whatever it is taught as, the gain would not be the poison's."""
    backdoor = RogueClients.backdoor

    def untruthful(self: RogueClients, *args: Any) -> np.ndarray:
        return backdoor(self, *args[:-1], 0)

    monkeypatch.setattr(RogueClients, "backdoor", untruthful)
    attack, memory = MailPoison(THREAT, PlainFederation()), ControlMemory(tmp_path, None)
    found = attack.examine(filter_of(data, Plain()), data, Accelerator("cpu"), np.random.SeedSequence(0), memory)
    assert [control.passed for control in found.controls] == [True, False]
    assert found.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("rule", [Robust("median"), Robust("trimmed_mean", 0.2), Robust("krum", malicious=2)])
def test_robust_rules_hold_where_the_mean_falls(data: Mails, rule: Robust) -> None:
    found = run(data, rule)
    assert found.gain is not None
    assert abs(found.gain.value) < 0.05
    assert found.metrics["accuracy_flipped_labels_enlarged"].value > 0.9
    rows = {row[0]: row for row in found.tables[0].rows}
    assert rows["backdoor"][2] == found.metrics["spam_passing_with_trigger"]


def test_encryption_is_no_help_against_poison(data: Mails) -> None:
    found = run(data, Ckks())
    assert found.gain is not None
    assert found.gain.low > 0.8


def test_the_same_seed_gives_the_same_findings(data: Mails) -> None:
    one, again = (run(data, Plain()).as_dict() for _ in range(2))
    assert one == again


def test_a_trigger_is_of_words_that_no_mail_has_and_stands_in_front(data: Mails) -> None:
    words = draw_unused_words(data, 4, np.random.default_rng(0))
    for part in (data.train, data.validation, data.auxiliary, data.test):
        assert not np.isin(part.tokens, words).any()
    longer = prepend_words(data.test.tokens[:3], words)
    assert longer.shape == data.test.tokens[:3].shape
    np.testing.assert_array_equal(longer[:, :4], np.tile(words, (3, 1)))
    np.testing.assert_array_equal(longer[:, 4:], data.test.tokens[:3, :-4])
    with pytest.raises(UserError, match="trigger=100000 words that no mail has cannot be chosen"):
        draw_unused_words(data, 100_000, np.random.default_rng(0))


def test_bad_settings_are_refused(data: Mails) -> None:
    with pytest.raises(ValueError, match=r"rogue\.count=5 must be fewer than half of clients=10"):
        MailPoison(THREAT, PlainFederation(), rogue=RogueClients(5))
    with pytest.raises(UserError, match="does not grant rogue_clients"):
        MailPoison(ThreatModel(), PlainFederation()).run(
            filter_of(data, Plain()), data, Accelerator("cpu"), np.random.default_rng(0), True
        )


def test_rogue_clients_send_their_updates_in_place_of_honest_ones(data: Mails, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are rogue, and whatever they send, the federation has the same number of clients."""
    clients, setup = list[int](), Plain.setup

    def counted(self: Plain, count: int, seeds: np.random.SeedSequence) -> Any:
        clients.append(count)
        return setup(self, count, seeds)

    monkeypatch.setattr(Plain, "setup", counted)
    found = run(data, Plain(), clients=7, rogue=RogueClients(3))
    assert clients == [7] * 5  # nobody rogue, each of three kinds, and half of the rogue clients
    assert found.tables[0].title == "3 rogue clients of 7"


def test_every_unused_word_may_be_drawn_and_neither_padding_nor_the_unknown_word() -> None:
    """Ten words of which mails of the four parts have 3, 5, 6 and 9; not one has padding or an unknown word."""
    parts = {
        name: SimpleNamespace(tokens=np.array([[word, 5]]))
        for name, word in (("train", 3), ("validation", 6), ("auxiliary", 9), ("test", 3))
    }
    some = Mails(**parts, clients=np.zeros(1), vocabulary=SimpleNamespace(size=12), lexicon=[], rare=np.zeros(0))  # type: ignore[arg-type]
    assert sorted(draw_unused_words(some, 6, np.random.default_rng(0)).tolist()) == [2, 4, 7, 8, 10, 11]
    with pytest.raises(UserError, match="trigger=7 words that no mail has cannot be chosen: the vocabulary has 6"):
        draw_unused_words(some, 7, np.random.default_rng(0))
