"""Restricted Boltzmann machines, and deep autoencoders unrolled from them (Hinton and Salakhutdinov 2006)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, LearningRate, Steps


class Boltzmann(nn.Module):
    """A restricted Boltzmann machine with binary units, trained by contrastive divergence (Hinton 2002).

    Visible units may hold probabilities in [0, 1], as is usual for pixels.

    Args:
        visible: number of visible units.
        hidden: number of hidden units.
        generator: source of the initial weights.
        linear_hidden: whether hidden units are Gaussian with unit variance instead of binary, for a real-valued code as
            in the paper's last layer.
    """

    weight: Tensor
    visible_bias: Tensor
    hidden_bias: Tensor

    def __init__(self, visible: int, hidden: int, generator: torch.Generator, linear_hidden: bool = False) -> None:
        super().__init__()
        self.register_buffer("weight", 0.01 * torch.randn(hidden, visible, generator=generator))
        self.register_buffer("visible_bias", torch.zeros(visible))
        self.register_buffer("hidden_bias", torch.zeros(hidden))
        self.linear_hidden = linear_hidden

    def hidden_means(self, visible: Tensor) -> Tensor:
        """Return the means of the hidden units, shape (n, visible) to (n, hidden)."""
        field = visible @ self.weight.T + self.hidden_bias
        return field if self.linear_hidden else field.sigmoid()

    def visible_means(self, hidden: Tensor) -> Tensor:
        """Return the means of the visible units, shape (n, hidden) to (n, visible)."""
        return (hidden @ self.weight + self.visible_bias).sigmoid()

    def draw_hidden(self, means: Tensor, generator: torch.Generator) -> Tensor:
        """Sample hidden units given their means."""
        if self.linear_hidden:
            return means + torch.randn(means.shape, generator=generator)
        return torch.bernoulli(means, generator=generator)

    def step(self, rows: Tensor, rate: float, generator: torch.Generator) -> Tensor:
        """Run one step of CD-1 on a batch, shape (n, visible).

        Returns:
            The mean squared error of the one-step reconstruction.
        """
        means = self.hidden_means(rows)
        again = self.visible_means(self.draw_hidden(means, generator))
        means_again = self.hidden_means(again)
        n = len(rows)
        self.weight += rate / n * (means.T @ rows - means_again.T @ again)
        self.visible_bias += rate * (rows - again).mean(0)
        self.hidden_bias += rate * (means - means_again).mean(0)
        return ((rows - again) ** 2).mean()


class BoltzmannPretraining:
    """Trains the layers of a fully connected autoencoder one by one as Boltzmann machines, and unrolls the stack.

    Args:
        epochs: number of epochs over the training rows, per layer.
        batch_size: number of rows per optimizer step.
        learning_rate: learning rate of contrastive divergence; layers with linear hidden units use a tenth of it.
    """

    def __init__(
        self,
        epochs: Steps = 10,
        batch_size: Count = 64,
        learning_rate: LearningRate = 0.1,
    ) -> None:
        self.epochs, self.batch_size, self.learning_rate = epochs, batch_size, learning_rate

    @torch.no_grad()
    def __call__(self, encoder: nn.Module, decoder: nn.Module, rows: Tensor, generator: torch.Generator) -> list[float]:
        """Pretrain the weights of encoder and decoder in place.

        Args:
            encoder: fully connected network with logistic activations; the code may be linear.
            decoder: network that mirrors the encoder.
            rows: training rows in [0, 1], shape (n, *shape).
            generator: source of initial weights, batches and sampled units.

        Returns:
            The last epoch's mean squared error of each layer's machine.

        Raises:
            UserError: encoder and decoder are not mirror images with logistic layers, or rows are outside [0, 1].
        """
        down, up = ([part for part in half.modules() if isinstance(part, nn.Linear)] for half in (encoder, decoder))
        if [d.weight.shape for d in down] != [u.weight.T.shape for u in up[::-1]]:
            raise UserError(
                "model.pretraining by Boltzmann machines needs fully connected halves that mirror each other"
            )
        if any(isinstance(part, (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Tanh)) for part in encoder.modules()):
            raise UserError("model.pretraining by Boltzmann machines needs activation=sigmoid")
        if float(rows.min()) < 0 or float(rows.max()) > 1:
            raise UserError("model.pretraining by Boltzmann machines needs rows in [0, 1]; set data.scale to minmax")
        below, errors = rows.flatten(1), []
        linear_code = isinstance(list(encoder.modules())[-1], nn.Identity)
        for place, (layer, mirror) in enumerate(zip(down, up[::-1], strict=True)):
            machine = Boltzmann(
                layer.in_features, layer.out_features, generator, linear_code and place == len(down) - 1
            )
            errors.append(self._train(machine, below, generator))
            layer.weight.copy_(machine.weight)
            layer.bias.copy_(machine.hidden_bias)
            mirror.weight.copy_(machine.weight.T)
            mirror.bias.copy_(machine.visible_bias)
            below = machine.hidden_means(below)
        return errors

    def _train(self, machine: Boltzmann, rows: Tensor, generator: torch.Generator) -> float:
        rate = self.learning_rate / 10 if machine.linear_hidden else self.learning_rate
        error = 0.0
        for _ in range(self.epochs):
            batches = torch.split(torch.randperm(len(rows), generator=generator), self.batch_size)
            error = sum(float(machine.step(rows[b], rate, generator)) for b in batches) / len(batches)
        return error
