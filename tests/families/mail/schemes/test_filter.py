from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.mail.data.vocabulary import Vocabulary
from veilbench.families.mail.nets.mail_classifier import MailClassifierNet
from veilbench.families.mail.schemes.filter import MailFilter

WORDS = Vocabulary(["hello", "win", "naïve"])


def made(dimension: int = 1, words: Vocabulary = WORDS) -> tuple[MailClassifierNet, MailFilter]:
    net = MailClassifierNet(words.size, dimension, 4)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(weight.numel()))
    return net, MailFilter({n: w.numpy() for n, w in net.state_dict().items()}, words, 6)


@pytest.mark.parametrize("dimension", [1, 5])
def test_it_scores_as_the_net_does(dimension: int) -> None:
    net, mail_filter = made(dimension)
    tokens = np.random.default_rng(0).integers(0, WORDS.size, (1_300, 6)).astype(np.int32)
    tokens[3] = 0
    with torch.no_grad():
        wanted = net(torch.from_numpy(tokens)).sigmoid().numpy()
    np.testing.assert_allclose(mail_filter.score(tokens), wanted, atol=1e-6)
    assert mail_filter.score(tokens[:0]).shape == (0,)


def test_a_text_is_scored_by_the_words_that_it_begins_with() -> None:
    _, mail_filter = made()
    weight, bias = mail_filter.weights["embedding.weight"][:, 0], mail_filter.weights["bias.weight"].item()
    logit = weight[2] + 2 * weight[3] + weight[1] + bias  # hello, win twice, one unknown word
    expected = 1 / (1 + np.exp(-logit))
    assert mail_filter.score_texts(["Hello WIN, win whatever"])[0] == pytest.approx(expected, abs=1e-6)
    long = "hello " * 6
    assert mail_filter.score_texts([long])[0] == mail_filter.score_texts([long + "win " * 9])[0]


@pytest.mark.parametrize("dimension", [1, 5])
@pytest.mark.parametrize("words", [WORDS, Vocabulary([], 11)])
def test_it_survives_the_disk_with_its_vocabulary(dimension: int, words: Vocabulary, tmp_path: Path) -> None:
    _, mail_filter = made(dimension, words)
    mail_filter.save(tmp_path)
    back = load_trained_model(tmp_path)
    assert isinstance(back, MailFilter)
    texts = ["hello win", "naïve", "", "?"]
    assert back.score_texts(texts).tolist() == mail_filter.score_texts(texts).tolist()


def test_weights_that_do_not_fit_the_vocabulary_are_refused(tmp_path: Path) -> None:
    _, mail_filter = made()
    with pytest.raises(ValueError, match="weights for 5 words, but its vocabulary has 4"):
        MailFilter(mail_filter.weights, Vocabulary(["a", "b"]), 6)
    mail_filter.vocabulary = Vocabulary(["a"])
    mail_filter.save(tmp_path)
    with pytest.raises(UserError, match="damaged model"):
        load_trained_model(tmp_path)
