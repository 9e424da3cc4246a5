"""Transfer between data sets: identities of one source for training, and of another for attacks and tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, NotNegative, Seed, Side
from veilbench.families.templates.data.identities import IdentitiesData, resize_images
from veilbench.families.templates.data.print_cores import find_cores
from veilbench.families.templates.data.raw_identities import IdentitySource, RawIdentities, check_images


class TransferredData(IdentitiesData):
    """Trains on one source and tests on another, which may be too small to train on.

    Attributes are left out, because the two sources need not have the same ones.

    Args:
        source: loader or generator of the auxiliary and test identities.
        learned: loader or generator of the training identities.
        window: height and width of the crop of the source's images, in pixels; None crops nothing.
        centred: where the crop is: around the middle of each "image", or around the "core" of each print, which aligns
            the impressions of a finger. At an edge the crop moves inwards.
        split: shares of the source's identities for the auxiliary and test parts; they sum to 1.
        enrolled: number of impressions of each test identity to enrol, drawn at random; the others are probes.
        size: height and width to scale all images to, in pixels.
        seed: seed of the split.
        shuffled: whether to split the source's identities in random order; otherwise in the order of their numbers.
    """

    def __init__(
        self,
        source: IdentitySource,
        learned: IdentitySource,
        window: Sequence[Annotated[Side, Ge(8)]] | None = None,
        split: Sequence[NotNegative] = (0.5, 0.5),
        enrolled: Count = 1,
        size: Sequence[Annotated[Side, Ge(8)]] = (96, 96),
        seed: Seed = 0,
        shuffled: bool = True,
        centred: Literal["image", "core"] = "image",
    ) -> None:
        if len(split) != 2 or min(split) <= 0 or abs(sum(split) - 1) > 1e-6:
            raise ValueError(f"split={list(split)} must be two positive shares that make 1: auxiliary, test")
        if window is not None and len(window) != 2:
            raise ValueError(f"window={list(window)} must be two numbers, height and width, or null")
        if centred not in ("image", "core"):
            raise ValueError(f"centred={centred} must be image or core")
        super().__init__(source, (1 / 3, *(share * 2 / 3 for share in split)), enrolled, size, seed, shuffled)
        self.learned, self.window, self.shares, self.centred = learned, window, list(split), centred

    def read(self) -> RawIdentities:
        """Return the images of both sources, the second one's identities numbered after the first one's."""
        raw, training = self.source.read(), self.learned.read()
        for identities in (raw, training):
            check_images(identities)
        images = self.crop(raw.samples) if self.window else raw.samples
        size = self.size or images.shape[2:]
        self.first_learned = int(raw.identities.max()) + 1
        return RawIdentities(
            np.concatenate([resize_images(images, size), resize_images(training.samples, size)]),
            np.r_[raw.identities, self.first_learned + training.identities - training.identities.min()],
            np.r_[raw.impressions, training.impressions],
            notes=[*raw.notes, *training.notes, "Training and test identities come from different sources."],
        )

    def crop(self, images: np.ndarray) -> np.ndarray:
        """Return the window of each image, shape (n, 1, h, w) to (n, 1, height, width)."""
        assert self.window
        if self.centred == "core":
            return crop_around(images, self.window, find_cores(images[:, 0]))
        middle = np.tile(np.array(images.shape[2:]) // 2, (len(images), 1))
        return crop_around(images, self.window, middle)

    def generate_twins(self, identities: np.ndarray, impressions: int | None = None) -> None:
        """Return nothing: real people, whom this class is for, have no generated twins."""

    def split_identities(self, identities: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """Split the identities into those of the train, auxiliary and test parts."""
        people = np.unique(identities)
        of_source = people[people < self.first_learned]
        of_source = rng.permutation(of_source) if self.shuffled else of_source
        cut = round(self.shares[0] * len(of_source))
        return [people[people >= self.first_learned], of_source[:cut], of_source[cut:]]


def crop_around(images: np.ndarray, window: Sequence[int], centres: np.ndarray) -> np.ndarray:
    """Crop images to a window around a place of each, moved inwards where it would leave the image.

    Args:
        images: images, shape (n, 1, h, w).
        window: height and width of the crop, in pixels.
        centres: row and column of each place, shape (n, 2).

    Raises:
        UserError: the images are smaller than the window.
    """
    room = np.array(images.shape[2:]) - window
    if room.min() < 0:
        raise UserError(f"window={list(window)} is larger than the images, {list(images.shape[2:])}")
    corners = np.clip(centres - np.array(window) // 2, 0, room)
    height, width = window
    return np.stack(
        [image[:, top : top + height, left : left + width] for image, (top, left) in zip(images, corners, strict=True)]
    )
