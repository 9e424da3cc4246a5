"""Mails that are told apart in one update, against the mails."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.families.mail.attacks.word_leak.several_mails import tell_mails_apart
from veilbench.families.mail.attacks.word_leak.update import count_recall, net_count_recall
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.families.mail.local_round import train_client
from veilbench.federated.protocol import Protocol

WORDS = 400
STEP = Protocol({}, rounds=1, local_epochs=1, batch_size=100, optimizer="sgd", learning_rate=0.1)


def draw_mails(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw mails of 30 words, frequent ones more often, and their labels."""
    share = 1 / np.arange(1, WORDS - FIRST_WORD + 1) ** 0.7
    tokens = rng.choice(np.arange(FIRST_WORD, WORDS), (count, 30), p=share / share.sum())
    return tokens, np.arange(count) % 2


def update_of(tokens: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    whole = {"embedding.weight": weights[:, None].astype(np.float32), "bias.weight": np.zeros((1, 1), np.float32)}
    return train_client(whole, tokens, labels, STEP, seed=0)[:WORDS]


@pytest.mark.parametrize("seed", range(5))
def test_three_mails_are_recovered_word_by_word(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tokens, labels = draw_mails(3, rng)
    weights = rng.normal(0, 0.1, WORDS)
    found = tell_mails_apart(update_of(tokens, labels, weights), weights, 3)
    logits = np.array([weights[row].sum() for row in tokens])
    steps = 0.1 / 3 * (labels - 1 / (1 + np.exp(-logits)))
    np.testing.assert_allclose(np.sort(found.steps), np.sort(steps), rtol=1e-4)
    for mail in range(3):
        nearest = int(np.abs(found.steps - steps[mail]).argmin())
        words, counts = np.unique(tokens[mail], return_counts=True)
        assert {word: each[nearest] for word, each in found.counts.items() if each[nearest]} == dict(
            zip(words.tolist(), counts.tolist(), strict=True)
        )
    total, net = count_recall(found.total(), tokens), net_count_recall(found.net(), tokens, labels)
    assert total
    assert net
    assert total.value == net.value == 1.0


def test_counts_of_more_mails_are_mostly_right() -> None:
    rng = np.random.default_rng(0)
    tokens, labels = draw_mails(6, rng)
    weights = rng.normal(0, 0.1, WORDS)
    recall = count_recall(tell_mails_apart(update_of(tokens, labels, weights), weights, 6).total(), tokens)
    assert recall
    assert recall.value > 0.8


def test_noise_leaves_nothing_to_tell_apart() -> None:
    rng = np.random.default_rng(0)
    tokens, labels = draw_mails(3, rng)
    weights = rng.normal(0, 0.1, WORDS)
    noisy = update_of(tokens, labels, weights) + rng.normal(0, 1e-3, WORDS)
    recall = count_recall(tell_mails_apart(noisy, weights, 3).total(), tokens)
    assert recall
    assert recall.value < 0.1


def test_the_order_of_words_is_not_in_the_update() -> None:
    rng = np.random.default_rng(0)
    tokens, labels = draw_mails(3, rng)
    weights = rng.normal(0, 0.1, WORDS)
    shuffled = rng.permuted(tokens, axis=1)
    np.testing.assert_allclose(
        update_of(shuffled, labels, weights), update_of(tokens, labels, weights), rtol=1e-5, atol=1e-8
    )


def test_an_update_without_words_has_no_mails() -> None:
    found = tell_mails_apart(np.zeros(WORDS), np.zeros(WORDS), 3)
    assert (len(found.steps), found.counts) == (0, {})
