"""Base class of extractors that apply a finished network to images."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.limits import require_arguments
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.wrapped.image_input import ImageInput

if TYPE_CHECKING:
    from torch import Tensor

AT_ONCE = 64  # images per forward pass


class NetworkExtractor(Extractor):
    """Applies a network to images, and scales its outputs to length 1.

    Args:
        images: size and scaling of the images that the network expects.
    """

    def __init__(self, images: ImageInput) -> None:
        self.images = images

    @abstractmethod
    def compute(self, inputs: Tensor) -> Tensor:
        """Return the network's outputs, shape (n, channels, height, width) to (n, ...); gradients are not needed."""

    @abstractmethod
    def differentiate(self, inputs: Tensor) -> Tensor:
        """Return the same outputs with gradients.

        Raises:
            UserError: there are none, see `lacks`.
        """

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return features of images of shape (n, 1, h, w), shape (n, d), float32; computed in parts to save memory.

        Raises:
            UserError: the samples are no images, do not fit the network, or give outputs that are not finite.
        """
        from veilbench.nets.in_parts import apply_in_parts

        if samples.ndim != 4:
            raise UserError(f"samples of shape {samples.shape[1:]} are no images, and the network takes images")
        try:
            features = apply_in_parts(lambda x: _normalise(self.compute(self.images.prepare(x))), samples, AT_ONCE)
        except RuntimeError as error:  # torch's error for shapes that do not fit
            raise UserError(f"the network refuses images of shape {samples.shape[1:]}: {error}") from error
        if not np.isfinite(features).all():
            row = int(np.argmax(~np.isfinite(features).all(1)))
            raise UserError(f"the network's output for image {row} holds values that are not finite")
        return features

    def extract_tensor(self, samples: Tensor) -> Tensor:
        """Return features as tensors with gradients, shape (n, 1, h, w) to (n, d)."""
        return _normalise(self.differentiate(self.images.prepare(samples.float())))

    def image_settings(self) -> dict[str, Any]:
        """Return the settings of the images, in plain types."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self.images).items()}


def restore_images(settings: dict[str, Any]) -> ImageInput:
    """Rebuild the settings of the images from a saved model.

    Raises:
        ValueError: a setting is missing or not allowed; the message names it.
    """
    require_arguments(ImageInput, settings.get("images"), "settings.extractor.images")
    return ImageInput(**settings["images"])


def _normalise(outputs: Tensor) -> Tensor:
    import torch

    return torch.nn.functional.normalize(outputs.flatten(1).float(), dim=1)
