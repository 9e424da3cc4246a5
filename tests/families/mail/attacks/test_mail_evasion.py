from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mail_cases import mails, untrained
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.trained_model import load_trained_model
from veilbench.bench.verdict import Verdict
from veilbench.families.mail.attacks.evasion import MailEvasion, WordRanking, find_passing, swap_words
from veilbench.families.mail.attacks.word_leak.update import list_words
from veilbench.families.mail.baselines.logistic_filter import LogisticFilter
from veilbench.families.mail.baselines.one_good_word import OneGoodWord
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.filter import MailFilter

THREAT = ThreatModel(score_queries=True, auxiliary_data=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    return mails(tmp_path_factory.mktemp("mails"))


@pytest.fixture(scope="module")
def logistic(data: Mails) -> MailFilter:
    return LogisticFilter().fit(data, np.random.default_rng(0))


def run(target: Any, data: Mails, **settings: Any) -> Findings:
    attack = MailEvasion(THREAT, OneGoodWord(), **settings)
    return attack.run(target, data, Accelerator("cpu"), np.random.default_rng(0), control=False)


def test_logistic_regression_is_evaded_with_both_controls_passed(
    data: Mails, logistic: MailFilter, tmp_path: Path
) -> None:
    attack, memory = MailEvasion(THREAT, OneGoodWord()), ControlMemory(tmp_path, None)
    found = attack.examine(logistic, data, Accelerator("cpu"), np.random.SeedSequence(0), memory)
    assert [(c.kind, c.passed) for c in found.controls] == [("positive", True), ("negative", True)]
    assert found.verdict in (Verdict.LEAKS, Verdict.BROKEN)
    assert found.budget is not None
    assert list(found.budget.budgets) == [1, 2, 5, 10, 20]
    assert found.gain is not None
    assert found.budget.gains[-1] == pytest.approx(found.gain.value)
    assert found.metrics["greedy_passing"].value > found.metrics["random_passing"].value + 0.3


def test_greedy_is_the_best_there_is_for_one_weight_per_word(data: Mails, logistic: MailFilter) -> None:
    """Against the answer read from the weights: the n most negative of the attacker's words."""
    found = run(logistic, data, ranking=WordRanking(candidates=100_000), budgets=(3, 20), most_mails=10_000)
    weights, words = logistic.weights["embedding.weight"][:, 0], list_words(data.auxiliary.tokens)
    spam = data.test.tokens[data.test.labels == 1]
    spam = spam[logistic.logits(spam) > 0]
    best = words[np.argsort(weights[words])]
    for n, share in zip((3, 20), found.figures[0].curves[0].y, strict=True):
        assert share == pytest.approx(find_passing(logistic, spam, np.tile(best[:n], (len(spam), 1))).mean())


def test_swaps_are_the_best_there_are_for_one_weight_per_word(data: Mails, logistic: MailFilter) -> None:
    """Against sums of weights: the n largest of a mail's words go, the n most negative of the attacker's come."""
    found = run(logistic, data, ranking=WordRanking(candidates=100_000), budgets=(2, 7, 20), most_mails=10_000)
    weights, words = logistic.weights["embedding.weight"][:, 0].astype(float), list_words(data.auxiliary.tokens)
    bias, good = float(logistic.weights["bias.weight"].item()), np.sort(weights[words])
    mails = [weights[mail[mail > 0]] for mail in data.test.tokens[data.test.labels == 1]]
    caught = [np.sort(mail) for mail in mails if mail.sum() + bias > 0]
    curves = {curve.name: curve.y for curve in found.figures[0].curves}
    for place, n in enumerate((2, 7, 20)):
        scores = [mail[: max(len(mail) - n, 0)].sum() + good[: min(n, len(mail))].sum() + bias for mail in caught]
        assert curves["good words for the worst"][place] == pytest.approx(np.mean(np.array(scores) <= 0))
    assert curves["good words for the worst"][1] > curves["random words for random ones"][1]
    assert curves["good words for the worst"][0] >= curves["good words"][0]
    assert found.metrics["swapped_passing"].value == curves["good words for the worst"][2]


def test_swaps_change_as_many_words_as_there_are_and_never_padding() -> None:
    spam, places = np.array([[5, 6, 0, 0], [7, 8, 9, 0]]), np.array([[1, 0, 2], [2, 0, 1]])
    assert swap_words(spam, places, np.array([[2, 3], [3, 4]])).tolist() == [[3, 2, 0, 0], [4, 8, 3, 0]]
    assert swap_words(spam, places, np.array([[2, 3, 4], [3, 4, 2]])).tolist() == [[3, 2, 0, 0], [4, 2, 3, 0]]
    assert spam.tolist() == [[5, 6, 0, 0], [7, 8, 9, 0]]


def test_a_filter_that_looks_at_no_word_is_not_evaded(data: Mails) -> None:
    stubborn = untrained(data)
    stubborn.weights["bias.weight"] += 1
    found = run(stubborn, data)
    assert found.gain is not None
    assert found.gain.value == 0
    assert "100 words are not enough for half of the spam." in found.notes
    assert "half_pass_with_words" not in found.metrics


def test_words_that_are_cut_off_do_not_count(data: Mails, logistic: MailFilter) -> None:
    spam = np.full((2, data.train.tokens.shape[1]), 5, np.int32)
    logistic_like = untrained(data)
    logistic_like.weights["embedding.weight"][5] = 1
    logistic_like.weights["embedding.weight"][6] = -1
    assert find_passing(logistic_like, spam, np.full((2, 250), 6)).all()  # half and half: 0, which passes
    assert not find_passing(logistic_like, spam, np.full((2, 249), 6)).any()


def test_one_good_word_is_found_and_survives_the_disk(data: Mails, tmp_path: Path) -> None:
    made = OneGoodWord().fit(data, np.random.default_rng(0))
    tokens, labels = data.train.tokens, data.train.labels
    has = (tokens == made.word).any(1)
    assert has[labels == 0].mean() > has[labels == 1].mean()
    made.save(tmp_path)
    back = load_trained_model(tmp_path)
    assert isinstance(back, OneGoodWord)
    np.testing.assert_array_equal(back.logits(tokens) < 0, has)


def test_bad_settings_are_refused(data: Mails) -> None:
    with pytest.raises(ValueError, match=r"reference_budget=3 must be one of budgets=\[1, 2\]"):
        MailEvasion(THREAT, OneGoodWord(), budgets=(1, 2), reference_budget=3)
    blind = untrained(data)
    blind.weights["bias.weight"] -= 1
    with pytest.raises(UserError, match="catches no spam of the test"):
        run(blind, data)
