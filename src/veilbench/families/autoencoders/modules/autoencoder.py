"""One autoencoder for all variants, with exchangeable networks, code regularisers and input corruptions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import ClassVar, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from veilbench.bench.contracts import Trainable
from veilbench.bench.limits import LearningRate, NotNegative, Steps
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.losses import OUTPUTS, Loss, loss_per_row, resolve_loss
from veilbench.families.autoencoders.nets.autoencoder_net import Architecture, AutoencoderNet
from veilbench.families.autoencoders.nets.boltzmann import BoltzmannPretraining
from veilbench.families.autoencoders.regularisers.base import Regulariser
from veilbench.families.autoencoders.schemes.autoencoder import NO_BOTTLENECK, CodedRows, Score

Corruption = Callable[[Tensor, torch.Generator], Tensor]


class Autoencoder(pl.LightningModule, Trainable):
    """Trains an autoencoder to reconstruct rows from a code.

    Undercomplete, linear, sparse, deep, denoising, contractive, variational and convolutional autoencoders are all this
    class with different `net`, `regulariser`, `corruption` or `pretraining`. There are many arguments because each of
    these variants in the literature changes one of them and leaves the others as they are.

    Args:
        net: architecture of encoder and decoder.
        loss: reconstruction loss: `mse`, `bce`, `multinomial`, or `auto` for `bce` on rows within [0, 1] and `mse`
            otherwise.
        regulariser: penalty on the code that is added to the loss; None adds none.
        corruption: corruption of the encoder's input, redrawn at every step (Vincent et al. 2008); None uses clean
            input.
        augmentation: random change of the training rows before anything else, redrawn at every step; the validation
            rows are not changed.
        pretraining: layer-wise pretraining; None starts from random weights.
        residual: whether the network predicts the difference between its input and the row.
        learning_rate: initial learning rate of AdamW; it falls to zero along half a cosine.
        weight_decay: weight decay of AdamW.
        score: anomaly score of rows: "error", "whitened", "mahalanobis" or "combined", as `CodedRows` defines them.
        patience: number of calls of `training_step` without a better validation loss after which training stops; None
            runs all steps. The weights with the best validation loss are kept either way.
    """

    data_kind = Rows
    trained_kind: ClassVar[type[TrainedModel]] = CodedRows

    net: AutoencoderNet

    def __init__(
        self,
        net: Architecture,
        loss: Loss = "auto",
        regulariser: Regulariser | None = None,
        corruption: Corruption | None = None,
        augmentation: Corruption | None = None,
        pretraining: BoltzmannPretraining | None = None,
        residual: bool = False,
        learning_rate: LearningRate = 2e-3,
        weight_decay: NotNegative = 0.0,
        score: Score = "error",
        patience: Steps | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.architecture, self.wanted_loss, self.regulariser = net, loss, regulariser
        self.corruption, self.augmentation = corruption, augmentation
        self.pretraining, self.residual = pretraining, residual
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.anomaly_score, self.patience = score, patience
        self.planned_steps = 1  # set by the training before `start`
        self.curves: dict[str, float] = {}

    def start(self, rows: Rows, seeds: np.random.SeedSequence) -> Tensor:
        """Build the network for rows of this shape, with initial weights.

        Returns:
            The training rows, shape (n, *shape).
        """
        self.rows = rows
        self.loss_name = resolve_loss(self.wanted_loss, rows.train.x)
        train = torch.from_numpy(rows.train.x)
        seed = int(seeds.generate_state(1)[0])
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            outputs = self.regulariser.outputs if self.regulariser else 1
            output = OUTPUTS[self.loss_name]
            self.net = AutoencoderNet(self.architecture, rows.shape, output, outputs, self.residual)  # type: ignore[arg-type]
        if self.pretraining:
            self.pretraining(self.net.encoder, self.net.decoder, train, self.generator)
        self.validation = torch.from_numpy(rows.validation.x)
        self.best, self.best_state, self.steps, self.stale = math.inf, self._state(), 0, 0
        return train

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam with decoupled weight decay, fused."""
        return torch.optim.AdamW(self.net.parameters(), self.learning_rate, weight_decay=self.weight_decay, fused=True)

    def loss(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean loss of a batch, shape (n, *shape), the encoder's input and the encoder's output."""
        seen = self.corruption(rows, generator) if self.corruption else rows
        encoded = self.net.encoder(seen)
        code = self.regulariser.draw(encoded, generator) if self.regulariser else encoded
        return loss_per_row(self.loss_name, self.net.logits(code, seen), rows).mean(), seen, encoded

    def training_step(self, batches: Tensor) -> None:
        """Run one optimizer step per row of `batches`, shape (steps, batch, *shape)."""
        optimizer = cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))
        if self.generator.device.type != self.device.type:  # draw random numbers on the device that uses them
            self.generator = torch.Generator(self.device).manual_seed(self.generator.initial_seed())
        weights = list(self.net.parameters())
        for step, batch in enumerate(batches, self.steps):  # local, because setting a module's attribute is slow
            progress = min(1.0, step / self.planned_steps)
            optimizer.param_groups[0]["lr"] = self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
            for weight in weights:
                weight.grad = None  # as zero_grad does, in a tenth of its time
            rows = self.augmentation(batch, self.generator) if self.augmentation else batch
            lost, seen, encoded = self.loss(rows, self.generator)
            if self.regulariser:
                penalty = self.regulariser.penalty(self.net.encoder, seen, encoded, self.generator).mean()
            self.manual_backward(lost + penalty if self.regulariser else lost)
            optimizer.step()
        self.steps += len(batches)
        self.curves = {"loss": float(lost.detach()), "validation loss": self._validate()}
        if self.regulariser:
            self.curves["penalty"] = float(penalty.detach())

    @torch.no_grad()
    def _validate(self) -> float:
        """Return the loss on the validation rows, with the same corruption each time, and keep the best weights."""
        generator = torch.Generator(self.device).manual_seed(0)
        parts = torch.split(self.validation, 512)
        losses = [float(self.loss(part.to(self.device), generator)[0]) * len(part) for part in parts]
        loss = sum(losses) / len(self.validation)
        self.stale += 1
        if loss < self.best:
            self.best, self.best_state, self.stale = loss, self._state(), 0
        self.trainer.should_stop = self.patience is not None and self.stale >= self.patience
        return loss

    def _state(self) -> dict[str, Tensor]:
        return {name: weight.detach().cpu().clone() for name, weight in self.net.state_dict().items()}

    def lacks(self) -> Mapping[str, str]:
        """Return which methods the trained model will lack, and why."""
        return (
            dict.fromkeys(("decode", "bottleneck"), NO_BOTTLENECK)
            if self.residual or not self.architecture.bottleneck
            else {}
        )

    def trained_model(self) -> CodedRows:
        """Return the trained model with its best weights, and its anomaly score fitted to the training rows."""
        self.net.load_state_dict(self.best_state)
        return CodedRows.fit_score(self.net.cpu(), self.anomaly_score, self.rows.train.x)
