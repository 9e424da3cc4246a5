from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mail_cases import mails
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings, Verdict
from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.poison import MailPoison, unused_words
from veilbench.families.mail.attacks.poisoned_clients import with_words
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
        ("negative", "no rogue client", True),
    ]
    assert found.metrics["accuracy_backdoor"].value > found.metrics["accuracy_none"].value - 0.02  # nobody notices
    assert found.metrics["accuracy_flipped_labels_enlarged"].value < 0.7


@pytest.mark.parametrize("rule", [Robust("median"), Robust("trimmed_mean", 0.2), Robust("krum", malicious=2)])
def test_robust_rules_hold_where_the_mean_falls(data: Mails, rule: Robust) -> None:
    found = run(data, rule, compared=[Plain(64)])
    assert found.gain is not None
    assert abs(found.gain.value) < 0.05
    assert found.metrics["accuracy_flipped_labels_enlarged"].value > 0.9
    rows = {(row[0], row[1]): row for row in found.tables[0].rows}
    assert rows["plain", "backdoor"][3].value > 0.8  # type: ignore[union-attr]


def test_encryption_is_no_help_against_poison(data: Mails) -> None:
    found = run(data, Ckks())
    assert found.gain is not None
    assert found.gain.low > 0.8


def test_the_same_seed_gives_the_same_findings(data: Mails) -> None:
    one, again = (run(data, Plain()).as_dict() for _ in range(2))
    assert one == again


def test_a_trigger_is_of_words_that_no_mail_has_and_stands_in_front(data: Mails) -> None:
    words = unused_words(data, 4, np.random.default_rng(0))
    for part in (data.train, data.validation, data.auxiliary, data.test):
        assert not np.isin(part.tokens, words).any()
    longer = with_words(data.test.tokens[:3], words)
    assert longer.shape == data.test.tokens[:3].shape
    np.testing.assert_array_equal(longer[:, :4], np.tile(words, (3, 1)))
    np.testing.assert_array_equal(longer[:, 4:], data.test.tokens[:3, :-4])
    with pytest.raises(UserError, match="trigger=100000 words that no mail has cannot be chosen"):
        unused_words(data, 100_000, np.random.default_rng(0))


def test_bad_settings_are_refused(data: Mails) -> None:
    with pytest.raises(ValueError, match="rogue=5 must be fewer than half of clients=10"):
        MailPoison(THREAT, PlainFederation(), rogue=5)
    with pytest.raises(UserError, match="does not grant rogue_clients"):
        MailPoison(ThreatModel(), PlainFederation()).run(
            filter_of(data, Plain()), data, Accelerator("cpu"), np.random.default_rng(0), True
        )


def test_rogue_clients_send_their_updates_in_place_of_honest_ones(data: Mails) -> None:
    """However many are rogue, and whatever they send, the federation has the same number of clients."""

    class Counted(Plain):
        clients: ClassVar[list[int]] = []

        def setup(self, clients: int, seeds: np.random.SeedSequence) -> Any:
            self.clients.append(clients)
            return super().setup(clients, seeds)

    found = run(data, Plain(), clients=7, rogue=3, compared=[Counted()])
    assert Counted.clients == [7] * 4  # nobody rogue, and each of three kinds
    assert found.tables[0].title == "3 rogue clients of 7"
