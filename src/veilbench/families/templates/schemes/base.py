"""The interface of template schemes: features of an image and a user's key in, a template out.

A user's key is a number of 64 bits; everything random about a scheme is drawn from numpy's PCG64 seeded with it. That
generator is not made for cryptography: the schemes here are measured for what their transformations hide, with keys
that are either unknown or known, never for how hard a key is to guess.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.bench.limits import require_arguments, require_room
from veilbench.bench.subject import Subject
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.extractor import Extractor

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@cache
def blas() -> ThreadpoolController:
    """Sets the number of BLAS threads."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class TemplateScheme(Subject):
    """Makes templates and compares them.

    Args:
        extractor: makes features of images.
    """

    data_kind = Identities
    keyed = True  # a template depends on the user's key, and can be replaced by changing it
    binary = False  # a template is a row of bits
    own: tuple[str, ...] = ()  # the constructor's arguments after the extractor, which are attributes too

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor

    def fit(self, data: Identities, rng: np.random.Generator) -> TemplateScheme:
        """The scheme with its features fitted to the training images.

        Raises:
            UserError: the scheme does not fit the features.
        """
        fitted = copy.copy(self)
        fitted.extractor = self.extractor.fitted(data.train.images, rng)
        fitted.enroll(data.train.images[:1], np.zeros(1, np.uint64))
        return fitted

    def features(self, images: np.ndarray) -> np.ndarray:
        """Features of images of shape (n, c, h, w): shape (n, d), float32."""
        return self.extractor(images)

    @abstractmethod
    def transformed(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Templates of features of one user.

        Args:
            features: shape (n, d), float32.
            rng: everything random comes from it, in an order that does not depend on the features.

        Returns:
            Shape (n, ...).
        """

    def protect(self, features: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Templates under the users' keys, shape (n, ...). Rows with one key are transformed at once.

        Args:
            features: shape (n, d), float32.
            keys: shape (n,), uint64.

        Raises:
            ValueError: not one key for each row.
        """
        if keys.shape != (len(features),):
            raise ValueError(f"keys of shape {keys.shape} for {len(features)} rows of features")
        if not self.keyed:
            return self.transformed(features, np.random.default_rng(0))
        order = np.argsort(keys, kind="stable")
        distinct, starts = np.unique(keys[order], return_index=True)
        groups = np.split(order, starts[1:])
        with blas().limit(limits=1, user_api="blas"):  # many small products: threads would only wait for each other
            parts = [
                self.transformed(features[rows], np.random.default_rng(int(key)))
                for key, rows in zip(distinct, groups, strict=True)
            ]
        templates = np.empty((len(features), *parts[0].shape[1:]), parts[0].dtype)
        templates[order] = np.concatenate(parts)
        return templates

    def enroll(self, images: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Templates of images of shape (n, c, h, w) under the users' keys, shape (n,)."""
        return self.protect(self.features(images), keys)

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """How alike templates are, row by row: shape (n,), float32; the higher, the more alike."""
        return cosines(a, b)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """How alike every template of `a` is to every one of `b`: shape (n, m), float32."""
        return np.asarray(unit(a) @ unit(b).T)

    def refresh(self, rng: np.random.Generator) -> None:
        """Draw noise from this generator from now on, where there is any: no system in use draws the same twice."""

    def settings(self) -> dict[str, Any]:
        """The extractor's, and the constructor's other arguments."""
        return {"extractor": self.extractor.settings()} | {name: getattr(self, name) for name in self.own}

    def arrays(self) -> dict[str, np.ndarray]:
        """What the extractor has learned. Keys are the users', and not kept."""
        return self.extractor.learned

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> TemplateScheme:
        """See `Subject.restore`."""
        require_arguments(Extractor, settings.get("extractor"), "settings.extractor")
        extractor = Extractor(**settings["extractor"])
        require_arguments(cls, settings | {"extractor": extractor}, "settings")
        more = {name: settings[name] for name in cls.own}
        return cls(extractor.with_saved(arrays), **more)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; rows of zeros stay so."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosines of rows, shape (n,), float32."""
    return np.asarray(np.einsum("ij,ij->i", unit(a), unit(b)), np.float32)


def orthonormal(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """A random matrix with orthonormal columns, or rows where there are fewer of them: Gram and Schmidt's, by QR."""
    require_room(f"a matrix of {rows} x {columns}", rows, columns, each=8)
    tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q = (q * np.sign(np.diag(r))).astype(np.float32)
    return q if rows >= columns else np.ascontiguousarray(q.T)


class BinaryScheme(TemplateScheme):
    """A scheme whose templates are bits, shape (n, bits), uint8 of 0 and 1."""

    binary = True

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The share of equal bits, row by row."""
        return np.asarray((a == b).mean(1), np.float32)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The share of equal bits, all with all."""
        signs = [2 * bits.astype(np.float32) - 1 for bits in (a, b)]
        return np.asarray((1 + signs[0] @ signs[1].T / a.shape[1]) / 2, np.float32)


class IndexScheme(TemplateScheme):
    """A scheme whose templates are small whole numbers, each equal or not: shape (n, hashes), uint8 or uint16."""

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The share of equal numbers, row by row."""
        return np.asarray((a == b).mean(1), np.float32)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The share of equal numbers, all with all."""
        return np.stack([(b == row).mean(1, dtype=np.float32) for row in a])
