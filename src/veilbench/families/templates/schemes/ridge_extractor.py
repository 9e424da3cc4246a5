"""Ridge maps as features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Self

import numpy as np
from annotated_types import Ge, Le, MinLen

from veilbench.bench.errors import UserError
from veilbench.bench.limits import require_arguments
from veilbench.bench.trained_model import unsupported
from veilbench.families.templates.schemes.base import normalise
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.schemes.ridge_maps import enhance_ridges
from veilbench.families.templates.schemes.structure_tensor import mean_channel

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST = 32  # pixels along a side


class RidgeExtractor(Extractor):
    """Extracts the ridge map of a print, see `enhance_ridges`.

    Args:
        periods: ridge distances in pixels that the filters are made for.
    """

    def __init__(self, periods: Annotated[Sequence[Annotated[float, Ge(2.5), Le(50)]], MinLen(1)] = (5.6, 7.4)) -> None:
        self.periods = list(periods)

    def fit(self, samples: np.ndarray, rng: np.random.Generator) -> Self:
        """Return the extractor itself, because nothing is fitted."""
        return self

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return the ridge maps of images of shape (n, c, h, h), scaled to length 1; shape (n, h h), float32.

        Raises:
            UserError: the images are not square, or too small.
        """
        if samples.shape[2] != samples.shape[3] or samples.shape[2] < SMALLEST:
            allowed = f"square images of at least {SMALLEST} x {SMALLEST} pixels are needed"
            raise UserError(f"ridge maps of images of {samples.shape[2]} x {samples.shape[3]} pixels: {allowed}")
        maps = enhance_ridges(mean_channel(samples.astype(np.float32, copy=False)), self.periods)
        return normalise(maps.reshape(len(samples), -1))

    @unsupported("the strongest filter is chosen at each place")
    def extract_tensor(self, samples: Tensor) -> NoReturn:
        """Raise an error, because there are no useful gradients.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("ridge maps have no gradients")

    def lacks(self) -> Mapping[str, str]:
        """Return that there are no gradients."""
        return {"gradients": "ridge maps choose a filter at each place"}

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"periods": self.periods}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return nothing, because nothing is fitted."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Rebuild the extractor from what `settings` returned."""
        require_arguments(cls, settings, "settings.extractor")
        return cls(**settings)
