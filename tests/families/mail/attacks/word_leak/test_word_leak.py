from __future__ import annotations

import numpy as np
import pytest
import torch

from veilbench.families.mail.attacks.word_leak.update import (
    compute_exponents,
    compute_zero_exponent,
    count_recall,
    find_changed_words,
    find_one_sided_words,
    infer_labels,
    label_recall,
    list_words,
    measure_leak,
    net_count_recall,
    solve_net_counts,
    solve_one_mail,
)
from veilbench.families.mail.nets.mail_classifier import MailClassifierNet

WORDS = 300
RATE = 0.05


def mails(count: int, length: int = 30, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Skewed words, so that some are in both labels' mails; some padding."""
    rng = np.random.default_rng(seed)
    tokens = (rng.beta(0.5, 2, (count, length)) * (WORDS - 2)).astype(np.int64) + 2
    tokens[:, length - 3 :] = 0
    return tokens, np.arange(count) % 2


def update(
    tokens: np.ndarray,
    labels: np.ndarray,
    steps: int = 1,
    momentum: float = 0.0,
    begin: float = 0.0,
    dimension: int = 1,
) -> tuple[np.ndarray, float]:
    """What plain SGD changes in the embedding and in the bias."""
    net = MailClassifierNet(WORDS, dimension, 4)
    torch.nn.init.normal_(net.embedding.weight, 0, begin or 0.1, generator=torch.Generator().manual_seed(0))
    if dimension == 1 and not begin:
        net.reset_parameters(torch.Generator())
    before = net.embedding.weight.detach().clone(), net.bias.weight.item()
    optimizer = torch.optim.SGD(net.parameters(), RATE, momentum)
    for _ in range(steps):
        optimizer.zero_grad()
        logits = net(torch.from_numpy(tokens))
        torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(labels).float()).backward()
        optimizer.step()
    moved = (net.embedding.weight.detach() - before[0]).numpy()
    return (moved[:, 0] if dimension == 1 else moved), net.bias.weight.item() - before[1]


def test_the_sources_case_one_mail_of_five_words_is_recovered_completely() -> None:
    for label in (0, 1):
        for begin in (0.0, 0.5):  # whatever the weights were
            tokens = np.array([[7, 9, 9, 250, 7, 9, 0]])
            guessed, guessed_label = solve_one_mail(*update(tokens, np.array([label]), begin=begin))
            assert guessed == {7: 2, 9: 3, 250: 1}
            assert guessed_label == label


def test_several_mails_are_not_mistaken_for_one() -> None:
    with pytest.raises(ValueError, match="not that of one mail"):
        solve_one_mail(*update(*mails(3)))
    with pytest.raises(ValueError, match="the bias has not moved"):
        solve_one_mail(np.ones(WORDS), 0.0)


@pytest.mark.parametrize("settings", [{"begin": 0.3}, {"begin": 0.3, "steps": 20, "momentum": 0.9}, {"dimension": 5}])
def test_the_rows_that_moved_are_the_words_of_the_mails(settings: dict[str, float]) -> None:
    tokens, labels = mails(40)
    moved, _ = update(tokens, labels, **settings)  # type: ignore[arg-type]
    assert find_changed_words(moved).tolist() == list_words(tokens).tolist()
    assert 20 < len(list_words(tokens)) < WORDS - 20


def test_noise_hides_the_rows_and_a_threshold_finds_what_stands_out() -> None:
    noisy = np.random.default_rng(0).normal(0, 1e-3, WORDS)
    assert len(find_changed_words(noisy)) == WORDS - 2
    noisy[[5, 90]] += 1
    assert find_changed_words(noisy, above=0.1).tolist() == [5, 90]


def test_net_counts_are_spams_counts_less_hams() -> None:
    tokens, labels = mails(40)
    moved, _ = update(tokens, labels)
    wanted = np.bincount(tokens[labels == 1].ravel(), minlength=WORDS) - np.bincount(
        tokens[labels == 0].ravel(), minlength=WORDS
    )
    wanted[:2] = 0
    found = {word: count for word, count in solve_net_counts(moved, RATE, 40).items() if count}
    assert found == {int(word): int(wanted[word]) for word in np.flatnonzero(wanted)}
    with pytest.raises(ValueError, match="not that of one step from zero weights"):
        solve_net_counts(update(tokens, labels, begin=0.3)[0], RATE, 40)


def test_labels_are_inferred_for_words_of_one_label_and_not_for_shuffled_ones() -> None:
    tokens, labels = mails(40)
    moved, _ = update(tokens, labels, steps=10, begin=0.05)
    found = label_recall(infer_labels(moved), *find_one_sided_words(tokens, labels))
    assert found is not None
    assert found.value == 1
    alone = np.setxor1d(list_words(tokens[labels == 0]), list_words(tokens[labels == 1]))
    assert found.n == len(alone) > 20
    shuffled = np.random.default_rng(0).permutation(labels)
    control = label_recall(infer_labels(moved), *find_one_sided_words(tokens, shuffled))
    assert control is not None
    assert control.value < 0.8


def test_precision_and_recall_are_what_a_loop_counts() -> None:
    rng = np.random.default_rng(0)
    guessed, truth, rare = (np.unique(rng.integers(2, 100, 40)) for _ in range(3))
    found = measure_leak(guessed, truth, rare)
    hits, rare_hits = set(guessed) & set(truth), set(guessed) & set(truth) & set(rare)
    assert found.precision is not None
    assert found.precision.value == len(hits) / len(guessed)
    assert found.recall is not None
    assert found.recall.value == len(hits) / len(truth)
    assert found.rare_precision is not None
    assert found.rare_precision.value == len(rare_hits) / len(set(guessed) & set(rare))
    assert found.rare_recall is not None
    assert found.rare_recall.value == len(rare_hits) / len(set(truth) & set(rare))
    nothing = measure_leak(np.array([], int), truth, rare)
    assert nothing.precision is None
    assert nothing.recall is not None
    assert nothing.recall.value == 0


def test_counts_are_compared_exactly() -> None:
    tokens = np.array([[2, 2, 3, 0], [3, 4, 1, 0]])
    found = count_recall({2: 2, 3: 1, 4: 1, 9: 5}, tokens)
    assert found is not None
    assert (found.value, found.n) == (2 / 3, 3)


def test_net_counts_are_compared_exactly_and_silence_is_no_zero() -> None:
    tokens, labels = np.array([[2, 2, 3, 0], [3, 4, 1, 0], [5, 5, 2, 6]]), np.array([1, 0, 1])
    truth = {2: 3, 3: 0, 4: -1, 5: 2, 6: 1}
    for guessed, right in ((truth, 5), ({2: 3, 4: 1, 5: 2, 9: 0}, 2), ({}, 0)):
        found = net_count_recall(guessed, tokens, labels)
        assert found is not None
        assert (found.value, found.n) == (right / 5, 5)


def test_words_and_their_labels_are_what_sets_say() -> None:
    tokens, labels = mails(40)
    sets = [set(tokens[labels == label].ravel().tolist()) - {0, 1} for label in (0, 1)]
    ham, spam = find_one_sided_words(tokens, labels)
    assert ham.tolist() == sorted(sets[0] - sets[1])
    assert spam.tolist() == sorted(sets[1] - sets[0])
    assert list_words(tokens).tolist() == sorted(sets[0] | sets[1])
    assert len(list_words(np.zeros((0, 5), int))) == 0


def test_zeros_exponent_is_phes() -> None:
    paillier = pytest.importorskip("phe.paillier")
    key = paillier.PaillierPublicKey(2**255 - 19)
    assert paillier.EncodedNumber.encode(key, 0.0).exponent == compute_zero_exponent()
    for value in (1e-9, 1e-3, 0.06):
        assert paillier.EncodedNumber.encode(key, value).exponent < compute_zero_exponent()
        assert paillier.EncodedNumber.encode(key, -value).exponent < compute_zero_exponent()
    assert paillier.EncodedNumber.encode(key, 0.07).exponent == compute_zero_exponent()


def test_public_exponents_name_the_words_and_one_fixed_exponent_names_none() -> None:
    pytest.importorskip("phe")
    from veilbench.federated.aggregations.base import parse_message
    from veilbench.federated.aggregations.paillier import Paillier, PaillierAggregator

    tokens, labels = mails(6, 12)
    moved, _ = update(tokens, labels, begin=0.3)
    moved = moved[:80]
    truth = list_words(tokens)
    truth = truth[truth < 80]
    for encoding in ("float", "fixed"):
        (client,), aggregator = Paillier(encoding=encoding).setup(1, np.random.SeedSequence(0))  # type: ignore[arg-type]
        _, size, payload = parse_message(client.protect(moved, 1.0))
        assert isinstance(aggregator, PaillierAggregator)
        _, exponents = aggregator.keys.parse(payload, size)  # all of it without a private key
        if encoding == "float":
            np.testing.assert_array_equal(exponents, compute_exponents(moved))
            assert np.flatnonzero(exponents != compute_zero_exponent()).tolist() == truth.tolist()
        else:
            assert len(set(exponents.tolist())) == 1
    assert 5 < len(truth) < 70
