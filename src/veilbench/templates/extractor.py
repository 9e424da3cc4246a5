"""From images to the features that template schemes protect."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from veilbench.errors import UserError


class Extractor:
    """Feature vectors of length 1, so that their inner product is a correlation.

    Args:
        kind: `pixels`, each image less its own mean; or `pca`, principal components over the training images.
        components: of `pca`; not used by `pixels`.
        whiten: divide the components of `pca` by their standard deviations over the training images.
    """

    def __init__(
        self,
        kind: Literal["pixels", "pca"] = "pca",
        components: Annotated[int, Ge(1)] = 128,
        whiten: bool = False,
    ) -> None:
        if kind not in ("pixels", "pca"):
            raise ValueError(f"kind={kind} must be pixels or pca")
        self.kind, self.components, self.whiten = kind, components, whiten
        self.learned: dict[str, np.ndarray] = {}  # of pca: mean, shape (pixels,), and basis, (pixels, components)

    def settings(self) -> dict[str, Any]:
        """What the constructor takes, apart from arrays."""
        return {"kind": self.kind, "components": self.components, "whiten": self.whiten}

    def with_learned(self, learned: dict[str, np.ndarray]) -> Extractor:
        """The same with what `fitted` had learned before."""
        other = Extractor(self.kind, self.components, self.whiten)
        other.learned = learned
        return other

    def fitted(self, images: np.ndarray, rng: np.random.Generator) -> Extractor:
        """The same, ready for images like these, shape (n, c, h, w).

        Raises:
            UserError: fewer images or pixels than components.
        """
        if self.kind == "pixels":
            return self.with_learned({})
        from sklearn.decomposition import PCA

        flat = images.reshape(len(images), -1)
        if self.components > min(flat.shape):
            raise UserError(
                f"components={self.components} must be at most {min(flat.shape)}: images, and pixels of each"
            )
        pca = PCA(self.components, svd_solver="randomized", random_state=int(rng.integers(2**31))).fit(flat)
        basis = pca.components_.T / (np.sqrt(pca.explained_variance_) if self.whiten else 1)
        return self.with_learned({"mean": pca.mean_.astype(np.float32), "basis": basis.astype(np.float32)})

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features of images of shape (n, c, h, w): shape (n, d), float32.

        Raises:
            UserError: not fitted, or images of another size.
        """
        flat = images.reshape(len(images), -1).astype(np.float32, copy=False)
        if self.kind == "pixels":
            features = flat - flat.mean(1, keepdims=True)
        else:
            if not self.learned:
                raise UserError("the features are not ready: pca must be fitted to training images first")
            mean, basis = self.learned["mean"], self.learned["basis"]
            if flat.shape[1] != len(mean):
                raise UserError(f"images of shape {images.shape[1:]} do not fit features of {len(mean)} pixels")
            features = (flat - mean) @ basis
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        return np.asarray(features / np.maximum(lengths, 1e-12), np.float32)
