"""Base class of restorers for a known corruption."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from veilbench.bench.limits import require_arguments, require_value
from veilbench.corruptions.base import Corruption, build_corruption, corrupt_array, describe_corruption
from veilbench.families.autoencoders.baselines.image_restorer import ImageRestorer


class CorruptionRestorer(ImageRestorer):
    """A restorer that knows the corruption and its settings, but not the random numbers that it drew.

    Args:
        corruption: corruption to undo, of a class in `undoes`.
    """

    undoes: tuple[type[Corruption], ...] = (Corruption,)

    def __init__(self, corruption: Corruption) -> None:
        super().__init__()
        if not isinstance(corruption, self.undoes):
            allowed = ", ".join(kind.__name__ for kind in self.undoes)
            raise ValueError(f"corruption={type(corruption).__name__} must be one of: {allowed}")
        self.corruption = corruption

    def settings(self) -> dict[str, Any]:
        """Return a description of the corruption, in plain types."""
        return {"corruption": describe_corruption(self.corruption)}

    def corrupt(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Corrupt clean images, shape (n, c, h, w), float32."""
        return corrupt_array(self.corruption, clean, rng)

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Rebuild the model from what `settings` and `arrays` returned."""
        require_value(dict[str, Any], settings.get("corruption"), "settings.corruption")
        corruption, arguments = build_corruption(settings["corruption"]), dict(settings["corruption"])
        del arguments["class"]
        require_arguments(type(corruption), arguments, "settings.corruption")
        return super().restore(settings | {"corruption": corruption}, arrays)
