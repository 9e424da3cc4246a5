"""A client's part of a round: local training from the global weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from veilbench.families.mail.nets.mail_classifier import MailClassifierNet
from veilbench.federated.aggregations.base import ExampleNoise
from veilbench.federated.descent import create_optimizer, descend
from veilbench.federated.flat import flatten
from veilbench.federated.private_steps import descend_privately
from veilbench.federated.protocol import Protocol
from veilbench.training.epoch_batches import EpochBatches

ORDER = ("embedding.weight", "bias.weight", "inner.weight", "inner.bias", "outer.weight")  # parameters in an update


def mail_loss(net: MailClassifierNet, rows: Tensor) -> Tensor:
    """Compute the mean binary cross-entropy of a batch.

    Args:
        net: network whose loss is computed.
        rows: mails, each as word numbers followed by the label, shape (n, longest + 1). Columns with only padding are
            skipped.
    """
    tokens, labels = rows[:, :-1], rows[:, -1]
    width = int((tokens != 0).sum(1).max())
    logits = net(tokens[:, : max(width, 1)])
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))


def train_client(
    weights: Mapping[str, np.ndarray],
    tokens: np.ndarray,
    labels: np.ndarray,
    protocol: Protocol,
    seed: int,
    noise: ExampleNoise | None = None,
    declared: int | None = None,
) -> np.ndarray:
    """Train a client for one round and return its update.

    The update is the difference between the weights after and before training, as a vector of shape (size,), float64.
    It starts with the embedding, row by row, followed by the bias and the other parameters in the order of `ORDER`.

    Args:
        weights: global weights at the start of the round, by parameter name.
        tokens: word numbers of the client's mails, shape (n, length).
        labels: 0 for ham and 1 for spam, shape (n,).
        protocol: settings of local training.
        seed: seed of the order of the mails, and of the noise.
        noise: clipping and noise of DP-SGD; None for ordinary training.
        declared: number of mails that the client declares for DP-SGD, which is public; None declares n.
    """
    words, dimension = weights["embedding.weight"].shape
    net = MailClassifierNet(words, dimension, len(weights.get("inner.bias", [0])))
    net.load_state_dict({name: torch.from_numpy(weight.copy()) for name, weight in weights.items()})
    parameters = list(net.parameters())
    before = [p.detach().numpy().copy() for p in parameters]
    optimizer = create_optimizer(parameters, protocol.optimizer, protocol.learning_rate, protocol.momentum)
    rows = torch.from_numpy(np.concatenate([tokens, labels[:, None]], 1).astype(np.int32))
    epochs = range(protocol.local_epochs)

    def loss(batch: Tensor) -> Tensor:
        return mail_loss(net, batch)

    if noise:
        settings = (protocol.batch_size, len(epochs), noise, protocol.proximal, seed)
        descend_privately(loss, net, optimizer, rows, *settings, declared)
    else:
        batches = EpochBatches(rows, protocol.batch_size, 1, seed, epochs)
        descend(loss, parameters, optimizer, batches, protocol.proximal)
    update: np.ndarray = flatten([p.detach().numpy() for p in parameters]) - flatten(before)
    return update


def apply_update(weights: Mapping[str, np.ndarray], update: np.ndarray) -> dict[str, np.ndarray]:
    """Add an update to the weights.

    Args:
        weights: weights before the update, by parameter name.
        update: update as returned by `train_client`, or a mean of updates, shape (size,).

    Returns:
        New weights by parameter name in the order of `ORDER`, with unchanged dtypes.
    """
    updated, start = {}, 0
    for name in ORDER[: len(weights)]:
        weight = weights[name]
        updated[name] = (weight + update[start : start + weight.size].reshape(weight.shape)).astype(weight.dtype)
        start += weight.size
    return updated
