"""Clients that each train their own encoder on their own images and on hashmaps of other clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, MinLen
from torch import Tensor
from torch.nn import functional

from veilbench.bench.contracts import Trainable
from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, LearningRate, Positive, Width
from veilbench.families.templates.data.identities import ImageIdentities
from veilbench.families.templates.data.impression_sampler import ImpressionSampler
from veilbench.families.templates.losses.contrastive import contrastive_loss, contrastive_loss_with_strangers
from veilbench.families.templates.nets.print_encoder import Norm, PrintEncoder
from veilbench.families.templates.schemes.client_hashmaps import ClientHashmaps

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


class Client:
    """One client: its images, encoder and optimizer. It sends nothing but the result of `encode_own`.

    Args:
        sampler: sampler of the client's own images.
        net: the client's encoder, with initial weights.
        settings: module that holds the training settings.
        generator: random generator of this client.
    """

    def __init__(
        self, sampler: ImpressionSampler, net: PrintEncoder, settings: HashmapClients, generator: torch.Generator
    ) -> None:
        self.sampler, self.net, self.settings, self.generator = sampler, net, settings, generator
        self.optimizer = torch.optim.AdamW(net.parameters(), settings.learning_rate, fused=True)

    def encode_own(self) -> tuple[np.ndarray, np.ndarray]:
        """Return hashmaps of own images, `impressions` per identity, and the identity of each, shape (n,)."""
        people, each = torch.arange(len(self.sampler)), self.settings.impressions
        with torch.no_grad():
            codes = functional.normalize(self.net.eval()(self.sampler.draw(people, each, self.generator)), dim=1)
        self.net.train()
        return codes.numpy(), np.repeat(self.sampler.people, each)

    def learn(self, strangers: np.ndarray, steps: int) -> float:
        """Train with the contrastive loss on own images and strangers' hashmaps; return the mean loss.

        Args:
            strangers: hashmaps of other clients, shape (m, code), float32.
            steps: number of optimizer steps.
        """
        stranger_codes, losses, settings = torch.from_numpy(strangers), list[float](), self.settings
        for _ in range(steps):
            people = torch.randperm(len(self.sampler), generator=self.generator)[: settings.people]
            images = self.sampler.draw(people, settings.impressions, self.generator)
            images = settings.augmentation(images, self.generator) if settings.augmentation else images
            labels = people.repeat_interleave(settings.impressions)
            codes = functional.normalize(self.net(images), dim=1)
            loss = contrastive_loss_with_strangers(codes, labels, stranger_codes, settings.margin)
            if settings.among_own:
                loss = loss + contrastive_loss(codes, labels, settings.margin)
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            self.optimizer.step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses))


class HashmapClients(Trainable):
    """Trains one encoder per client by the original hashmap protocol, which `training.clients` runs.

    Arguments that `Hashmap` has too have the same meaning.

    Args:
        clients: number of clients, among which the training identities are split.
        code: length of the codes.
        margin: Euclidean distance from which pairs of different identities cost nothing.
        among_own: whether a client also separates its own identities from each other; it has no effect on clients with
            one identity.
        channels: output channels of each convolution of the encoder; multiples of 4.
        norm: normalisation of the channels: "batch", or "group", which does not mix images.
        impressions: number of impressions per identity in a batch and in a message.
        people: maximum number of identities in a batch.
        augmentation: random transformation of the training images; None for none.
        learning_rate: learning rate of AdamW.
    """

    data_kind = ImageIdentities
    trained_kind = ClientHashmaps

    def __init__(
        self,
        clients: Annotated[Count, Ge(2)] = 6,
        code: Annotated[Width, Ge(2)] = 128,
        margin: Positive = 1.4,
        among_own: bool = True,
        channels: Annotated[Sequence[Annotated[Width, Ge(4)]], MinLen(1)] = (32, 64, 128),
        norm: Norm = "group",
        impressions: Annotated[Count, Ge(2)] = 4,
        people: Count = 16,
        augmentation: Augmentation | None = None,
        learning_rate: LearningRate = 1e-3,
    ) -> None:
        self.clients, self.code, self.margin, self.among_own = clients, code, margin, among_own
        self.channels, self.norm, self.impressions = list(channels), norm, impressions
        self.people, self.augmentation, self.learning_rate = people, augmentation, learning_rate

    def start(self, data: ImageIdentities, seeds: np.random.SeedSequence) -> list[Client]:
        """Split the training identities among the clients, and initialise their encoders.

        All encoders start from the same random weights, because codes of different encoders are compared.

        Raises:
            UserError: fewer identities than clients.
        """
        people = np.unique(data.train.identities)
        if self.clients > len(people):
            raise UserError(f"clients={self.clients} is more than the {len(people)} training identities")
        split_seed, weights_seed, *client_seeds = (int(seed) for seed in seeds.generate_state(2 + self.clients))
        groups = np.array_split(np.random.default_rng(split_seed).permutation(people), self.clients)
        self.parties = []
        for group, seed in zip(groups, client_seeds, strict=True):
            part = data.train.subset(np.isin(data.train.identities, group))
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(weights_seed)
                net = PrintEncoder(self.code, self.channels, self.norm)
            self.parties.append(Client(ImpressionSampler(part), net, self, torch.Generator().manual_seed(seed)))
        return self.parties

    def trained_model(self) -> ClientHashmaps:
        """Return the trained scheme with the final weights of all encoders."""
        return ClientHashmaps([party.net for party in self.parties])
