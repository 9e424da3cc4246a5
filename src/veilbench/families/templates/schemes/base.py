"""Interface of template schemes: from an image's features and a user's key to a template.

A user's key is a 64-bit number, which seeds numpy's PCG64; everything random about a scheme is drawn from it. This
generator is not cryptographic: we measure what the transformations hide, with keys that are either unknown or known,
and never how hard a key is to guess.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.bench.limits import require_arguments, require_room
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.extractor import Extractor

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@cache
def blas() -> ThreadpoolController:
    """Return the controller that limits the number of BLAS threads."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class TemplateScheme(TrainedModel):
    """A template protection scheme: makes templates and compares them.

    Args:
        extractor: maps images to feature vectors.
    """

    data_kind = Identities
    keyed = True  # whether templates depend on the user's key, and can be replaced by changing it
    binary = False  # whether templates are rows of bits
    own: tuple[str, ...] = ()  # names of the constructor's arguments after the extractor, which are attributes too

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor

    def fit(self, data: Identities, rng: np.random.Generator) -> TemplateScheme:
        """Return the scheme with its features fitted to the training images.

        Raises:
            UserError: the scheme does not fit the features.
        """
        fitted = copy.copy(self)
        fitted.extractor = self.extractor.fitted(data.train.images, rng)
        fitted.enroll(data.train.images[:1], np.zeros(1, np.uint64))
        return fitted

    def features(self, images: np.ndarray) -> np.ndarray:
        """Return features of images of shape (n, c, h, w): shape (n, d), float32."""
        return self.extractor(images)

    @abstractmethod
    def transformed(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Transform features of one user into templates.

        Args:
            features: features to transform, shape (n, d), float32.
            rng: source of everything random, drawn in an order that does not depend on the features.

        Returns:
            Templates, shape (n, ...).
        """

    def protect(self, features: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Make templates under the users' keys, shape (n, ...); rows with one key are transformed together.

        Args:
            features: features to transform, shape (n, d), float32.
            keys: key of each row, shape (n,), uint64.

        Raises:
            ValueError: there is not exactly one key per row.
        """
        if keys.shape != (len(features),):
            raise ValueError(f"keys of shape {keys.shape} for {len(features)} rows of features")
        if not self.keyed:
            return self.transformed(features, np.random.default_rng(0))
        order = np.argsort(keys, kind="stable")
        distinct, starts = np.unique(keys[order], return_index=True)
        groups = np.split(order, starts[1:])
        with blas().limit(limits=1, user_api="blas"):  # for many small products, threads cost more than they save
            parts = [
                self.transformed(features[rows], np.random.default_rng(int(key)))
                for key, rows in zip(distinct, groups, strict=True)
            ]
        templates = np.empty((len(features), *parts[0].shape[1:]), parts[0].dtype)
        templates[order] = np.concatenate(parts)
        return templates

    def enroll(self, images: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Make templates of images of shape (n, c, h, w) under the users' keys, shape (n,)."""
        return self.protect(self.features(images), keys)

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the similarity of templates row by row, shape (n,), float32; higher is more similar."""
        return cosines(a, b)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the similarity of every template of `a` with every one of `b`, shape (n, m), float32."""
        return np.asarray(unit(a) @ unit(b).T)

    def refresh(self, rng: np.random.Generator) -> None:
        """Use another generator for any noise, so that no system in use draws the same noise twice."""

    def settings(self) -> dict[str, Any]:
        """Return the extractor's settings and the constructor's other arguments."""
        return {"extractor": self.extractor.settings()} | {name: getattr(self, name) for name in self.own}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the extractor's fitted arrays. Keys belong to the users, and are not saved."""
        return self.extractor.learned

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> TemplateScheme:
        """Rebuild the model from what `settings` and `arrays` returned."""
        require_arguments(Extractor, settings.get("extractor"), "settings.extractor")
        extractor = Extractor(**settings["extractor"])
        require_arguments(cls, settings | {"extractor": extractor}, "settings")
        more = {name: settings[name] for name in cls.own}
        return cls(extractor.with_saved(arrays), **more)


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows to length 1; rows of zeros stay zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cosines of rows, shape (n,), float32."""
    return np.asarray(np.einsum("ij,ij->i", unit(a), unit(b)), np.float32)


def orthonormal(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a random matrix with orthonormal columns (rows if there are fewer of them), by QR decomposition."""
    require_room(f"a matrix of {rows} x {columns}", rows, columns, each=8)
    tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q = (q * np.sign(np.diag(r))).astype(np.float32)
    return q if rows >= columns else np.ascontiguousarray(q.T)


class BinaryScheme(TemplateScheme):
    """A scheme whose templates are bits, shape (n, bits), uint8 of 0 and 1."""

    binary = True

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of equal bits, row by row, shape (n,)."""
        return np.asarray((a == b).mean(1), np.float32)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of equal bits of all pairs, shape (n, m)."""
        signs = [2 * bits.astype(np.float32) - 1 for bits in (a, b)]
        return np.asarray((1 + signs[0] @ signs[1].T / a.shape[1]) / 2, np.float32)


class IndexScheme(TemplateScheme):
    """A scheme whose templates are small unordered indices, shape (n, hashes), uint8 or uint16."""

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of equal indices, row by row, shape (n,)."""
        return np.asarray((a == b).mean(1), np.float32)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of equal indices of all pairs, shape (n, m)."""
        return np.stack([(b == row).mean(1, dtype=np.float32) for row in a])
