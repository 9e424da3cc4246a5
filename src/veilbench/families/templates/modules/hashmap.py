"""Training of a neural hashmap: an encoder whose codes are close for one person and far apart for different people."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, cast

import numpy as np
import pytorch_lightning as pl
import torch
from annotated_types import Ge, MinLen
from torch import Tensor
from torch.nn import functional

from veilbench.bench.limits import Count, LearningRate, NotNegative, Positive, Width
from veilbench.families.templates.data.identities import ImageIdentities
from veilbench.families.templates.data.impression_sampler import ImpressionSampler
from veilbench.families.templates.losses.metric import MetricLoss, build_metric_loss
from veilbench.families.templates.nets.print_encoder import Norm, PrintEncoder
from veilbench.families.templates.nets.saved_net import SavedNet
from veilbench.families.templates.regularisers.impersonation import Impersonation
from veilbench.families.templates.regularisers.inversion_adversary import InversionAdversary
from veilbench.families.templates.schemes.hashmap import HashmapScheme, binarise
from veilbench.families.templates.schemes.orthonormal import draw_orthonormal
from veilbench.training.federated import FederatedModel

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


class Hashmap(pl.LightningModule, FederatedModel):
    """Trains an encoder for hashmaps with a metric loss; further arguments harden it against attacks.

    Each argument can be swept separately, as in the ablation study in docs/templates_measured.md. `augmentation`,
    `inverter` and `impersonation` are objects with their own settings.

    Args:
        code: length of the code; in bits if it is binary.
        binary: whether codes are binarised, with straight-through gradients.
        loss: metric loss: "contrastive", "triplet", "ntxent", "supcon" or "arcface".
        margin: margin of the loss: a distance, or for "arcface" an angle in radians.
        temperature: temperature of the losses "ntxent" and "supcon".
        channels: output channels of each convolution of the encoder; multiples of 4.
        norm: normalisation of the channels: "batch", or "group", which does not mix images.
        impressions: number of impressions per identity in a batch; the training's batch size counts identities.
        augmentation: random transformation of the training images; None for none.
        mirrored: whether to train on mirror images too, as additional identities.
        keyed: whether templates are rotated by a user's key; binary codes are trained under a new key in every step.
        noise: length of the Gaussian noise added to codes of length 1, also in training; 0 adds none.
        inverter: adversarial training against inversion; None for none.
        impersonation: adversarial training against impersonation; None for none.
        learning_rate: initial learning rate of AdamW; it falls to zero along half a cosine.
        weight_decay: weight decay of AdamW.
    """

    data_kind = ImageIdentities
    trained_kind = HashmapScheme

    def __init__(
        self,
        code: Annotated[Width, Ge(2)] = 128,
        binary: bool = False,
        loss: MetricLoss = "contrastive",
        margin: Positive = 1.4,
        temperature: Positive = 0.1,
        channels: Annotated[Sequence[Annotated[Width, Ge(4)]], MinLen(1)] = (16, 32, 64),
        norm: Norm = "batch",
        impressions: Annotated[Count, Ge(2)] = 4,
        augmentation: Augmentation | None = None,
        mirrored: bool = False,
        keyed: bool = False,
        noise: NotNegative = 0.0,
        inverter: InversionAdversary | None = None,
        impersonation: Impersonation | None = None,
        learning_rate: LearningRate = 4e-3,
        weight_decay: NotNegative = 0.01,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.code, self.binary, self.loss_name = code, binary, loss
        self.margin, self.temperature = margin, temperature
        self.channels, self.norm, self.impressions = list(channels), norm, impressions
        self.augmentation, self.mirrored, self.keyed, self.noise = augmentation, mirrored, keyed, noise
        self.inverter, self.impersonation = inverter, impersonation
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.planned_steps, self.steps = 1, 0  # set by the training before `start`
        self.curves: dict[str, float] = {}

    def start(self, data: ImageIdentities, seeds: np.random.SeedSequence) -> Tensor:
        """Initialise the weights.

        Returns:
            The indices of the training identities, shape (people,), or (people, 2) with the twins: batches consist of
            identities, and impressions are drawn for each.
        """
        self.sampler, self.steps = ImpressionSampler(data.train, self.mirrored, data.train_twins), 0
        weights, draws, keys, noise = (int(seed) for seed in seeds.generate_state(4))
        self.generator, self.keys = torch.Generator().manual_seed(draws), np.random.default_rng(keys)
        self.noise_seed = noise
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(weights)
            self.net = self.build_net(data.train.images.shape[1:])
            people = len(self.sampler)
            self.metric = build_metric_loss(self.loss_name, self.margin, self.temperature, people, self.code)
            if self.inverter:
                self.inverter.build_decoder(self.code)
        return self.sampler.groups

    def build_net(self, image: Sequence[int]) -> SavedNet:
        """Return an encoder with initial weights, drawn from torch's generator.

        Args:
            image: shape of an image, (channels, height, width).
        """
        return PrintEncoder(self.code, self.channels, self.norm)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return a fused AdamW optimizer."""
        return torch.optim.AdamW(self.parameters(), self.learning_rate, weight_decay=self.weight_decay, fused=True)

    def encode(self, images: Tensor) -> Tensor:
        """Return the encoder's codes, scaled to length 1, shape (n, code)."""
        return torch.as_tensor(functional.normalize(self.net(images), dim=1))

    def protect_codes(self, codes: Tensor) -> Tensor:
        """Apply the scheme's noise, rotation and binarisation to codes; the results have length 1 again."""
        if self.noise:
            noise = torch.randn(codes.shape, generator=self.generator).to(codes)
            codes = functional.normalize(codes + noise * (self.noise / self.code**0.5), dim=1)
        if not self.binary:
            return codes  # a rotation preserves all distances, so it would not change the loss
        if self.keyed:
            codes = codes @ torch.from_numpy(draw_orthonormal(self.code, self.code, self.keys)).to(codes)
        return torch.as_tensor((2 * binarise(codes) - 1) / self.code**0.5)

    def loss(self, rows: Tensor) -> Tensor:
        """Compute the loss of a batch of identities, shape (n,), or (n, 2) with their twins; int64."""
        rows = rows.flatten()
        images = self.sampler.draw(rows.cpu(), self.impressions, self.generator).to(self.device)
        images = self.augmentation(images, self.generator) if self.augmentation else images
        people = rows.to(self.device).repeat_interleave(self.impressions)
        clean_count = len(images)
        if self.impersonation and self.impersonation.epsilon:
            perturbed = self._perturb(self.impersonation, images)
            images, people = torch.cat([images, perturbed]), torch.cat([people, people[: len(perturbed)]])
        codes = self.protect_codes(self.encode(images))
        loss = torch.as_tensor(self.metric(codes, people))
        if self.inverter and self.inverter.weight:
            penalty = self.inverter.penalty(codes[:clean_count], images[:clean_count])
            self.curves["inversion penalty"] = float(penalty.detach())
            loss = loss + penalty
        return loss

    def _perturb(self, impersonation: Impersonation, images: Tensor) -> Tensor:
        """Return the batch's first images, each perturbed towards the code of an image of the next person."""
        self.net.eval()  # attack the encoder in evaluation mode, without updating its batch statistics
        selected = images[: impersonation.people * self.impressions]
        with torch.no_grad():
            targets = self.encode(images.roll(-self.impressions, 0)[: len(selected)])
        perturbed = impersonation.perturb(self.encode, selected, targets, self.generator)
        self.net.train()
        return perturbed

    def training_step(self, batches: Tensor) -> None:
        """Run one optimizer step per row of `batches`, shape (steps, identities), or (steps, identities, 2)."""
        optimizer = cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))
        losses = []
        for batch in batches:
            progress = min(1.0, self.steps / self.planned_steps)
            optimizer.param_groups[0]["lr"] = self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
            optimizer.zero_grad(set_to_none=True)
            loss = self.loss(batch)
            self.manual_backward(loss)
            optimizer.step()
            self.steps += 1
            losses.append(float(loss.detach()))
        self.curves["loss"] = float(np.mean(losses))

    def validate(self) -> dict[str, float]:
        """Return the metrics to log after a federated round: none, because there are no validation data."""
        return {}

    def trained_model(self) -> HashmapScheme:
        """Return the trained scheme, with the last weights of the encoder."""
        return HashmapScheme(self.net.cpu(), self.binary, self.keyed, self.noise, self.noise_seed)
