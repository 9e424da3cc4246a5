from __future__ import annotations

import numpy as np
import pytest
import torch

from veilbench.families.mail.local_round import ORDER, apply_update, train_client
from veilbench.families.mail.nets.mail_classifier import MailClassifierNet
from veilbench.federated.protocol import Protocol


@pytest.mark.parametrize("dimension", [1, 3])
def test_an_update_lands_where_it_came_from_whatever_the_names_order(dimension: int) -> None:
    """Full-batch descent: the update is the learning rate times the gradient that autograd gives each parameter."""
    net = MailClassifierNet(9, dimension, 4)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(parameter.numel()))
    assert tuple(name for name, _ in net.named_parameters()) == ORDER[: len(list(net.parameters()))]
    tokens, labels = np.array([[2, 3, 3, 0], [4, 5, 0, 0], [2, 8, 8, 8]]), np.array([0, 1, 1])
    weights = {name: w.detach().numpy().copy() for name, w in net.named_parameters()}
    protocol = Protocol({}, batch_size=3, optimizer="sgd", learning_rate=0.5)
    update = train_client(dict(sorted(weights.items())), tokens, labels, protocol, 0)
    moved = apply_update(dict(sorted(weights.items())), update)
    logits = net(torch.from_numpy(tokens))
    torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(labels).float()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None
        np.testing.assert_allclose(moved[name], weights[name] - 0.5 * parameter.grad.numpy(), atol=1e-6, err_msg=name)
        assert moved[name].dtype == np.float32
