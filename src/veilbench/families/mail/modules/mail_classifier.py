"""Trains a bag-of-words spam filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from veilbench.bench.limits import LearningRate, Momentum, Steps, Width
from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.local_round import mail_loss
from veilbench.families.mail.nets.mail_classifier import MailClassifierNet
from veilbench.families.mail.schemes.filter import NO_FEDERATION, MailFilter
from veilbench.federated.descent import create_optimizer
from veilbench.federated.protocol import Protocol
from veilbench.training.federated import FederatedModel


class MailClassifier(pl.LightningModule, FederatedModel):
    """A filter with one weight per word, or with word vectors and a small head, trained by binary cross-entropy.

    Args:
        dimension: length of a word vector; 1 is the source system's model, logistic regression.
        hidden: units in the hidden layer of the head; not used if `dimension` is 1.
        optimizer: `adam` or `sgd`; a single step of plain `sgd` can be inverted by an attack on the update.
        learning_rate: learning rate of the optimizer.
        momentum: momentum of `sgd`, in [0, 1); must be 0 for `adam`.
        patience: number of epochs without a lower validation loss after which training stops; the best weights are
            kept. None disables early stopping.
    """

    data_kind = Mails
    trained_kind = MailFilter
    examples_apart = True  # the loss is a mean over mails, which do not influence each other

    def __init__(
        self,
        dimension: Width = 1,
        hidden: Width = 16,
        optimizer: Literal["adam", "sgd"] = "adam",
        learning_rate: LearningRate = 0.01,
        momentum: Momentum = 0.0,
        patience: Steps | None = None,
    ) -> None:
        super().__init__()
        if momentum and optimizer != "sgd":
            raise ValueError(f"momentum={momentum} is for optimizer=sgd, not for optimizer={optimizer}")
        self.automatic_optimization = False
        self.dimension, self.hidden = dimension, hidden
        self.optimizer_name, self.learning_rate, self.momentum = optimizer, learning_rate, momentum
        self.patience = patience
        self.curves: dict[str, float] = {}

    def start(self, mails: Mails, seeds: np.random.SeedSequence) -> Tensor:
        """Initialise the weights.

        Returns:
            The training mails, shape (n, longest + 1), int32: word numbers followed by the label.
        """
        self.net = MailClassifierNet(mails.vocabulary.size, self.dimension, self.hidden)
        self.net.reset_parameters(torch.Generator().manual_seed(int(seeds.generate_state(1)[0])))
        self.vocabulary, self.longest = mails.vocabulary, mails.train.tokens.shape[1]
        self.validation = append_labels(mails.validation)
        self.per_epoch, self.seen, self.losses = len(mails.train), 0, list[float]()
        self.best: dict[str, Tensor] = {}
        return append_labels(mails.train)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return PyTorch's fused Adam or SGD."""
        return create_optimizer(self.net.parameters(), **self.optimizer_settings())

    def optimizer_settings(self) -> dict[str, Any]:
        """Return the optimizer settings, which are public in a federation."""
        return {"optimizer": self.optimizer_name, "learning_rate": self.learning_rate, "momentum": self.momentum}

    def loss(self, rows: Tensor) -> Tensor:
        """Compute the mean loss of mails with their labels, shape (n, longest + 1)."""
        return mail_loss(self.net, rows)

    def training_step(self, batches: Tensor) -> Tensor:
        """Take one optimizer step per batch.

        Args:
            batches: mails with their labels, shape (steps, batch, longest + 1).

        Returns:
            The loss of the last batch.
        """
        optimizer = cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))
        losses = []
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = self.loss(batch)
            self.manual_backward(loss)
            optimizer.step()
            losses.append(loss.detach())
        self.curves = {"loss": torch.stack(losses).mean().item()}
        self.seen += batches.shape[0] * batches.shape[1]
        if self.seen >= self.per_epoch:
            self.seen -= self.per_epoch
            self._finish_epoch()
        return loss

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Compute the mean loss and the accuracy on the validation mails."""
        loss = right = 0.0
        for piece in torch.split(self.validation.to(self.device), 1024):
            loss += self.loss(piece).item() * len(piece)
            right += ((self.net(piece[:, :-1]) > 0) == piece[:, -1]).sum().item()
        return {
            "validation loss": loss / len(self.validation),
            "validation accuracy": right / len(self.validation),
        }

    def _finish_epoch(self) -> None:
        """Evaluate the validation mails at the end of an epoch, and decide on early stopping."""
        self.curves |= self.validate()
        self.losses.append(self.curves["validation loss"])
        if self.patience is None:
            return
        best = int(np.argmin(self.losses))
        if best == len(self.losses) - 1:
            self.best = {name: weight.clone() for name, weight in self.net.state_dict().items()}
        self.trainer.should_stop = len(self.losses) - 1 - best >= self.patience

    def lacks(self) -> Mapping[str, str]:
        """Return what the filter lacks: only federated training gives it a protocol."""
        return NO_FEDERATION

    def federated_model(self, protocol: Protocol) -> MailFilter:
        """Return the filter with the protocol of its federation."""
        trained = self.trained_model()
        trained.protocol = protocol
        return trained

    def trained_model(self) -> MailFilter:
        """Return the filter as plain arrays, with the best weights after early stopping, otherwise the last ones."""
        state = self.best or self.net.state_dict()
        weights = {name: weight.cpu().numpy() for name, weight in state.items()}
        return MailFilter(weights, self.vocabulary, self.longest)


def append_labels(part: MailPart) -> Tensor:
    """Concatenate the word numbers and the label of each mail, shape (n, longest + 1), int32."""
    return torch.from_numpy(np.concatenate([part.tokens, part.labels[:, None].astype(np.int32)], 1))
