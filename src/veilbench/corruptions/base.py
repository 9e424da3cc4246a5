"""The interface of everything that spoils rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Corruption(ABC):
    """Spoils rows: shape, dtype and device stay, values are not cut to a range unless the class says so."""

    @abstractmethod
    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """The rows, spoiled.

        Args:
            images: shape (n, *shape); (n, channels, height, width) where the corruption is of images.
            generator: draws everything that is random, on its own device.
        """


def need_images(images: Tensor, corruption: object) -> None:
    """Refuse rows that are not images.

    Raises:
        ValueError: their shape is not (n, channels, height, width).
    """
    if images.ndim != 4:
        name = type(corruption).__name__
        raise ValueError(f"{name} spoils images of shape (n, channels, height, width), got {tuple(images.shape)}")


def need_share(share: float) -> None:
    """Refuse what is no share.

    Raises:
        ValueError: `share` is not in [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} must be in [0, 1]")
