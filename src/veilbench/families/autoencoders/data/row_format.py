"""How the rows of a file become the rows that a model takes, kept beside the trained model."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import INPUTS
from veilbench.families.autoencoders.data.scaling import Scaling
from veilbench.families.autoencoders.data.table_format import TableFormat


@dataclass(frozen=True)
class RowFormat:
    """Columns and scaling of the training rows.

    Attributes:
        shape: shape of one row: (features,) or (channels, height, width).
        features: names of a table's columns after text columns became columns of 0 and 1; empty for images.
        precision: floating-point type of the rows before they were scaled.
        shift: what is subtracted from each position of a row, flattened, in float64; a single number for all positions.
        width: what the difference is divided by, flattened as `shift`.
        table: how a table's cells became features.
        any_size: whether the model takes images of any height and width.
    """

    shape: list[int]
    features: list[str]
    precision: Literal["float32", "float64"]
    shift: list[float]
    width: list[float]
    table: TableFormat
    any_size: bool

    def __post_init__(self) -> None:
        if len(self.shape) not in (1, 3) or min(self.shape) < 1:
            raise ValueError(f"shape={self.shape} is that of neither a row of a table nor an image")
        if self.features and [len(self.features)] != self.shape:
            raise ValueError(f"{len(self.features)} features are named for rows of shape {self.shape}")
        for name, values in (("shift", self.shift), ("width", self.width)):
            if len(values) not in (1, prod(self.shape)) or not np.isfinite(values).all():
                raise ValueError(f"{name} must hold 1 or {prod(self.shape)} finite numbers")
        if not all(self.width):
            raise ValueError("width holds 0, which nothing can be divided by")

    @property
    def scaling(self) -> Scaling:
        """Return the scaling, as arrays that fit a row."""
        return Scaling(self._spread(self.shift), self._spread(self.width))

    def _spread(self, values: list[float]) -> np.ndarray:
        return np.reshape(values, self.shape if len(values) == prod(self.shape) else ())


def load_row_format(model: Path) -> RowFormat:
    """Read the format of the rows that a model was trained on.

    Args:
        model: folder of a trained model.

    Raises:
        UserError: the file is missing or damaged.
    """
    from pydantic import TypeAdapter, ValidationError

    path = model / INPUTS
    try:
        return TypeAdapter(RowFormat).validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        said = f"{error.strerror}: {path} says how the training rows were scaled; train the model again"
        raise UserError(said) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the content"
        raise UserError(f"{path} is damaged: {place}: {first['msg']}; train the model again") from error
