"""Random impressions of some identities, for batches of metric learning."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from veilbench.bench.errors import UserError
from veilbench.families.templates.data.identities import Impressions


class ImpressionSampler:
    """Draws random impressions of given identities.

    Args:
        part: images to draw from.
        mirrored: whether to add mirror images as new identities, numbered after the others: a mirrored print is no
            one's.

    Raises:
        UserError: no identity has two impressions.
    """

    def __init__(self, part: Impressions, mirrored: bool = False) -> None:
        self.people, where = np.unique(part.identities, return_inverse=True)
        counts = np.bincount(where)
        if counts.max() < 2:
            raise UserError(f"{len(counts)} identities have one impression each: nothing can be learned from pairs")
        places = np.full((len(counts), counts.max()), -1)
        order = np.argsort(where, kind="stable")
        places[np.arange(counts.max()) < counts[:, None]] = order
        self.images, self.places = torch.from_numpy(part.images), torch.from_numpy(places)
        self.counts = torch.from_numpy(counts)
        if mirrored:
            self.places = torch.cat([self.places, self.places + len(part) * (self.places >= 0)])
            self.images, self.counts = torch.cat([self.images, self.images.flip(3)]), self.counts.repeat(2)

    def __len__(self) -> int:
        return len(self.counts)

    def drawn(self, people: Tensor, each: int, generator: torch.Generator) -> Tensor:
        """Draw images, shape (n * each, 1, h, w), grouped by identity.

        All images of an identity are drawn once before any is drawn again.

        Args:
            people: identities as indices into `self.people`, shape (n,), int64, on the CPU; mirrored ones follow.
            each: impressions per identity.
            generator: source of the draws, on the CPU.
        """
        places, counts = self.places[people], self.counts[people]
        lots = torch.rand(places.shape, generator=generator) + (places < 0)
        shuffled = places.gather(1, lots.argsort(1))
        return self.images[shuffled.gather(1, torch.arange(each) % counts[:, None]).flatten()]
