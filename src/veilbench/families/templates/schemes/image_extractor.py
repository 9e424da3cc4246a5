"""Features of images: principal components of pixels, or orientations of edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.errors import UserError
from veilbench.bench.limits import LARGEST_VALUE, Side, Width, require_arguments
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.schemes.structure_tensor import mean_channel, sum_structure_tensor

if TYPE_CHECKING:
    from torch import Tensor


class ImageExtractor(Extractor):
    """Extracts principal components of pixels, or the orientations of edges.

    Args:
        kind: `pixels` for each image minus its mean; `orientation` for the direction of edges (ridges of a print) in
            each cell of a grid, which is more robust to shifts. The latter is similar to FingerCode (Jain, Prabhakar,
            Hong and Pankanti 2000).
        components: number of principal components over the training images to keep; None keeps all values.
        whiten: whether to divide the components by their standard deviations over the training images.
        grid: cells along each side of the grid, for `orientation`.
    """

    def __init__(
        self,
        kind: Literal["pixels", "orientation"] = "pixels",
        components: Width | None = 128,
        whiten: bool = False,
        grid: Annotated[Side, Ge(2)] = 12,
    ) -> None:
        if kind not in ("pixels", "orientation"):
            raise ValueError(f"kind={kind} must be pixels or orientation")
        self.kind, self.components, self.whiten, self.grid = kind, components, whiten, grid
        self.fitted_arrays: dict[str, np.ndarray] = {}  # mean, shape (d,), and basis, (d, components)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"kind": self.kind, "components": self.components, "whiten": self.whiten, "grid": self.grid}

    def with_arrays(self, fitted_arrays: dict[str, np.ndarray]) -> ImageExtractor:
        """Return a copy with arrays that `fit` has computed before."""
        extractor = ImageExtractor(self.kind, self.components, self.whiten, self.grid)
        extractor.fitted_arrays = fitted_arrays
        return extractor

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the mean, shape (d,), and the basis, shape (d, components); nothing without components."""
        return self.fitted_arrays

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> ImageExtractor:
        """Rebuild the extractor from what `settings` and `arrays` returned.

        Raises:
            ValueError: an array is missing, or its shape, type or values differ from those that `fit` computes.
        """
        require_arguments(cls, settings, "settings.extractor")
        extractor = cls(**settings)
        if extractor.components is None:
            return extractor
        mean = require_array(arrays, "mean", np.float32, (None,), low=-LARGEST_VALUE, high=LARGEST_VALUE)
        shape = (len(mean), extractor.components)
        basis = require_array(arrays, "basis", np.float32, shape, low=-LARGEST_VALUE, high=LARGEST_VALUE)
        return extractor.with_arrays({"mean": mean, "basis": basis})

    def fit(self, images: np.ndarray, rng: np.random.Generator) -> ImageExtractor:
        """Return a copy fitted to training images, shape (n, c, h, w).

        Raises:
            UserError: there are fewer images, or fewer values in each, than components.
        """
        if self.components is None:
            return self.with_arrays({})
        from sklearn.decomposition import PCA

        flat = self._unprojected_values(images)
        if self.components > min(flat.shape):
            raise UserError(
                f"model.extractor.components={self.components} must be at most {min(flat.shape)}: "
                f"there are {len(flat)} training images of {flat.shape[1]} values"
            )
        pca = PCA(self.components, svd_solver="randomized", random_state=int(rng.integers(2**31))).fit(flat)
        basis = pca.components_.T / (np.sqrt(pca.explained_variance_) if self.whiten else 1)
        return self.with_arrays({"mean": pca.mean_.astype(np.float32), "basis": basis.astype(np.float32)})

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return features of images of shape (n, c, h, w): shape (n, d), float32.

        Raises:
            UserError: the extractor is not fitted, or the images have another size.
        """
        features = self._unprojected_values(images)
        if self.components is not None:
            if not self.fitted_arrays:
                raise UserError("the extractor is not fitted: its components must be fitted to training images first")
            mean, basis = self.fitted_arrays["mean"], self.fitted_arrays["basis"]
            if features.shape[1] != len(mean):
                raise UserError(f"images of shape {images.shape[1:]} do not fit features made of {len(mean)} values")
            features = (features - mean) @ basis
        elif self.kind == "pixels":
            features = features - features.mean(1, keepdims=True)
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        return np.asarray(features / np.maximum(lengths, 1e-12), np.float32)

    def extract_tensor(self, images: Tensor) -> Tensor:
        """Return features as tensors with gradients, shape (n, c, h, w) to (n, d)."""
        import torch

        images = images.float()
        values = images if self.kind == "pixels" else compute_orientations_tensor(images.mean(1), self.grid)
        features = values.flatten(1)
        if self.components is not None:
            mean, basis = (torch.from_numpy(self.fitted_arrays[name]).to(features) for name in ("mean", "basis"))
            features = (features - mean) @ basis
        elif self.kind == "pixels":
            features = features - features.mean(1, keepdim=True)
        return torch.nn.functional.normalize(features, dim=1)

    def _unprojected_values(self, images: np.ndarray) -> np.ndarray:
        """Return the values before the projection onto principal components, shape (n, d), float32."""
        images = images.astype(np.float32, copy=False)
        values = images if self.kind == "pixels" else compute_orientations(mean_channel(images), self.grid)
        return values.reshape(len(images), -1)


def compute_orientations(images: np.ndarray, grid: int) -> np.ndarray:
    """Compute edge orientations per cell from the structure tensor.

    Angles are doubled, so that opposite directions are equal.

    Args:
        images: grey images, shape (n, h, w).
        grid: cells along each side.

    Returns:
        Cosine and sine of the doubled angle, times the coherence in [0, 1]; shape (n, 2, grid, grid), float32.

    Raises:
        UserError: the images have fewer pixels than cells along a side.
    """
    if grid > min(images.shape[1:]):
        raise UserError(f"grid={grid} must be at most {min(images.shape[1:])}, the images' smaller side")
    tensor = sum_structure_tensor(images, grid)
    energy = tensor[:, 2:]
    mean_energy = energy.mean((2, 3), keepdims=True)
    return np.asarray(tensor[:, :2] / (energy + 0.1 * mean_energy + 1e-12), np.float32)


def compute_orientations_tensor(images: Tensor, grid: int) -> Tensor:
    """Compute the same as `compute_orientations` on tensors, shape (n, h, w) to (n, 2, grid, grid)."""
    from veilbench.families.templates.schemes.structure_tensor_sums import sum_structure_tensor_of

    tensor = sum_structure_tensor_of(images, grid)
    energy = tensor[:, 2:]
    return tensor[:, :2] / (energy + 0.1 * energy.mean((2, 3), keepdim=True) + 1e-12)
