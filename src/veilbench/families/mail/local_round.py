"""A client's part of a round: local steps from the common weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from veilbench.families.mail.nets.mail_classifier import MailClassifierNet
from veilbench.federated.aggregations.base import ExampleNoise
from veilbench.federated.descent import descend, optimizer_of
from veilbench.federated.flat import flat
from veilbench.federated.private_steps import descend_privately
from veilbench.federated.protocol import Protocol
from veilbench.training.epoch_batches import EpochBatches

ORDER = ("embedding.weight", "bias.weight", "inner.weight", "inner.bias", "outer.weight")  # of the net's parameters


def mail_loss(net: MailClassifierNet, rows: Tensor) -> Tensor:
    """The mean cross-entropy of mails, shape (n, longest + 1), the label last; common padding is left out."""
    tokens, labels = rows[:, :-1], rows[:, -1]
    width = int((tokens != 0).sum(1).max())
    logits = net(tokens[:, : max(width, 1)])
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))


def client_update(
    weights: Mapping[str, np.ndarray],
    tokens: np.ndarray,
    labels: np.ndarray,
    protocol: Protocol,
    seed: int,
    noise: ExampleNoise | None = None,
) -> np.ndarray:
    """What a client with these mails learns in one round, shape (size,), float64: weights after less weights before.

    The embedding comes first, row by row, then the bias.

    Args:
        weights: the common ones at the round's beginning, by their names.
        tokens: the client's mails, shape (n, length).
        labels: shape (n,).
        protocol: of the federation.
        seed: of the order of the mails.
        noise: within the local steps, where the protocol's aggregation asks for it.
    """
    words, dimension = weights["embedding.weight"].shape
    net = MailClassifierNet(words, dimension, len(weights.get("inner.bias", [0])))
    net.load_state_dict({name: torch.from_numpy(weight.copy()) for name, weight in weights.items()})
    parameters = list(net.parameters())
    begin = [p.detach().numpy().copy() for p in parameters]
    optimizer = optimizer_of(parameters, protocol.optimizer, protocol.learning_rate, protocol.momentum)
    rows = torch.from_numpy(np.concatenate([tokens, labels[:, None]], 1).astype(np.int32))
    epochs = range(protocol.local_epochs)

    def loss(batch: Tensor) -> Tensor:
        return mail_loss(net, batch)

    if noise:
        settings = (protocol.batch_size, len(epochs), noise, protocol.proximal, seed)
        descend_privately(loss, net, optimizer, rows, *settings)
    else:
        batches = EpochBatches(rows, protocol.batch_size, 1, seed, epochs)
        descend(loss, parameters, optimizer, batches, protocol.proximal)
    moved: np.ndarray = flat([p.detach().numpy() for p in parameters]) - flat(begin)
    return moved


def moved_weights(weights: Mapping[str, np.ndarray], update: np.ndarray) -> dict[str, np.ndarray]:
    """The weights after a flat update, of the same types, whatever order their names come in."""
    made, at = {}, 0
    for name in ORDER[: len(weights)]:
        weight = weights[name]
        made[name] = (weight + update[at : at + weight.size].reshape(weight.shape)).astype(weight.dtype)
        at += weight.size
    return made
