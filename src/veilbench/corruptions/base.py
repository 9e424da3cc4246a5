"""Interface of corruptions, which degrade rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.roots import find_class

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Corruption(ABC):
    """Corrupts rows. Shape, dtype and device stay; values are not clipped to a range unless the class says so."""

    @abstractmethod
    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Return the corrupted rows.

        Args:
            images: rows to corrupt, shape (n, *shape); (n, channels, height, width) for corruptions of images.
            generator: source of all random numbers, which are drawn on its own device.
        """


def corrupt_array(corruption: Corruption, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply a corruption to an array.

    Args:
        corruption: corruption to apply to all images.
        images: images to corrupt, shape (n, channels, height, width), float32.
        rng: source of the seed of the corruption's generator.

    Raises:
        UserError: the corruption does not fit these images.
    """
    import torch

    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    try:
        return np.asarray(corruption(torch.from_numpy(np.ascontiguousarray(images)), generator).numpy())
    except ValueError as error:
        raise UserError(f"corruption: {error}") from error


def describe_corruption(corruption: Corruption) -> dict[str, Any]:
    """Describe a corruption by its class and constructor arguments, in plain types for `build_corruption`."""
    return {"class": f"{type(corruption).__module__}.{type(corruption).__qualname__}", **vars(corruption)}


def build_corruption(description: dict[str, Any]) -> Corruption:
    """Create a corruption from its description, the inverse of `describe_corruption`.

    Raises:
        ValueError: the description is not that of a known corruption.
    """
    settings = dict(description)
    try:
        return find_class(settings.pop("class", None), Corruption, "class")(**settings)
    except (UserError, TypeError) as error:
        raise ValueError(f"corruption: {error}") from error


def need_images(images: Tensor, corruption: object) -> None:
    """Reject rows that are not images.

    Raises:
        ValueError: their shape is not (n, channels, height, width).
    """
    if images.ndim != 4:
        name = type(corruption).__name__
        raise ValueError(f"{name} spoils images of shape (n, channels, height, width), got {tuple(images.shape)}")


def need_share(share: float) -> None:
    """Reject a share outside [0, 1].

    Raises:
        ValueError: `share` is not in [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} must be in [0, 1]")
