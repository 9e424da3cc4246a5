"""A neural hashmap: an encoder trained so that codes of one person are near each other, and others' far away."""

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
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.data.impression_sampler import ImpressionSampler
from veilbench.families.templates.losses.metric import MetricLoss, metric_loss
from veilbench.families.templates.nets.print_encoder import Norm, PrintEncoder
from veilbench.families.templates.regularisers.impersonation import Impersonation
from veilbench.families.templates.regularisers.inversion_adversary import InversionAdversary
from veilbench.families.templates.schemes.base import orthonormal
from veilbench.families.templates.schemes.hashmap import HashmapScheme, bits_through
from veilbench.training.federated import FederatedModel

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


class Hashmap(pl.LightningModule, FederatedModel):
    """Learns hashmaps by a metric loss; the hardened ones are this class with more of its switches on.

    Args:
        code: length of the code; of bits where it is binary.
        binary: codes are signs, and the gradient passes straight through them.
        loss: see `losses.metric.metric_loss`.
        margin: of the loss.
        temperature: of the loss.
        channels: see `nets.print_encoder.PrintEncoder`.
        norm: see there.
        impressions: of each identity in a batch; the batch size of the training is the number of identities.
        augmentation: spoils the images that are learned from.
        mirrored: learn from mirror images too, as of people of their own.
        keyed: templates are turned by a user's key; binary codes are learned under a new key in every step.
        noise: see `schemes.hashmap.HashmapScheme`; it is there while training, too.
        inverter: an attacker in the loop who learns images from codes; None leaves it out.
        impersonation: learning also from images that were changed to pass for another's; None leaves it out.
        learning_rate: AdamW's, at the start; it falls to zero along half a cosine.
        weight_decay: AdamW's.
    """

    data_kind = Identities
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
        self.planned_steps, self.steps = 1, 0  # the training says how many there will be
        self.curves: dict[str, float] = {}

    def start(self, data: Identities, seeds: np.random.SeedSequence) -> Tensor:
        """Draw the first weights.

        Returns:
            The training identities' numbers, shape (people,): a batch is of identities, and draws its impressions.
        """
        self.sampler, self.steps = ImpressionSampler(data.train, self.mirrored), 0
        weights, draws, keys, noise = (int(seed) for seed in seeds.generate_state(4))
        self.generator, self.keys = torch.Generator().manual_seed(draws), np.random.default_rng(keys)
        self.noise_seed = noise
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(weights)
            self.net = PrintEncoder(self.code, self.channels, self.norm)
            people = len(self.sampler)
            self.metric = metric_loss(self.loss_name, self.margin, self.temperature, people, self.code)
            if self.inverter:
                self.inverter.begin(self.code)
        return torch.arange(people)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW, fused."""
        return torch.optim.AdamW(self.parameters(), self.learning_rate, weight_decay=self.weight_decay, fused=True)

    def unit_codes(self, images: Tensor) -> Tensor:
        """The encoder's codes, of length 1, shape (n, code)."""
        return torch.as_tensor(functional.normalize(self.net(images), dim=1))

    def hidden(self, codes: Tensor) -> Tensor:
        """Codes of length 1 as the templates show them: noisy, and signs if they are binary; of length 1 again."""
        if self.noise:
            drawn = torch.randn(codes.shape, generator=self.generator).to(codes)
            codes = functional.normalize(codes + drawn * (self.noise / self.code**0.5), dim=1)
        if not self.binary:
            return codes  # a turn would change no distance
        if self.keyed:
            codes = codes @ torch.from_numpy(orthonormal(self.code, self.code, self.keys)).to(codes)
        return torch.as_tensor((2 * bits_through(codes) - 1) / self.code**0.5)

    def loss(self, rows: Tensor) -> Tensor:
        """The loss of a batch of identities, shape (n,), int64."""
        images = self.sampler.drawn(rows.cpu(), self.impressions, self.generator)
        images = self.augmentation(images, self.generator) if self.augmentation else images
        images, people = images.to(self.device), rows.to(self.device).repeat_interleave(self.impressions)
        clean = len(images)
        if self.impersonation and self.impersonation.epsilon:
            attacked = self._attacked(self.impersonation, images)
            images, people = torch.cat([images, attacked]), torch.cat([people, people[: len(attacked)]])
        codes = self.hidden(self.unit_codes(images))
        lost = torch.as_tensor(self.metric(codes, people))
        if self.inverter and self.inverter.weight:
            penalty = self.inverter.penalty(codes[:clean], images[:clean])
            self.curves["inversion penalty"] = float(penalty.detach())
            lost = lost + penalty
        return lost

    def _attacked(self, impersonation: Impersonation, images: Tensor) -> Tensor:
        """The first images of a batch, each changed towards an image of the next person."""
        self.net.eval()  # the attack is on the encoder as it would be used, and leaves its statistics alone
        some = images[: impersonation.people * self.impressions]
        with torch.no_grad():
            targets = self.unit_codes(images).roll(-self.impressions, 0)[: len(some)]
        attacked = impersonation.attacked(self.unit_codes, some, targets, self.generator)
        self.net.train()
        return attacked

    def training_step(self, batches: Tensor) -> None:
        """Many optimizer steps at once, one per row of `batches`, shape (steps, identities)."""
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

    def health(self) -> dict[str, float]:
        """What a federation writes down after each round: nothing, since no part of the data is for validation."""
        return {}

    def subject(self) -> HashmapScheme:
        """The encoder with its last weights."""
        return HashmapScheme(self.net.cpu(), self.binary, self.keyed, self.noise, self.noise_seed)
