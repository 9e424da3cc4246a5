from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from veilbench.families.mail.local_round import mail_loss, train_client
from veilbench.families.mail.nets.mail_classifier import MailClassifierNet
from veilbench.federated.aggregations.base import ExampleNoise
from veilbench.federated.descent import create_optimizer
from veilbench.federated.private_steps import descend_privately
from veilbench.federated.protocol import Protocol

WORDS, TINY = 12, 1e-9


def rows(count: int = 20) -> Tensor:
    """Mails with repeated words and padding, the label last."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(2, WORDS, (count, 9))
    tokens[np.arange(9) >= rng.integers(1, 10, (count, 1))] = 0  # padding stands at the end
    return torch.from_numpy(np.concatenate([tokens, rng.integers(0, 2, (count, 1))], 1).astype(np.int32))


def net(dimension: int = 1) -> MailClassifierNet:
    made = MailClassifierNet(WORDS, dimension, 4)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(weight.numel()))
    return made


def learned(
    made: MailClassifierNet,
    noise: ExampleNoise,
    count: int = 20,
    batch: int = 100,
    epochs: int = 1,
    mu: float = 0.0,
    seed: int = 0,
    loss: Callable[[Tensor], Tensor] | None = None,
    rate: float = 0.5,
    declared: int | None = None,
) -> Tensor:
    """All weights in a row after training by SGD."""
    optimizer = create_optimizer(made.parameters(), "sgd", rate, 0.0)
    loss = loss or (lambda batch: mail_loss(made, batch))
    descend_privately(loss, made, optimizer, rows(count), batch, epochs, noise, mu, seed, declared)
    return flat(made)


def flat(made: MailClassifierNet) -> Tensor:
    return torch.cat([weight.detach().flatten().clone() for weight in made.parameters()])


def clipped_mean(made: MailClassifierNet, clip: float) -> Tensor:
    """Mail by mail with plain autograd: no hooks, no Opacus."""
    total = torch.zeros(len(flat(made)))
    for row in rows():
        made.zero_grad()
        mail_loss(made, row[None]).backward()  # type: ignore[no-untyped-call]
        one = torch.cat([w.grad.flatten() for w in made.parameters() if w.grad is not None])
        total += one * min(1.0, clip / float(one.norm()))
    return total / len(rows())


@pytest.mark.parametrize("dimension", [1, 3])
@pytest.mark.parametrize("clip", [0.3, 1e6])
def test_a_step_is_the_mean_of_gradients_that_a_loop_clips_mail_by_mail(dimension: int, clip: float) -> None:
    wanted = flat(net(dimension)) - 0.5 * clipped_mean(net(dimension), clip)
    found = learned(net(dimension), ExampleNoise(clip, TINY / clip))
    assert torch.allclose(found, wanted, atol=1e-5)
    assert not torch.allclose(clipped_mean(net(dimension), 0.3), clipped_mean(net(dimension), 1e6), atol=1e-2)


def test_the_noise_is_the_formulas_and_of_every_weight() -> None:
    """Deviation rate * multiplier * clip / expected batch, whatever the gradients are."""
    still = learned(net(), ExampleNoise(0.3, TINY))
    noisy = torch.stack([learned(net(), ExampleNoise(0.3, 4.0), seed=seed) for seed in range(400)]) - still
    wanted = 0.5 * 4.0 * 0.3 / 20
    assert noisy.std(0).numpy() == pytest.approx(wanted, rel=0.2)
    assert float(noisy.std()) == pytest.approx(wanted, rel=0.03)
    assert float(noisy.mean().abs()) < 4 * wanted / (400 * (WORDS + 1)) ** 0.5


def test_every_step_draws_each_mail_with_the_same_chance() -> None:
    """Sizes of the batches follow the binomial law, empty ones and odd sizes included."""
    made, sizes = net(), list[int]()

    def loss(batch: Tensor) -> Tensor:
        sizes.append(len(batch))
        return mail_loss(made, batch)

    learned(made, ExampleNoise(1.0, 1.0), batch=2, epochs=200, loss=loss, rate=1e-3)
    steps, chance = 200 * 10, 1 / 10
    assert sum(sizes) / steps == pytest.approx(20 * chance, abs=4 * (20 * chance * (1 - chance) / steps) ** 0.5)
    assert np.var([*sizes, *[0] * (steps - len(sizes))]) == pytest.approx(20 * chance * (1 - chance), rel=0.15)
    assert len(sizes) / steps == pytest.approx(1 - 0.9**20, abs=0.03)  # of an empty batch no loss is taken


def test_one_mail_less_changes_neither_the_divisor_nor_the_sampling_of_the_others() -> None:
    """Neighbours declare the same number: without its last mail, only that mail's clipped gradient is missing."""

    def moved(mails: Tensor, declared: int | None) -> Tensor:
        made = net()
        optimizer = create_optimizer(made.parameters(), "sgd", 0.5, 0.0)
        noise = ExampleNoise(0.3, TINY)
        descend_privately(lambda batch: mail_loss(made, batch), made, optimizer, mails, 100, 1, noise, 0, 0, declared)
        return flat(made) - flat(net())

    alone = net()
    mail_loss(alone, rows()[-1:]).backward()  # type: ignore[no-untyped-call]
    gradient = torch.cat([w.grad.flatten() for w in alone.parameters() if w.grad is not None])
    missing = gradient * min(1.0, 0.3 / float(gradient.norm()))
    less = moved(rows()[:-1], 20)
    assert torch.allclose(moved(rows(), 20) - less, -0.5 * missing / 20, atol=1e-5)
    assert torch.allclose(moved(rows()[:-1], None), less * 20 / 19, atol=1e-5)  # undeclared, its own number divides


@pytest.mark.parametrize("count", [15, 20, 30])
def test_the_number_of_steps_and_the_chance_follow_from_the_declared_number(count: int) -> None:
    made, sizes = net(), list[int]()

    def loss(batch: Tensor) -> Tensor:
        sizes.append(len(batch))
        return mail_loss(made, batch)

    learned(made, ExampleNoise(1.0, 1.0), count, batch=5, epochs=100, loss=loss, rate=1e-3, declared=20)
    mean = count / 4  # 20 declared mails and batches of 5 are 4 steps, whatever the number of mails
    assert sum(sizes) / 400 == pytest.approx(mean, abs=4 * (0.75 * mean / 400) ** 0.5)


def test_an_empty_batch_is_a_step_of_noise_alone() -> None:
    begin, noise = flat(net()), ExampleNoise(1.0, 1.0)
    moved = [learned(net(), noise, 1, 1, 1, seed=seed) - begin for seed in range(3)]
    assert all((way != 0).all() for way in moved)
    first = net()
    optimizer = create_optimizer(first.parameters(), "sgd", 0.5, 0.0)
    descend_privately(lambda _: pytest.fail("no example"), first, optimizer, rows()[:0], 4, 1, noise, 0.0, 0)


def test_fedprox_pulls_back_to_where_the_round_began() -> None:
    """Second full step: the private gradient at the first point, plus mu times the way from the beginning."""
    begin, noise = flat(net()), ExampleNoise(0.3, TINY)
    first, free, held = (learned(net(), noise, epochs=n, mu=mu) for n, mu in ((1, 0.0), (2, 0.0), (2, 0.7)))
    assert torch.allclose(held, free - 0.5 * 0.7 * (first - begin), atol=1e-5)


def test_nothing_of_opacus_stays_behind_and_the_seed_decides_everything() -> None:
    made = net()
    one = learned(made, ExampleNoise(1.0, 1.0), batch=4, epochs=2)
    assert not any(hasattr(weight, "grad_sample") for weight in made.parameters())
    assert not any(layer._forward_hooks or layer._backward_hooks for layer in made.modules())
    assert torch.equal(one, learned(net(), ExampleNoise(1.0, 1.0), batch=4, epochs=2))
    assert not torch.equal(one, learned(net(), ExampleNoise(1.0, 1.0), batch=4, epochs=2, seed=1))


def test_an_attackers_copy_of_a_round_is_noisy_where_the_clients_are() -> None:
    weights = {"embedding.weight": np.zeros((WORDS, 1), np.float32), "bias.weight": np.zeros((1, 1), np.float32)}
    protocol = Protocol({}, batch_size=100, optimizer="sgd", learning_rate=0.5)
    data = rows().numpy()
    plain = train_client(weights, data[:, :-1], data[:, -1], protocol, 0)
    noisy = train_client(weights, data[:, :-1], data[:, -1], protocol, 0, ExampleNoise(10.0, 1.0))
    assert plain[0] == 0  # padding
    assert (noisy != 0).all()
