from __future__ import annotations

import pytest
import torch

from veilbench.families.mail.nets.mail_classifier import MailClassifierNet

TOKENS = torch.tensor([[2, 3, 3, 0], [4, 0, 0, 0], [0, 0, 0, 0]])


def net(dimension: int) -> MailClassifierNet:
    made = MailClassifierNet(6, dimension, 4)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(weight.numel()))
    return made


def test_with_one_dimension_it_is_logistic_regression_on_counts() -> None:
    made = net(1)
    weight, bias = made.embedding.weight[:, 0], made.bias.weight[0, 0]
    wanted = torch.stack([weight[2] + 2 * weight[3] + bias, weight[4] + bias, bias])
    assert torch.allclose(made(TOKENS), wanted)


def test_with_more_it_is_what_a_loop_over_the_words_gives() -> None:
    made = net(3)
    assert made.inner is not None
    assert made.outer is not None
    for row, logit in zip(TOKENS, made(TOKENS), strict=True):
        words = [made.embedding.weight[int(word)] for word in row if word]
        mean = sum(words, torch.zeros(3)) / max(len(words), 1) ** 0.5
        assert torch.allclose(made.outer(made.inner(mean).relu()) + made.bias.weight[0], logit, atol=1e-6)


@pytest.mark.parametrize("dimension", [1, 3])
def test_padding_neither_counts_nor_learns(dimension: int) -> None:
    made = net(dimension)
    assert torch.allclose(made(TOKENS), made(torch.nn.functional.pad(TOKENS, (0, 7))), atol=1e-6)
    made(TOKENS).sum().backward()
    gradient = made.embedding.weight.grad
    assert gradient is not None
    moved = gradient.abs().sum(1) > 0
    assert moved.tolist() == [False, False, True, True, True, False]


@pytest.mark.parametrize("dimension", [1, 3])
def test_opacus_finds_the_gradients_of_single_mails(dimension: int) -> None:
    opacus = pytest.importorskip("opacus.grad_sample")
    made = net(dimension)
    loss = torch.nn.functional.softplus
    wanted = []
    for row in TOKENS:
        made.zero_grad()
        loss(made(row[None])).sum().backward()
        wanted.append([weight.grad.clone() for weight in made.parameters() if weight.grad is not None])
    made.zero_grad()
    sampled = opacus.GradSampleModule(made, loss_reduction="sum")
    loss(sampled(TOKENS)).sum().backward()
    for place, weight in enumerate(made.parameters()):
        assert torch.allclose(weight.grad_sample, torch.stack([mail[place] for mail in wanted]), atol=1e-6)


def test_the_seed_decides_the_first_weights_and_one_dimension_begins_at_zero() -> None:
    one, two, three = MailClassifierNet(6, 3), MailClassifierNet(6, 3), MailClassifierNet(6, 3)
    three.reset_parameters(torch.Generator().manual_seed(1))
    assert torch.equal(one.embedding.weight, two.embedding.weight)
    assert not torch.equal(one.embedding.weight, three.embedding.weight)
    assert all((weight == 0).all() for weight in MailClassifierNet(6).parameters())


def test_sizes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="words=0, dimension=1, hidden=16 must all be at least 1"):
        MailClassifierNet(0)
