"""Interface of feature extractors, whose features template schemes protect."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from veilbench.bench.roots import find_class
from veilbench.families.templates.data.identities import Identities, ImageIdentities

if TYPE_CHECKING:
    from torch import Tensor


class Extractor(ABC):
    """Maps samples to feature vectors of length 1, so that their inner product is a cosine similarity.

    Attributes:
        data_kind: the class of the data whose samples it takes.
        takes_nodes: arguments of the constructor that stay config nodes, because they are saved as settings.
    """

    data_kind: ClassVar[type[Identities]] = ImageIdentities
    takes_nodes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def fit(self, samples: np.ndarray, rng: np.random.Generator) -> Self:
        """Return a copy that is ready for use: fitted to the training samples, or with weights from a file.

        Args:
            samples: training samples, shape (n, ...).
            rng: source of all random numbers.

        Raises:
            UserError: the samples or the file cannot be used.
        """

    @abstractmethod
    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return the features of samples, shape (n, ...) to (n, d), float32.

        Raises:
            UserError: the extractor is not fitted, or the samples have another shape.
        """

    @abstractmethod
    def extract_tensor(self, samples: Tensor) -> Tensor:
        """Return the features as tensors with gradients, shape (n, ...) to (n, d).

        Raises:
            UserError: there are no gradients, see `lacks`.
        """

    def lacks(self) -> Mapping[str, str]:
        """Return {"gradients": reason} if features have no gradients; empty if they have."""
        return {}

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the settings, in plain types, that `restore` needs in addition to the arrays."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Return the fitted arrays or weights by their names."""

    @classmethod
    @abstractmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Rebuild the extractor from what `settings` and `arrays` returned.

        Raises:
            ValueError: a setting or an array is not valid; the message names it.
        """


def describe_extractor(extractor: Extractor) -> dict[str, Any]:
    """Return an extractor's settings with the name of its class, for a saved model."""
    kind = type(extractor)
    return {"class": f"{kind.__module__}.{kind.__qualname__}"} | extractor.settings()


def restore_extractor(description: Any, arrays: dict[str, np.ndarray]) -> Extractor:
    """Rebuild an extractor from a saved model.

    Args:
        description: what `describe_extractor` returned.
        arrays: the arrays of the saved model.

    Raises:
        UserError: the class is not that of an extractor.
        ValueError: a setting or an array is not valid; the message names it.
    """
    if not isinstance(description, dict):
        raise ValueError(f"settings.extractor={description!r:.40} is not allowed: an object is needed")
    settings = dict(description)
    kind = find_class(settings.pop("class", None), Extractor, "settings.extractor.class")
    return kind.restore(settings, arrays)
