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
from veilbench.families.templates.nets.saved_net import SavedNet
from veilbench.families.templates.schemes.base import blas_threads, cosine_similarity, normalise
from veilbench.families.templates.schemes.orthonormal import draw_orthonormal
from veilbench.families.templates.schemes.trained import TrainedScheme
from veilbench.nets.saved_weights import load_weights

STACKED = 2**21  # values of the matrices of different keys that are multiplied at once: 8 MiB


class HashmapScheme(TrainedScheme):
    """Templates are an encoder's codes of length 1, or their signs; optionally rotated by a user's key, and with noise.

    A rotation preserves all distances between templates under the same key, and an attacker with the key can invert it.
    Each template has new noise, from a generator that is seeded with `noise_seed` when the scheme is created or
    restored. The same sequence of calls therefore gives the same templates, but repeated calls give different noise.

    Args:
        net: encoder with trained weights.
        binary: whether templates are the signs of the code, uint8 of 0 and 1.
        keyed: whether the code is multiplied by a user's orthogonal matrix.
        noise: mean length of the Gaussian noise added to the code of length 1, before signs are taken.
        noise_seed: seed of the noise.
    """

    def __init__(
        self,
        net: SavedNet,
        binary: bool = False,
        keyed: bool = False,
        noise: NotNegative = 0.0,
        noise_seed: Seed = 0,
    ) -> None:
        if noise < 0:
            raise ValueError(f"noise={noise} must be 0 or more")
        self.net: SavedNet = net.eval().requires_grad_(False)
        self.binary, self.keyed, self.noise, self.noise_seed = binary, keyed, noise, noise_seed
        self.rng = np.random.default_rng(noise_seed)

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rotate codes by the key, shape (n, code), float32; `protect` adds noise and takes signs."""
        width = features.shape[1]
        return np.asarray(features @ draw_orthonormal(width, width, rng) if self.keyed else features, np.float32)

    def protect(self, features: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Make templates under the users' keys, with noise, as codes or bits; shape (n, code)."""
        codes = super().protect(features, keys) if not self.keyed else rotate_array(features, keys)
        if self.noise:
            noise = self.rng.standard_normal(codes.shape, np.float32)
            codes = normalise(codes + noise * np.float32(self.noise / np.sqrt(codes.shape[1])))
        return np.asarray(codes > 0, np.uint8) if self.binary else codes

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of equal bits, or the cosine, row by row, shape (n,)."""
        return np.asarray((a == b).mean(1), np.float32) if self.binary else cosine_similarity(a, b)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of equal bits, or the cosine, of all pairs, shape (n, m)."""
        if not self.binary:
            return super().compare_all(a, b)
        signs = [2 * bits.astype(np.float32) - 1 for bits in (a, b)]
        return np.asarray((1 + signs[0] @ signs[1].T / a.shape[1]) / 2, np.float32)

    def features_tensor(self, samples: Tensor) -> Tensor:
        """Return features of samples, shape (n, ...) to (n, d); differentiable."""
        return torch.as_tensor(functional.normalize(self.net.to(samples.device)(samples), dim=1))

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """Return templates as differentiable tensors; see `binarise` for the gradient of signs."""
        codes = rotate(features, keys) if self.keyed else features
        if self.noise:
            codes = add_noise(codes, self.noise, self.rng)
        return binarise(codes) if self.binary else codes

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
def rotation_matrix(width: int, key: int) -> np.ndarray:
    """Return a user's orthogonal matrix; cached, because searches use the same matrices repeatedly."""
    return draw_orthonormal(width, width, np.random.default_rng(key))


def rotate_array(codes: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Apply `rotate` to an array, shape (n, d)."""
    with blas_threads().limit(limits=1, user_api="blas"):
        return rotate(torch.from_numpy(np.asarray(codes, np.float32)), keys).numpy()


def rotate(codes: Tensor, keys: np.ndarray) -> Tensor:
    """Multiply codes by the orthogonal matrices of their users' keys, shape (n, d)."""
    if keys.shape != (len(codes),):
        raise ValueError(f"keys of shape {keys.shape} for {len(codes)} rows of features")
    distinct, which = np.unique(keys, return_inverse=True)
    width = codes.shape[1]
    if len(distinct) == len(keys) and len(keys) * width**2 <= STACKED:
        matrices = torch.from_numpy(_stack_rotations(width, keys.astype(np.uint64).tobytes())).to(codes)
        return torch.bmm(codes[:, None], matrices)[:, 0]
    rotated = torch.empty_like(codes)
    for index, key in enumerate(distinct):
        matrix = torch.from_numpy(rotation_matrix(width, int(key))).to(codes)
        rows = torch.from_numpy(np.flatnonzero(which == index)).to(codes.device)
        rotated = rotated.index_copy(0, rows, codes[rows] @ matrix)
    return rotated


@lru_cache(maxsize=4)
def _stack_rotations(width: int, keys: bytes) -> np.ndarray:
    """Return the matrices of several keys, shape (keys, width, width); a search uses the same ones in every step."""
    return np.stack([rotation_matrix(width, int(key)) for key in np.frombuffer(keys, np.uint64)])


def add_noise(codes: Tensor, noise: float, rng: np.random.Generator) -> Tensor:
    """Add Gaussian noise of a given mean length to codes, and scale them to length 1 again."""
    samples = torch.from_numpy(rng.standard_normal(codes.shape, np.float32)).to(codes)
    return torch.as_tensor(functional.normalize(codes + samples * (noise / codes.shape[1] ** 0.5), dim=1))


def binarise(codes: Tensor) -> Tensor:
    """Return 1 where codes are above 0 and 0 elsewhere, with a straight-through gradient.

    The gradient is that of (1 + sqrt(d) code) / 2, without clipping. The typical entry of a code of length 1 and
    dimension d is +-1 / sqrt(d), which this line maps to 0 and 1.
    """
    line = (1 + codes * codes.shape[1] ** 0.5) / 2
    return torch.as_tensor(line + ((codes > 0).to(codes) - line).detach())
