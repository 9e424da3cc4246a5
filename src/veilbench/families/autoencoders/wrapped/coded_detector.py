"""Base class of encoders, with or without decoders, that the user brings; the score is the reconstruction error."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from copy import copy
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from annotated_types import Len

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, require_value
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector, Representation

NO_DECODER = "the model has no decoder, so no row comes back from its code"
Lengths = Annotated[list[Count], Len(1, 4)]
TRIED = 64  # training rows that a model is tried on when it is read


class CodedDetector(Representation, Detector):
    """An encoder, with a decoder or without. A row's score is its mean squared reconstruction error.

    Args:
        flat: whether the encoder takes each row as a vector, and the decoder gives one back; a table's rows are.
    """

    data_kind = Rows
    finished: ClassVar[bool] = True

    def __init__(self, flat: bool) -> None:
        self.flat = flat
        self.row_shape: tuple[int, ...] = ()  # shape of a row and of its code, once the files are read
        self.code_shape: tuple[int, ...] = ()

    @property
    @abstractmethod
    def has_decoder(self) -> bool:
        """Whether the model has a decoder."""

    @abstractmethod
    def read_files(self) -> None:
        """Read what the paths name.

        Raises:
            UserError: a file is missing or damaged, or does not fit.
        """

    @abstractmethod
    def apply_encoder(self, rows: np.ndarray) -> np.ndarray:
        """Apply the encoder to rows in the shape that it takes, shape (n, ...) to (n, ...), float32."""

    @abstractmethod
    def apply_decoder(self, codes: np.ndarray) -> np.ndarray:
        """Apply the decoder to codes in the shape that the encoder gives, shape (n, ...) to (n, ...), float32."""

    def lacks(self) -> Mapping[str, str]:
        """Return what needs a decoder, if the model has none."""
        return {} if self.has_decoder else dict.fromkeys(("decode", "reconstruct", "score"), NO_DECODER)

    def fit(self, data: Rows, rng: np.random.Generator) -> Self:
        """Return the model with its files read; nothing is trained.

        Raises:
            UserError: a file is missing or damaged, or the model does not fit the rows.
        """
        model, rows = copy(self), data.train.x[:TRIED]
        model.read_files()
        model.row_shape = data.shape
        codes = model.apply_encoder(model._as_input(rows))
        model.code_shape = codes.shape[1:]
        if not np.isfinite(codes).all() or (len(rows) > 1 and np.ptp(codes, 0).max() == 0):
            raise UserError(f"the encoder gives {len(rows)} rows codes that are equal or not finite: do they fit?")
        if self.has_decoder and (size := model.apply_decoder(codes)[0].size) != rows[0].size:
            raise UserError(f"the decoder gives rows of {size} values, and the data have {rows[0].size}")
        return model

    def _as_input(self, rows: np.ndarray) -> np.ndarray:
        return rows.reshape(len(rows), -1) if self.flat else rows

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Encode rows, shape (n, *shape) to (n, code), float32; feature maps are flattened."""
        return self.apply_encoder(self._as_input(rows)).reshape(len(rows), -1)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Decode codes, shape (n, code) to (n, *shape), float32.

        Raises:
            NotImplementedError: the model has no decoder.
        """
        if not self.has_decoder:
            raise NotImplementedError(NO_DECODER)
        return self.apply_decoder(codes.reshape(-1, *self.code_shape)).reshape(-1, *self.row_shape)

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        return np.asarray(self.feature_scores(rows).reshape(len(rows), -1).sum(1))

    def feature_scores(self, rows: np.ndarray) -> np.ndarray:
        """Return squared errors divided by the number of values, which add up to the score; shape (n, *shape)."""
        return np.asarray((rows.astype(np.float64) - self.reconstruct(rows)) ** 2 / np.prod(self.row_shape))

    def settings(self) -> dict[str, Any]:
        """Return the shapes, and whether rows are flattened; subclasses add what they are built from."""
        return {"flat": self.flat, "row_shape": list(self.row_shape), "code_shape": list(self.code_shape)}

    def restore_shapes(self, settings: Mapping[str, Any]) -> None:
        """Take over the shapes from saved settings.

        Raises:
            ValueError: a shape is missing or not allowed.
        """
        for name in ("row_shape", "code_shape"):
            require_value(Lengths, settings.get(name), f"settings.{name}")
            setattr(self, name, tuple(settings[name]))
