from __future__ import annotations

from typing import Any

import pytest

from veilbench.bench.findings import Findings, Metric
from veilbench.bench.report.page import render
from veilbench.bench.report.records import Record
from veilbench.bench.verdict import Verdict
from veilbench.families.mail.attack_tables import AUDITS, MEMBERS, NAMED_WORDS, POISONED
from veilbench.families.mail.flower.settings import FlowerPrivacy, FlowerStrategy
from veilbench.families.mail.table import COLUMNS, describe_protection, list_mail_experiments

AGGREGATIONS = "veilbench.federated.aggregations"
PLACES = {label: place for place, (label, _) in enumerate(COLUMNS)}


def record(
    name: str, aggregation: dict[str, Any] | None, seconds: float = 6.0, seed: int = 0, **more: Metric
) -> Record:
    """Three rounds; all parties together take `seconds`."""
    federated = {"_target_": "veilbench.training.federated.Federated", "aggregation": aggregation}
    training = federated if aggregation is not None else {"_target_": "veilbench.training.whole_epochs.WholeEpochs"}
    names = {"experiment": name, "data": "mail_small", "model": "mail_classifier", "training": "any"}
    data = {"_target_": "veilbench.families.mail.data.mail.MailData", "seed": seed}
    config = {"names": names, "seed": 0, "data": data, "training": training, "attack": {}, "model": {}, "digests": {}}
    trained = Findings("Training", {"rounds": Metric.exact(3), **more})
    trained.cost = {"training_seconds": seconds - 1, "adding_seconds": 1.0, "bytes_up": 65_600.0, "seconds": 99.0}
    words = Findings("Words", {"mean_gain": Metric(0.5, 0.4, 0.6, 9)}, verdict=Verdict.BROKEN)
    words.metrics["message_recall"] = Metric(0.98, 0.97, 0.99, 9)
    words.gain = Metric(0.9996, 0.99, 1.0, 9)
    attacks = {"mail_word_leak": words} if aggregation is not None else {}
    found = {"queries_gain": Metric(0.63, 0.59, 0.66, 9), "unused_words_auroc": Metric(0.77, 0.74, 0.8, 9)}
    attacks["mail_membership"] = Findings("Members", found, verdict=Verdict.LEAKS)
    used = {"filtering": Findings("Filtering", {"accuracy": Metric(0.986, 0.977, 0.992, 1000)})}
    return Record(name, config, {"train": {"training": trained}, "evaluate": used, "attack": attacks})


def plain() -> Record:
    return record("mail_plain", {"_target_": f"{AGGREGATIONS}.plain.Plain", "bits": 32})


def ckks(seconds: float = 9.0, **more: Any) -> Record:
    return record("mail_ckks", {"_target_": f"{AGGREGATIONS}.ckks.Ckks"}, seconds, **more)


def cell(of: Record, label: str, *others: Record) -> Any:
    found = {entry.name: entry.cells for entry in list_mail_experiments([of, *others])}
    return found[of.name][PLACES[label]]


def test_a_row_says_what_its_record_says() -> None:
    assert len(list_mail_experiments([plain()])[0].cells) == len(COLUMNS)
    assert [cell(plain(), label).text for label in PLACES] == [
        "plain", "98.6 %", "99.96 %", "50.0 %", "0.63", "–", "not applicable", "not run",
        "none", "none", "65.6 k", "1.00 ×",
    ]  # fmt: skip
    words = cell(plain(), "Words, message")
    assert (words.verdict, words.detail, words.key) == ("broken", "[99.0, 100.0]", 0.9996)


def test_encrypted_messages_are_not_attacked() -> None:
    encrypted = ckks()
    encrypted.found["attack"]["mail_word_leak"] = Findings("Words", reason="not applicable by construction: no key")
    assert cell(encrypted, "Words, message").text == "not applicable"


def test_time_is_that_of_all_steps_of_a_round_over_the_plain_federations_on_the_same_data() -> None:
    assert cell(ckks(), "Time a round", plain()).text == "1.50 ×"
    assert cell(ckks(), "Time a round").text == "–"
    assert cell(ckks(seed=1), "Time a round", plain()).text == "–"


def test_epsilons_stand_where_there_are_any() -> None:
    private = record("mail_private", {"_target_": f"{AGGREGATIONS}.example_dp.ExampleDp", "noise_multiplier": 2.0},
                     example_epsilon=Metric.exact(5.89))  # fmt: skip
    assert [cell(private, f"Epsilon, {whose}").text for whose in ("client", "mail")] == ["none", "5.89"]


def test_a_filter_that_was_trained_in_one_place_sent_nothing() -> None:
    central = record("mail_central", None)
    texts = [
        cell(central, label, plain()).text for label in ("Words, message", "Words, mean", "Poison", "Time a round")
    ]
    assert texts == ["no message", "no mean", "no client", "–"]
    assert list_mail_experiments([central]) == []  # nothing to compare


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"_target_": "a.robust.Robust", "rule": "trimmed_mean"}, "trimmed mean"),
        ({"_target_": "a.example_dp.ExampleDp", "noise_multiplier": 2.0}, "example dp, noise 2"),
        ({"_target_": "a.paillier.Paillier", "encoding": "float"}, "paillier, float"),
        ({}, "plain"),
    ],
)
def test_protections_have_names(node: dict[str, Any], told: str) -> None:
    assert describe_protection(record("x", node)).text == told


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ((FlowerStrategy("fedprox"), FlowerPrivacy()), "plain"),
        ((FlowerStrategy("median"), FlowerPrivacy()), "median"),
        (
            (FlowerStrategy(), FlowerPrivacy("client_side_fixed", noise_multiplier=2.0)),
            "equal dp, noise 2",
        ),
    ],
)
def test_flowers_strategies_are_federations_and_no_base_for_times(
    settings: tuple[FlowerStrategy, FlowerPrivacy], told: str
) -> None:
    made, nodes = record("mail_flower", {}), {"strategy": vars(settings[0]), "privacy": vars(settings[1])}
    made.config["training"] = {"_target_": "veilbench.families.mail.flower.training.Flower", **nodes}
    assert describe_protection(made).text == told
    assert cell(made, "Poison").text == "not run"
    assert cell(ckks(), "Time a round", made).text == "–"


def test_the_page_has_the_table_where_there_are_federations_and_not_where_there_are_none() -> None:
    page = render([plain(), ckks()])
    assert page.count(">What leaks, under which protection, at which cost</h2>") == 1
    assert "1.50 ×" in page
    assert "What leaks, under which" not in render([record("mail_central", None)])


def test_words_named_are_compared_across_the_federations_that_were_attacked() -> None:
    labels = [label for label, _ in NAMED_WORDS.columns]
    records = [plain(), record("mail_central", None), ckks()]
    rows = {entry.name: dict(zip(labels, entry.cells, strict=True)) for entry in NAMED_WORDS.entries(records)}
    assert list(rows) == ["mail_plain", "mail_ckks"]
    assert rows["mail_ckks"]["Protection"].text == "ckks"
    assert rows["mail_ckks"]["Message, recall"].text == "98.0 %"
    assert rows["mail_ckks"]["Mean, recall"].text == "–"


def test_paths_to_membership_are_compared() -> None:
    labels = [label for label, _ in MEMBERS.columns]
    (entry,) = MEMBERS.entries([plain()])
    row = dict(zip(labels, (cell.text for cell in entry.cells), strict=True))
    assert (row["Protection"], row["Queries, unused words"], row["Updates, moved rows"]) == ("plain", "0.77", "–")


def test_audits_stand_where_privacy_is_claimed() -> None:
    assert AUDITS.entries([plain(), record("mail_central", None)]) == []
    private = record("mail_private", {"_target_": f"{AGGREGATIONS}.central_dp.CentralDp", "noise_multiplier": 1.0})
    audited = {"epsilon_claimed": Metric.exact(9.01), "epsilon_audited": Metric(7.5, 6.6, 8.4, 600)}
    private.found["attack"]["mail_membership"].metrics.update(audited)
    (entry,) = AUDITS.entries([plain(), private])
    row = dict(zip([label for label, _ in AUDITS.columns], entry.cells, strict=True))
    assert (row["Protection"].text, row["Claimed"].text, row["Provable"].text) == ("central dp, noise 1", "9.01", "–")
    assert (row["Audited"].text, row["Audited"].detail) == ("7.50", "[6.60, 8.40]")


def test_rogue_clients_are_compared_where_there_were_any() -> None:
    assert POISONED.entries([plain(), ckks()]) == []
    attacked = plain()
    attacked.found["attack"]["mail_poison"] = Findings("Poison", {"accuracy_backdoor": Metric(0.99, 0.98, 1.0, 9)})
    (entry,) = POISONED.entries([attacked, ckks()])
    assert [cell.text for cell in entry.cells] == ["plain", *["–"] * 3, "99.0 %", *["–"] * 6]
