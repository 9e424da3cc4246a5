"""Hashmaps: a trained encoder's codes as templates."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from veilbench.bench.limits import NotNegative, Seed, require_arguments
from veilbench.families.templates.nets.print_encoder import PrintEncoder
from veilbench.families.templates.schemes.base import blas, cosines, orthonormal, unit
from veilbench.families.templates.schemes.trained import TrainedScheme
from veilbench.nets.saved_weights import load_weights


class HashmapScheme(TrainedScheme):
    """Templates are codes of length 1, or their signs; optionally rotated by a user's key, and with noise.

    The rotation preserves all distances between templates of one key: given the key, it hides nothing of the code.
    Noise is redrawn for each template, from a generator that starts with `noise_seed` when the scheme is created or
    restored: the same calls in the same order give the same templates, but no two calls give the same noise.

    Args:
        net: encoder with trained weights.
        binary: whether templates are the signs of the code, uint8 of 0 and 1.
        keyed: whether the code is multiplied by a user's orthogonal matrix.
        noise: mean length of the Gaussian noise added to the code of length 1, before signs are taken.
        noise_seed: seed of the noise.
    """

    def __init__(
        self,
        net: PrintEncoder,
        binary: bool = False,
        keyed: bool = False,
        noise: NotNegative = 0.0,
        noise_seed: Seed = 0,
    ) -> None:
        if noise < 0:
            raise ValueError(f"noise={noise} must be 0 or more")
        self.net = net.eval().requires_grad_(False)
        self.binary, self.keyed, self.noise, self.noise_seed = binary, keyed, noise, noise_seed
        self.rng = np.random.default_rng(noise_seed)

    def transformed(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the codes rotated by the key, shape (n, code), float32; `protect` adds noise and signs."""
        width = features.shape[1]
        return np.asarray(features @ orthonormal(width, width, rng) if self.keyed else features, np.float32)

    def protect(self, features: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Make templates under the users' keys, with noise, as codes or bits; shape (n, code)."""
        codes = super().protect(features, keys) if not self.keyed else turned_rows(features, keys)
        if self.noise:
            drawn = self.rng.standard_normal(codes.shape, np.float32)
            codes = unit(codes + drawn * np.float32(self.noise / np.sqrt(codes.shape[1])))
        return np.asarray(codes > 0, np.uint8) if self.binary else codes

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of equal bits, or the cosine, row by row, shape (n,)."""
        return np.asarray((a == b).mean(1), np.float32) if self.binary else cosines(a, b)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of equal bits, or the cosine, of all pairs, shape (n, m)."""
        if not self.binary:
            return super().compare_all(a, b)
        signs = [2 * bits.astype(np.float32) - 1 for bits in (a, b)]
        return np.asarray((1 + signs[0] @ signs[1].T / a.shape[1]) / 2, np.float32)

    def features_tensor(self, images: Tensor) -> Tensor:
        """Return features of images, shape (n, c, h, w) to (n, d); differentiable."""
        return torch.as_tensor(functional.normalize(self.net.to(images.device)(images), dim=1))

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """Return differentiable templates; signs pass the gradient of the code itself, times its width."""
        codes = turned(features, keys) if self.keyed else features
        if self.noise:
            codes = noisy(codes, self.noise, self.rng)
        return bits_through(codes) if self.binary else codes

    def similarity_tensor(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the similarity of templates row by row, shape (n,); differentiable."""
        if self.binary:
            return (1 + ((2 * a - 1) * (2 * b - 1)).mean(1)) / 2
        return torch.as_tensor(functional.cosine_similarity(a, b))

    def refresh(self, rng: np.random.Generator) -> None:
        """Draw noise from another generator from now on."""
        self.rng = rng

    def settings(self) -> dict[str, Any]:
        """Return the shape of the network and the constructor's other arguments."""
        more = {"binary": self.binary, "keyed": self.keyed, "noise": self.noise, "noise_seed": self.noise_seed}
        return {"net": self.net.settings()} | more

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights of the network. Keys belong to the users, and are not saved."""
        return {name: weight.detach().cpu().numpy() for name, weight in self.net.state_dict().items()}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> HashmapScheme:
        """Rebuild the model from what `settings` and `arrays` returned."""
        settings = dict(settings)
        shape = settings.pop("net", None)
        require_arguments(PrintEncoder, shape, "settings.net")
        net = PrintEncoder(**shape)
        load_weights(net, arrays)
        require_arguments(cls, settings | {"net": net}, "settings")
        return cls(net, **settings)


@lru_cache(maxsize=256)
def turn_of(width: int, key: int) -> np.ndarray:
    """Return a user's orthogonal matrix; cached, because searches use the same ones repeatedly."""
    return orthonormal(width, width, np.random.default_rng(key))


def turned_rows(codes: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Apply `turned` to arrays."""
    with blas().limit(limits=1, user_api="blas"):
        return turned(torch.from_numpy(np.asarray(codes, np.float32)), keys).numpy()


def turned(codes: Tensor, keys: np.ndarray) -> Tensor:
    """Multiply codes by the orthogonal matrices of their users' keys, shape (n, d)."""
    if keys.shape != (len(codes),):
        raise ValueError(f"keys of shape {keys.shape} for {len(codes)} rows of features")
    distinct, which = np.unique(keys, return_inverse=True)
    width, made = codes.shape[1], torch.empty_like(codes)
    for place, key in enumerate(distinct):
        matrix = torch.from_numpy(turn_of(width, int(key))).to(codes)
        rows = torch.from_numpy(np.flatnonzero(which == place)).to(codes.device)
        made = made.index_copy(0, rows, codes[rows] @ matrix)
    return made


def noisy(codes: Tensor, noise: float, rng: np.random.Generator) -> Tensor:
    """Add Gaussian noise of a given mean length to codes, and scale them to length 1 again."""
    drawn = torch.from_numpy(rng.standard_normal(codes.shape, np.float32)).to(codes)
    return torch.as_tensor(functional.normalize(codes + drawn * (noise / codes.shape[1] ** 0.5), dim=1))


def bits_through(codes: Tensor) -> Tensor:
    """Return whether codes are above 0, as the numbers 0 and 1, with the gradient of a line through 1/2, unclipped.

    Codes of length 1 with d entries have entries of about 1 / sqrt(d): the line maps this size to 0 and 1.
    """
    line = (1 + codes * codes.shape[1] ** 0.5) / 2
    return torch.as_tensor(line + ((codes > 0).to(codes) - line).detach())
