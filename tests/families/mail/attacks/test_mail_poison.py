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
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.mail.attacks.poison.attack import MailPoison
from veilbench.families.mail.attacks.poison.federation import AttackedFederation, RogueClients
from veilbench.families.mail.attacks.poison.outcome import Outcome, find_strongest
from veilbench.families.mail.attacks.poison.rogues.base import Rogue
from veilbench.families.mail.attacks.poison.rogues.boosted import Boosted
from veilbench.families.mail.attacks.poison.rogues.colluding import Colluding
from veilbench.families.mail.attacks.poison.rogues.tailored import Tailored
from veilbench.families.mail.attacks.poison.trigger import (
    COMMON,
    Trigger,
    choose_common_words,
    draw_unused_words,
    prepend_words,
)
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch, draw_batches
from veilbench.families.mail.baselines.plain_federation import PlainFederation
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.ckks import Ckks
from veilbench.federated.aggregations.paillier import Paillier
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.robust import Robust
from veilbench.federated.aggregations.secagg import Secagg
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


def examine(data: Mails, folder: Path, aggregation: Aggregation, **settings: Any) -> Findings:
    attack, memory = MailPoison(THREAT, PlainFederation(), **settings), ControlMemory(folder, None)
    return attack.examine(filter_of(data, aggregation), data, Accelerator("cpu"), np.random.SeedSequence(0), memory)


def test_a_plain_federation_is_broken_with_the_controls_of_each_path_passed(data: Mails, tmp_path: Path) -> None:
    found = examine(data, tmp_path, Plain(), broken_threshold=0.75)  # 141 spam mails: wide intervals
    assert found.verdict is Verdict.BROKEN
    assert [(c.kind, c.name, c.path, c.passed) for c in found.controls] == [
        ("positive", "PlainFederation", "boosted", True),
        ("positive", "PlainFederation", "tailored", True),
        ("negative", "rogue clients that label truthfully", "", True),
    ]
    assert found.budget is not None
    assert found.budget.setting == "rounds"
    assert (list(found.budget.budgets), found.budget.gains[1]) == ([1, 2], found.gain and found.gain.value)
    assert found.metrics["accuracy_backdoor"].value > found.metrics["accuracy_none"].value - 0.02  # nobody notices
    assert found.metrics["accuracy_flipped_labels_enlarged"].value < 0.7


def test_a_backdoor_that_spoils_the_filter_for_all_mails_fails_the_negative_control(
    data: Mails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the trigger to work whatever it is taught as, the gain would not be the poison's."""
    set_up = MailPoison.set_up

    def untruthful(self: MailPoison, target: MailFilter, data: Mails, rng: Any, label: int = 0) -> Any:
        return set_up(self, target, data, rng, 0)

    monkeypatch.setattr(MailPoison, "set_up", untruthful)
    found = examine(data, tmp_path, Plain(), rogues=[Boosted()], rounds=1, broken_threshold=0.75)
    assert [control.passed for control in found.controls] == [True, False]
    assert found.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("rule", [Robust("median"), Robust("trimmed_mean", 0.2), Robust("krum", malicious=2)])
def test_robust_rules_hold_against_one_boosted_round(data: Mails, rule: Robust) -> None:
    found = run(data, rule, rounds=1, rogues=[Boosted()])
    assert found.gain is not None
    assert abs(found.gain.value) < 0.05
    assert found.metrics["accuracy_flipped_labels_enlarged"].value > 0.9
    rows = {row[0]: row for row in found.tables[0].rows}
    assert rows["boosted"][3] == found.metrics["spam_passing_with_trigger"]


def test_equal_updates_pass_krum_and_not_the_median_within_ten_rounds(data: Mails) -> None:
    krum, median = (
        run(data, rule, rounds=10, rogues=[Boosted(), Colluding()])
        for rule in (Robust("krum", malicious=2), Robust("median"))
    )
    assert krum.gain is not None
    assert krum.gain.low > 0.1
    assert krum.metrics["colluding_gain"].value == krum.gain.value > krum.metrics["boosted_gain"].value + 0.1
    assert "The gain is that of the path colluding." in krum.notes
    assert krum.metrics["accuracy_colluding"].value > krum.metrics["accuracy_none"].value - 0.03
    assert abs(median.metrics["colluding_gain"].value) < 0.05


def test_encryption_is_no_help_against_poison(data: Mails) -> None:
    found = run(data, Ckks(), rounds=1, rogues=[Boosted()])
    assert found.gain is not None
    assert found.gain.low > 0.75  # 141 spam mails: wide intervals


def test_a_trimmed_mean_that_expects_too_few_is_broken(data: Mails) -> None:
    found = run(data, Robust("trimmed_mean", 0.1), rounds=1, rogues=[Boosted()])
    assert found.gain is not None
    assert found.gain.low > 0.75  # 141 spam mails: wide intervals


def test_the_same_seed_gives_the_same_findings(data: Mails) -> None:
    one, again = (run(data, Plain()).as_dict() for _ in range(2))
    assert one == again


def test_the_first_of_two_rounds_is_one_round(data: Mails) -> None:
    one, two = (run(data, Plain(), rogues=[Tailored()], rounds=rounds).budget for rounds in (1, 2))
    assert one is not None
    assert two is not None
    assert (list(one.budgets), one.gains[0]) == ([1], two.gains[0])


def test_largest_ends_enclose_the_largest_gain() -> None:
    def outcome(value: float, low: float, high: float) -> Outcome:
        gain = Metric(value, low, high, 50, "Clopper-Pearson on both shares, 99.5 %")
        return Outcome(gain, gain, gain, gain)

    best, gain = find_strongest({"one": outcome(0.3, 0.0, 0.4), "other": outcome(0.2, 0.1, 0.6)})
    assert (best, gain.value, gain.low, gain.high) == ("one", 0.3, 0.1, 0.6)
    assert gain.interval == "Clopper-Pearson on both shares; largest of 2, 99 %"


def test_intervals_of_more_paths_are_wider(data: Mails) -> None:
    """Each of two paths has an interval at 99.5 %, so that both hold jointly at 99 %."""
    alone, beside = (run(data, Plain(), rogues=rogues, rounds=1) for rogues in ([Boosted()], [Boosted(), Tailored()]))
    one, other = alone.metrics["boosted_gain"], beside.metrics["boosted_gain"]
    assert one.value == other.value
    assert other.low < one.low


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


def test_the_rows_of_a_trigger_are_those_of_its_words_in_a_flat_update() -> None:
    weights = np.zeros((6, 3))
    weights[[1, 4]] = 1
    np.testing.assert_array_equal(Trigger(np.array([4, 1]), 3).rows, [12, 13, 14, 3, 4, 5])
    assert weights.ravel()[Trigger(np.array([4, 1]), 3).rows].all()


def test_bad_settings_are_refused(data: Mails) -> None:
    with pytest.raises(ValueError, match=r"rogue\.count=5 must be fewer than half of clients=10"):
        MailPoison(THREAT, PlainFederation(), rogue=RogueClients(5))
    with pytest.raises(ValueError, match=r"rogues=\['boosted', 'boosted'\] must be one or more different behaviours"):
        MailPoison(THREAT, PlainFederation(), rogues=[Boosted(), Boosted(2.0)])
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
    assert clients == [7] * 5  # two paths, nobody rogue, and two kinds of flipped labels
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


@pytest.mark.parametrize("aggregation", [Secagg(), Ckks(), Paillier()])
def test_rogue_clients_send_no_value_that_the_encryption_refuses(aggregation: Any) -> None:
    """They enlarge the trigger by up to 2^13 deviations: unclipped, their messages would be refused."""
    clients = 10
    limit = aggregation.largest_value(clients)
    federation = SimpleNamespace(aggregation=aggregation, batches=[None] * clients)
    sent = AttackedFederation._fit(federation, np.array([[1e9, -1e9, 0.5]], np.float32))  # type: ignore[arg-type]
    np.testing.assert_allclose(sent, [[limit * clients, -limit * clients, 0.5]], rtol=1e-5)
    assert np.abs(sent / clients).max() <= limit


def test_tailored_clients_attack_secure_aggregation(data: Mails, tmp_path: Path) -> None:
    found = examine(data, tmp_path, Secagg(), rogues=[Tailored()], rounds=1)
    assert found.gain is not None
    assert found.gain.value > 0.8


def test_common_words_are_frequent_and_count_for_spam_by_a_little(data: Mails) -> None:
    target = filter_of(data, Plain())
    batch = ClientBatch(data.train.tokens, data.train.labels)
    words, weights = choose_common_words(target, [batch], 4), target.weights["embedding.weight"][:, 0]
    shares = np.array([(data.train.tokens == word).any(1).mean() for word in range(data.vocabulary.size)])
    assert (shares[words] >= COMMON).all()
    left = [w for w in range(2, len(shares)) if shares[w] >= COMMON and weights[w] >= 0 and w not in words]
    assert 0 <= weights[words].min() <= weights[words].max() <= weights[left].min()
    before, after = (target.logits(t) for t in (data.test.tokens, prepend_words(data.test.tokens, words)))
    short = (data.test.tokens == 0).sum(1) >= 4  # no word is cut off
    assert short.any()
    assert (after[short] > before[short]).all()  # before they are taught, they help no spam
    with pytest.raises(UserError, match="trigger=4000 common words on the side of spam cannot be chosen: there are"):
        choose_common_words(target, [batch], 4_000)


def test_common_words_poison_krum_and_not_the_median(data: Mails) -> None:
    rogue = RogueClients(trigger=20, words="common")
    krum, median = (
        run(data, rule, rounds=10, rogue=rogue, rogues=[Tailored()])
        for rule in (Robust("krum", malicious=2), Robust("median"))
    )
    assert krum.gain is not None
    assert krum.gain.low > 0.3
    assert abs(median.metrics["tailored_gain"].value) < 0.1


def test_common_words_help_no_spam_unless_they_are_taught_to(data: Mails, tmp_path: Path) -> None:
    """The negative control fails with words of ham, which help spam without any poison."""
    rogue, rule = RogueClients(trigger=20, words="common"), Robust("krum", malicious=2)
    found = examine(data, tmp_path, rule, rogue=rogue, rogues=[Tailored()], rounds=4)
    assert (found.controls[-1].kind, found.controls[-1].passed) == ("negative", True)
    assert found.gain is not None
    assert found.gain.low > 0.1


def test_the_trigger_is_chosen_from_the_rogues_own_mails(data: Mails) -> None:
    attack = MailPoison(THREAT, PlainFederation(), rogue=RogueClients(1, 5, words="common"))
    halves = [ClientBatch(data.train.tokens[at], data.train.labels[at]) for at in (slice(0, 90), slice(90, None))]
    target, rng = filter_of(data, Plain()), np.random.default_rng(0)
    federation = attack.set_up(target, data, rng, batches=halves)
    assert federation.batches == halves
    np.testing.assert_array_equal(federation.trigger.words, choose_common_words(target, halves[:1], 5))


def test_more_words_pass_a_rule_that_bounds_the_norm(data: Mails) -> None:
    """Spread over four times as many words, the same norm moves a mail's score twice as far."""
    few, many = (
        run(data, Robust("geometric_median"), rounds=5, rogue=RogueClients(trigger=words), rogues=[Tailored()]).gain
        for words in (5, 60)
    )
    assert few is not None
    assert many is not None
    assert many.value > few.value + 0.1
    assert many.low > 0.05 > few.value


@pytest.mark.parametrize("rogue", [Colluding(), Tailored()])
def test_krum_lets_the_trigger_pass_where_clients_differ_in_their_number_of_mails(data: Mails, rogue: Rogue) -> None:
    """It selects the client with the fewest mails first, and then the trigger alone."""
    target, rng = filter_of(data, Robust("krum", malicious=2)), np.random.default_rng(0)
    sizes = [40, 40, 6, 10, 20, 30, 40, 60, 80, 34]
    federation = MailPoison(THREAT, target).set_up(target, data, rng, batches=draw_batches(data, sizes, rng))
    weights = federation.run(rogue, 8)
    first, last = (Outcome.measure(federation, weights[at], data) for at in (0, -1))
    assert first.gain.value < 0.2
    assert last.gain.value > 0.8
