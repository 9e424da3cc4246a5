"""A spam filter on bags of words, trained."""

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
from veilbench.federated.descent import optimizer_of
from veilbench.federated.protocol import Protocol
from veilbench.training.federated import FederatedModel


class MailClassifier(pl.LightningModule, FederatedModel):
    """Words' weights, or vectors with a small head, learned by the mean cross-entropy over the examples of a batch.

    Args:
        dimension: of a word's vector; 1 is the source system's model.
        hidden: units of the head, where the dimension is above 1.
        optimizer: `adam`, or `sgd`, whose single step an attack on an update can read.
        learning_rate: the optimizer's.
        momentum: of `sgd`.
        patience: end the training when the validation loss has not sunk for so many epochs, and keep the best weights;
            None trains to the end.
    """

    data_kind = Mails
    trained_kind = MailFilter
    examples_apart = True  # the loss is a mean over mails, none of which changes another's part

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
        """Draw the first weights.

        Returns:
            The training mails, shape (n, longest + 1), int32: word numbers, the label last.
        """
        self.net = MailClassifierNet(mails.vocabulary.size, self.dimension, self.hidden)
        self.net.reset_parameters(torch.Generator().manual_seed(int(seeds.generate_state(1)[0])))
        self.vocabulary, self.longest = mails.vocabulary, mails.train.tokens.shape[1]
        self.validation = labelled(mails.validation)
        self.per_epoch, self.seen, self.losses = len(mails.train), 0, list[float]()
        self.best: dict[str, Tensor] = {}
        return labelled(mails.train)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam or SGD, fused."""
        return optimizer_of(self.net.parameters(), **self.optimizer_settings())

    def optimizer_settings(self) -> dict[str, Any]:
        """What all clients of a federation know."""
        return {"optimizer": self.optimizer_name, "learning_rate": self.learning_rate, "momentum": self.momentum}

    def loss(self, rows: Tensor) -> Tensor:
        """The mean loss over mails, shape (n, longest + 1); columns that are padding in all of them are left out."""
        return mail_loss(self.net, rows)

    def training_step(self, batches: Tensor) -> Tensor:
        """Many optimizer steps at once, one per row of `batches`, shape (steps, batch, longest + 1)."""
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
            self._validate()
        return loss

    @torch.no_grad()
    def health(self) -> dict[str, float]:
        """The mean loss and the accuracy on the mails for validation."""
        loss = right = 0.0
        for piece in torch.split(self.validation.to(self.device), 1024):
            loss += self.loss(piece).item() * len(piece)
            right += ((self.net(piece[:, :-1]) > 0) == piece[:, -1]).sum().item()
        return {
            "validation loss": loss / len(self.validation),
            "validation accuracy": right / len(self.validation),
        }

    def _validate(self) -> None:
        """At the end of an epoch: how well are mails filtered that were not learned from? Is it enough?"""
        self.curves |= self.health()
        self.losses.append(self.curves["validation loss"])
        if self.patience is None:
            return
        best = int(np.argmin(self.losses))
        if best == len(self.losses) - 1:
            self.best = {name: weight.clone() for name, weight in self.net.state_dict().items()}
        self.trainer.should_stop = len(self.losses) - 1 - best >= self.patience

    def lacks(self) -> Mapping[str, str]:
        """See `Trainable.lacks`: only a federated training gives the filter a protocol."""
        return NO_FEDERATION

    def federated_subject(self, protocol: Protocol) -> MailFilter:
        """The filter with the protocol that it was trained by."""
        made = self.subject()
        made.protocol = protocol
        return made

    def subject(self) -> MailFilter:
        """The filter as plain arrays: the best weights where the training was watched, else the last."""
        state = self.best or self.net.state_dict()
        weights = {name: weight.cpu().numpy() for name, weight in state.items()}
        return MailFilter(weights, self.vocabulary, self.longest)


def labelled(part: MailPart) -> Tensor:
    """Word numbers and the label behind them, shape (n, longest + 1), int32."""
    return torch.from_numpy(np.concatenate([part.tokens, part.labels[:, None].astype(np.int32)], 1))
