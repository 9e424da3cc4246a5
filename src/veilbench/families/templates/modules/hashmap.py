"""Neural hashmap: an encoder trained so that codes of one person are close and codes of different people far apart."""

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
    """Trains an encoder for hashmaps with a metric loss; the options add the hardened variants.

    Each argument is a switch of the ablation in docs/templates_measured.md and can be swept on its own; switches with
    settings of their own (`augmentation`, `inverter`, `impersonation`) are objects.

    Args:
        code: length of the code; in bits if it is binary.
        binary: whether codes are signs; gradients pass straight through them.
        loss: metric loss: "contrastive", "triplet", "ntxent", "supcon" or "arcface".
        margin: margin of the loss: a distance, or for "arcface" an angle in radians.
        temperature: temperature of the losses "ntxent" and "supcon".
        channels: output channels of each convolution of the encoder; multiples of 4.
        norm: normalisation of the channels: "batch", or "group", which does not mix images.
        impressions: impressions of each identity in a batch; the training's batch size counts identities.
        augmentation: random change of the training images; None leaves them as they are.
        mirrored: whether to train on mirror images too, as additional identities.
        keyed: whether templates are rotated by a user's key; binary codes are trained under a new key in every step.
        noise: length of the Gaussian noise added to codes of length 1, also in training; 0 adds none.
        inverter: inversion attacker in the training loop; None leaves it out.
        impersonation: adversarial training against impersonation; None leaves it out.
        learning_rate: initial learning rate of AdamW; it falls to zero along half a cosine.
        weight_decay: weight decay of AdamW.
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
        self.planned_steps, self.steps = 1, 0  # set by the training before `start`
        self.curves: dict[str, float] = {}

    def start(self, data: Identities, seeds: np.random.SeedSequence) -> Tensor:
        """Initialise the weights.

        Returns:
            The indices of the training identities, shape (people,): batches consist of identities, and impressions are
            drawn for each.
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
        """Return a fused AdamW optimizer."""
        return torch.optim.AdamW(self.parameters(), self.learning_rate, weight_decay=self.weight_decay, fused=True)

    def unit_codes(self, images: Tensor) -> Tensor:
        """Return the encoder's codes, scaled to length 1, shape (n, code)."""
        return torch.as_tensor(functional.normalize(self.net(images), dim=1))

    def hidden(self, codes: Tensor) -> Tensor:
        """Return codes as templates contain them: with noise, as signs if they are binary, and of length 1 again."""
        if self.noise:
            drawn = torch.randn(codes.shape, generator=self.generator).to(codes)
            codes = functional.normalize(codes + drawn * (self.noise / self.code**0.5), dim=1)
        if not self.binary:
            return codes  # a rotation would change no distance
        if self.keyed:
            codes = codes @ torch.from_numpy(orthonormal(self.code, self.code, self.keys)).to(codes)
        return torch.as_tensor((2 * bits_through(codes) - 1) / self.code**0.5)

    def loss(self, rows: Tensor) -> Tensor:
        """Compute the loss of a batch of identities, shape (n,), int64."""
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
        """Return the first images of a batch, each perturbed towards an image of the next person."""
        self.net.eval()  # attack the encoder in the mode it is used in, and leave its batch statistics unchanged
        some = images[: impersonation.people * self.impressions]
        with torch.no_grad():
            targets = self.unit_codes(images).roll(-self.impressions, 0)[: len(some)]
        attacked = impersonation.attacked(self.unit_codes, some, targets, self.generator)
        self.net.train()
        return attacked

    def training_step(self, batches: Tensor) -> None:
        """Run one optimizer step per row of `batches`, shape (steps, identities)."""
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
        """Return what a federation logs after each round: nothing, because there is no validation part."""
        return {}

    def trained_model(self) -> HashmapScheme:
        """Return the trained scheme, with the last weights of the encoder."""
        return HashmapScheme(self.net.cpu(), self.binary, self.keyed, self.noise, self.noise_seed)
