from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.nets.boltzmann import Boltzmann, BoltzmannPretraining
from veilbench.nets.dense import Dense

DIGITS = torch.from_numpy((load_digits().data / 16).astype(np.float32))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_sklearn(machine: Boltzmann) -> BernoulliRBM:
    """scikit-learn's machine with our weights."""
    rbm = BernoulliRBM(machine.weight.shape[0], random_state=0)
    rbm.components_ = machine.weight.numpy().astype(float)
    rbm.intercept_hidden_ = machine.hidden_bias.numpy().astype(float)
    rbm.intercept_visible_ = machine.visible_bias.numpy().astype(float)
    return rbm


def trained(epochs: int) -> Boltzmann:
    machine, draws = Boltzmann(64, 32, generator()), generator(1)
    with torch.no_grad():
        for _ in range(epochs):
            for batch in torch.randperm(len(DIGITS), generator=draws).split(10):
                machine.step(DIGITS[batch], 0.05, draws)
    return machine


def test_hidden_means_are_those_of_scikit_learn() -> None:
    machine = trained(1)
    reference = as_sklearn(machine)
    np.testing.assert_allclose(machine.hidden_means(DIGITS[:50]), reference.transform(DIGITS[:50].numpy()), atol=1e-5)


def test_learns_a_law_as_likely_as_scikit_learn_s_machine_does() -> None:
    """Pseudo-likelihood on the digits: both far above the untrained machine, and near each other."""
    ours = as_sklearn(trained(10)).score_samples(DIGITS.numpy()).mean()
    theirs = BernoulliRBM(32, learning_rate=0.05, n_iter=10, random_state=0).fit(DIGITS.numpy())
    other = theirs.score_samples(DIGITS.numpy()).mean()
    untrained = as_sklearn(trained(0)).score_samples(DIGITS.numpy()).mean()
    assert untrained < -40
    assert ours > untrained + 15
    assert ours > other - 2


def test_one_step_against_a_loop() -> None:
    machine, rows = Boltzmann(3, 2, generator()), torch.tensor([[0.0, 1.0, 0.5], [1.0, 0.0, 0.25]])
    weight = machine.weight.clone()
    hidden = 1 / (1 + np.exp(-(rows.numpy() @ weight.numpy().T)))
    drawn = torch.bernoulli(torch.from_numpy(hidden).float(), generator=generator(5)).numpy()
    again = 1 / (1 + np.exp(-(drawn @ weight.numpy())))
    hidden_again = 1 / (1 + np.exp(-(again @ weight.numpy().T)))
    expected = np.zeros((2, 3))
    for n in range(2):
        expected += np.outer(hidden[n], rows[n]) - np.outer(hidden_again[n], again[n])
    machine.step(rows, 0.1, generator(5))
    np.testing.assert_allclose(machine.weight - weight, 0.1 * expected / 2, atol=1e-6)


def test_pretraining_sets_both_halves_and_starts_far_below_fresh_weights() -> None:
    torch.manual_seed(0)
    encoder, decoder = Dense(16, 1, [40], "sigmoid").build((64,))
    fresh = float(((decoder(encoder(DIGITS)).sigmoid() - DIGITS) ** 2).mean().detach())
    BoltzmannPretraining(epochs=5)(encoder, decoder, DIGITS, generator())
    after = float(((decoder(encoder(DIGITS)).sigmoid() - DIGITS) ** 2).mean().detach())
    assert torch.equal(encoder[1].weight, decoder[2].weight.T)  # unrolled
    assert after < fresh / 2


@pytest.mark.parametrize(
    ("build", "rows", "said"),
    [
        (Dense(4, 1, [8], "relu"), DIGITS, "activation=sigmoid"),
        (Dense(4, 1, [8], "sigmoid"), DIGITS * 2, r"rows in \[0, 1\]"),
    ],
)
def test_what_cannot_be_pretrained_is_refused(build: Dense, rows: torch.Tensor, said: str) -> None:
    encoder, decoder = build.build((64,))
    with pytest.raises(UserError, match=said):
        BoltzmannPretraining(epochs=1)(encoder, decoder, rows, generator())
