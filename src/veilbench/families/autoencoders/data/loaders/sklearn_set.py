"""Small data sets included in scikit-learn, which need no network."""

from __future__ import annotations

from typing import Literal

import numpy as np

from veilbench.families.autoencoders.data.raw import Raw


class SklearnSet:
    """Reads a data set included in scikit-learn.

    `digits`: 1,797 images of hand-written digits, (n, 1, 8, 8), labels "0" to "9". `breast_cancer`: 569 tumours by 30
    measurements, labels "malignant" and "benign". `wine`: 178 wines by 13 measurements, labels "class_0" to "class_2".

    Args:
        name: name of the data set: "digits", "breast_cancer" or "wine".
    """

    def __init__(self, name: Literal["digits", "breast_cancer", "wine"]) -> None:
        if name not in ("digits", "breast_cancer", "wine"):
            raise ValueError(f"name={name!r} must be one of digits, breast_cancer, wine")
        self.name = name

    def read(self, rng: np.random.Generator) -> Raw:
        """Read the whole data set; images are scaled from 0 .. 16 to [0, 1]."""
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{self.name}")()
        labels, y = [str(name) for name in bunch.target_names], bunch.target.astype(np.int64)
        if self.name == "digits":
            return Raw((bunch.images[:, None] / 16).astype(np.float32), y, [], labels)
        # float32 keeps all rows of these sets distinct; other tables stay float64 until they are scaled
        return Raw(bunch.data.astype(np.float32), y, [str(name) for name in bunch.feature_names], labels)
