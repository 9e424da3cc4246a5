"""Interface of template schemes, which map an image's features and a user's key to a template.

A user's key is a 64-bit seed of numpy's PCG64, from which everything random about a scheme is drawn. This generator is
not cryptographic: the bench measures what a transformation hides if its key is unknown or known, and not how hard a key
is to guess.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from veilbench.bench.limits import require_arguments
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.extractor import Extractor, describe_extractor, restore_extractor

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@cache
def blas_threads() -> ThreadpoolController:
    """Return the cached controller of the number of BLAS threads."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class TemplateScheme(TrainedModel):
    """A template protection scheme: makes templates and compares them.

    Args:
        extractor: maps samples (images or embeddings) to feature vectors.
    """

    data_kind: type[Identities] = Identities
    keyed = True  # whether templates depend on a user's key, so that a new key renews them
    binary = False  # whether templates consist of bits
    by_cosine = True  # whether real-valued templates are compared by their cosine
    own_arguments: tuple[str, ...] = ()  # names of the constructor's arguments after the extractor; also attributes

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor
        self.data_kind = extractor.data_kind

    def with_extractor(self, extractor: Extractor) -> Self:
        """Return a copy that protects the features of another extractor."""
        made = copy.copy(self)
        made.extractor, made.data_kind = extractor, extractor.data_kind
        return made

    def lacks(self) -> Mapping[str, str]:
        """Return {"gradients": reason} if the extractor's features have no gradients."""
        return self.extractor.lacks()

    def fit(self, data: Identities, rng: np.random.Generator) -> TemplateScheme:
        """Return a copy with the extractor fitted to the training samples.

        Raises:
            UserError: the scheme cannot be applied to features of this length.
        """
        fitted = self.with_extractor(self.extractor.fit(data.train.samples, rng))
        fitted.enroll(data.train.samples[:1], np.zeros(1, np.uint64))
        return fitted

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Extract features from samples, shape (n, ...) to (n, d), float32."""
        return self.extractor(samples)

    @abstractmethod
    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Transform features of one user into templates.

        Args:
            features: features to transform, shape (n, d), float32.
            rng: source of everything random, drawn in an order that does not depend on the features.

        Returns:
            Templates, shape (n, ...).
        """

    def protect(self, features: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Make templates under the users' keys, shape (n, ...); rows with the same key are transformed together.

        Args:
            features: features to transform, shape (n, d), float32.
            keys: key of each row, shape (n,), uint64.

        Raises:
            ValueError: the number of keys differs from the number of rows.
        """
        if keys.shape != (len(features),):
            raise ValueError(f"keys of shape {keys.shape} for {len(features)} rows of features")
        if not self.keyed:
            return self.transform(features, np.random.default_rng(0))
        order = np.argsort(keys, kind="stable")
        distinct, starts = np.unique(keys[order], return_index=True)
        groups = np.split(order, starts[1:])
        with blas_threads().limit(limits=1, user_api="blas"):  # threads slow down many small products
            parts = [
                self.transform(features[rows], np.random.default_rng(int(key)))
                for key, rows in zip(distinct, groups, strict=True)
            ]
        templates = np.empty((len(features), *parts[0].shape[1:]), parts[0].dtype)
        templates[order] = np.concatenate(parts)
        return templates

    def enroll(self, samples: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Make templates of samples of shape (n, ...) under the users' keys, shape (n,)."""
        return self.protect(self.features(samples), keys)

    def infer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Make templates of samples under key 0; `enroll` takes a key for each user.

        Args:
            inputs: images, shape (n, channels, height, width), in [0, 1], or embeddings, shape (n, d).

        Returns:
            `template`: the templates, shape (n, ...).
        """
        return {"template": self.enroll(inputs, np.zeros(len(inputs), np.uint64))}

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the similarity of templates row by row, shape (n,), float32; higher is more similar."""
        return cosine_similarity(a, b)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the similarity of every template in `a` with every template in `b`, shape (n, m), float32."""
        return np.asarray(normalise(a) @ normalise(b).T)

    def refresh(self, rng: np.random.Generator) -> None:
        """Replace the generator of noise, so that a deployed system never repeats the noise of another run."""

    def settings(self) -> dict[str, Any]:
        """Return the extractor's settings and the constructor's other arguments."""
        own = {name: getattr(self, name) for name in self.own_arguments}
        return {"extractor": describe_extractor(self.extractor)} | own

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the extractor's fitted arrays. Keys belong to the users and are not saved."""
        return self.extractor.arrays()

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> TemplateScheme:
        """Rebuild the model from what `settings` and `arrays` returned."""
        if "extractor" not in settings:
            raise ValueError("settings.extractor is missing")
        extractor = restore_extractor(settings["extractor"], arrays)
        require_arguments(cls, settings | {"extractor": extractor}, "settings")
        more = {name: settings[name] for name in cls.own_arguments}
        return cls(extractor, **more)


def normalise(rows: np.ndarray) -> np.ndarray:
    """Scale rows to length 1; rows of zeros stay zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


def cosine_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cosine similarity of rows, shape (n,), float32."""
    return np.asarray(np.einsum("ij,ij->i", normalise(a), normalise(b)), np.float32)


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
    """A scheme whose templates are indices without an order, shape (n, hashes), uint8 or uint16."""

    by_cosine = False

    def compare(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of equal indices, row by row, shape (n,)."""
        return np.asarray((a == b).mean(1), np.float32)

    def compare_all(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the share of equal indices of all pairs, shape (n, m)."""
        return np.stack([(b == row).mean(1, dtype=np.float32) for row in a])
