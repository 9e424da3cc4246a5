"""A trained denoiser for white Gaussian noise of any level."""

from __future__ import annotations

import warnings
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from veilbench.bench.checked_arrays import require_dtype
from veilbench.bench.limits import Positive, require_arguments, require_value
from veilbench.corruptions.base import Corruption
from veilbench.corruptions.gaussian import Gaussian
from veilbench.families.autoencoders.schemes.base import Detector, Restorer
from veilbench.metrics.image import squared_errors
from veilbench.nets.multi_scale import MultiScale
from veilbench.nets.saved_weights import load_weights

SMALLEST = 1e-12  # noise level below which no image is scaled


class Denoiser(Restorer, Detector):
    """Removes white Gaussian noise with a network that takes the noise level as an input.

    Images are restored one by one, so that the memory does not depend on their number. The weights are saved in half
    precision and rounded to it at once, so that a saved model restores exactly as the one before it was saved.

    A row's score is the error with which the network restores it after noise of half the highest level has been added:
    images unlike those of the training are restored worse.

    A network for one channel restores each channel of a colour image by itself.

    Args:
        net: network with trained weights.
        highest: highest standard deviation that the network was trained for. Images with more noise are scaled such
            that theirs is as high, and scaled back.
        sigma: standard deviation of the noise, in the units of the images; None estimates that of each image with
            `estimate_noise`.
    """

    def __init__(self, net: MultiScale, highest: Positive = 55 / 255, sigma: Positive | None = None) -> None:
        if sigma is not None and sigma <= 0:
            raise ValueError(f"sigma={sigma} must be above 0")
        self.net = net.half().float().eval().requires_grad_(False)
        self.highest, self.sigma, self.each_channel = highest, sigma, net.images == 1

    def for_corruption(self, corruption: Corruption) -> Denoiser:
        """Return this model with the level of Gaussian noise; itself for other corruptions."""
        known = isinstance(corruption, Gaussian) and corruption.sigma > 0
        return Denoiser(self.net, self.highest, cast(Gaussian, corruption).sigma) if known else self

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        """Denoise images, shape (n, channels, height, width), float32."""
        with torch.no_grad():
            return np.stack([self._restore_image(torch.from_numpy(np.ascontiguousarray(row))) for row in rows])

    def _restore_image(self, image: Tensor) -> np.ndarray:
        sigma = estimate_noise(image.numpy()) if self.sigma is None else self.sigma
        scale = min(1.0, self.highest / max(sigma, SMALLEST))
        parts = image[:, None] if self.each_channel else image[None]
        restored = self.net(scale * parts, torch.full((len(parts),), scale * sigma))
        return np.asarray((restored / scale).reshape(image.shape).numpy())

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Return the mean squared error of rows restored from noise, shape (n, *shape) to (n,), float64.

        The noise is the same in every call and for every row.
        """
        sigma = self.highest / 2
        noise = np.random.default_rng(0).normal(0, sigma, rows.shape[1:])
        restored = self.for_corruption(Gaussian(sigma)).restore_rows((rows + noise).astype(np.float32))
        return squared_errors(restored, rows)

    def settings(self) -> dict[str, Any]:
        """Return the settings of the network and the noise levels."""
        return {"net": self.net.settings(), "highest": self.highest, "sigma": self.sigma}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights of the network, float16."""
        return {name: weight.numpy().astype(np.float16) for name, weight in self.net.state_dict().items()}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Denoiser:
        """Rebuild the model from what `settings` and `arrays` returned."""
        require_arguments(cls, settings | {"net": MultiScale()}, "settings")
        require_value(dict[str, Any], settings.get("net"), "settings.net")
        require_arguments(MultiScale, settings["net"], "settings.net")
        for name, array in arrays.items():
            require_dtype(array, name, np.float16)
        net = MultiScale(**settings["net"])
        load_weights(net, {name: array.astype(np.float32) for name, array in arrays.items()})
        return cls(net, settings["highest"], settings["sigma"])


def estimate_noise(image: np.ndarray) -> float:
    """Estimate the standard deviation of white Gaussian noise, in the units of the image.

    The median of the finest wavelet coefficients (Donoho and Johnstone 1994), from scikit-image; it is too high on
    images full of fine texture.

    Args:
        image: the image, shape (channels, height, width); the estimate is the mean over the channels.
    """
    from skimage.restoration import estimate_sigma

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it is NaN, with a warning, on an image without details
        return float(np.mean(np.nan_to_num(estimate_sigma(image, channel_axis=0))))
