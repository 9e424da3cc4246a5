"""A client's part of a round: local training from the global weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from veilbench.families.mail.nets.mail_classifier import MailClassifierNet
from veilbench.federated.aggregations.base import ExampleNoise
from veilbench.federated.descent import descend, optimizer_of
from veilbench.federated.flat import flatten
from veilbench.federated.private_steps import descend_privately
from veilbench.federated.protocol import Protocol
from veilbench.training.epoch_batches import EpochBatches

ORDER = ("embedding.weight", "bias.weight", "inner.weight", "inner.bias", "outer.weight")  # of an update


def mail_loss(net: MailClassifierNet, rows: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of a batch.

    Args:
        net: network to evaluate.
        rows: word numbers followed by the label, shape (n, longest + 1); columns that contain only padding are skipped.
    """
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
    """Train a client for one round; return its update, weights after minus weights before, shape (size,), float64.

    The embedding comes first, row by row, then the bias.

    Args:
        weights: global weights at the start of the round, by parameter name.
        tokens: word numbers of the client's mails, shape (n, length).
        labels: 0 for ham and 1 for spam, shape (n,).
        protocol: settings of local training.
        seed: seed of the order of the mails, and of the noise.
        noise: clipping and noise of DP-SGD; None for ordinary training.
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
    moved: np.ndarray = flatten([p.detach().numpy() for p in parameters]) - flatten(begin)
    return moved


def moved_weights(weights: Mapping[str, np.ndarray], update: np.ndarray) -> dict[str, np.ndarray]:
    """Add a flat update to the weights; the result has the same dtypes, and the names in the order of the update."""
    moved, at = {}, 0
    for name in ORDER[: len(weights)]:
        weight = weights[name]
        moved[name] = (weight + update[at : at + weight.size].reshape(weight.shape)).astype(weight.dtype)
        at += weight.size
    return moved
