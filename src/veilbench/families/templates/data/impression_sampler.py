"""Random impressions of given identities, for batches in metric learning."""

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
        mirrored: whether to add mirror images as additional identities, numbered after the others; a mirrored print
            belongs to no real finger.
        twins: images of a twin of each identity, under the identity's number. The twins are additional identities,
            numbered after `part`'s in the same order.

    Attributes:
        groups: identities that belong into the same batch, as indices: shape (n,) without twins, and shape (n, 2) with
            them, an identity and its twin in each row.

    Raises:
        UserError: no identity has two impressions.
    """

    def __init__(self, part: Impressions, mirrored: bool = False, twins: Impressions | None = None) -> None:
        self.people, person = np.unique(part.identities, return_inverse=True)
        images = part.images
        if twins is not None:
            twin = np.searchsorted(self.people, twins.identities)
            person, images = np.r_[person, len(self.people) + twin], np.concatenate([images, twins.images])
        counts = np.bincount(person)
        if counts.max() < 2:
            raise UserError(f"{len(counts)} identities have one impression each: nothing can be learned from pairs")
        rows = np.full((len(counts), counts.max()), -1)
        order = np.argsort(person, kind="stable")
        rows[np.arange(counts.max()) < counts[:, None]] = order
        self.images, self.rows = torch.from_numpy(images), torch.from_numpy(rows)
        self.counts, self.groups = torch.from_numpy(counts), torch.arange(len(counts))
        if twins is not None:
            self.groups = self.groups.view(2, -1).T
        if mirrored:
            self.groups = torch.cat([self.groups, self.groups + len(counts)])
            self.rows = torch.cat([self.rows, self.rows + len(images) * (self.rows >= 0)])
            self.images, self.counts = torch.cat([self.images, self.images.flip(3)]), self.counts.repeat(2)

    def __len__(self) -> int:
        return len(self.counts)

    def draw(self, people: Tensor, each: int, generator: torch.Generator) -> Tensor:
        """Draw images, shape (n * each, 1, h, w), grouped by identity.

        Images of an identity repeat only after each of them was drawn.

        Args:
            people: identities as indices into `self.people`, shape (n,), int64, on the CPU; higher ones are twins and
                mirrored.
            each: number of impressions per identity.
            generator: source of the draws, on the CPU.
        """
        rows, counts = self.rows[people], self.counts[people]
        priorities = torch.rand(rows.shape, generator=generator) + (rows < 0)
        shuffled = rows.gather(1, priorities.argsort(1))
        return self.images[shuffled.gather(1, torch.arange(each) % counts[:, None]).flatten()]
