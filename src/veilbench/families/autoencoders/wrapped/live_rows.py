"""Detectors and autoencoders of the caller, examined as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.foreign import foreign_errors
from veilbench.bench.live_model import LiveModel
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector
from veilbench.families.autoencoders.wrapped.coded_detector import CodedDetector


class LiveDetector(LiveModel, Detector):
    """An object that scores rows: `score(rows)`, or a fitted detector of scikit-learn or PyOD.

    Args:
        detector: the object; it gets rows as vectors, shape (n, features).
        method: name of its method that scores.
        sign: 1 if a high score means an anomaly, -1 if a low one does.
    """

    data_kind = Rows

    def __init__(self, detector: Any, method: str = "score", sign: int = 1) -> None:
        self.detector, self.method, self.sign = detector, method, sign

    def fit(self, data: Rows, rng: np.random.Generator) -> LiveDetector:
        """Return the detector itself, tried on a row; nothing is trained."""
        self.score(data.train.x[:1])
        return self

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64.

        Raises:
            UserError: the object fails, or does not return one number for each row.
        """
        name = f"{type(self.detector).__name__}.{self.method}"
        with foreign_errors(f"{name} failed on {len(rows)} rows"):
            made = np.asarray(getattr(self.detector, self.method)(rows.reshape(len(rows), -1)), np.float64)
        if made.shape != (len(rows),):
            raise UserError(f"{name} returns shape {made.shape} for {len(rows)} rows; one score for each is needed")
        return self.sign * made


class LiveAutoencoder(LiveModel, CodedDetector):
    """An object with `encode(rows)` and, unless it only encodes, `decode(codes)`.

    Args:
        autoencoder: the object; it gets rows in the shape of the data, float32, and returns arrays.
    """

    def __init__(self, autoencoder: Any) -> None:
        super().__init__(flat=False)
        self.autoencoder = autoencoder

    @property
    def has_decoder(self) -> bool:
        """Whether the object has a decoder."""
        return callable(getattr(self.autoencoder, "decode", None))

    def read_files(self) -> None:
        """Do nothing: the object is there."""

    def apply_encoder(self, rows: np.ndarray) -> np.ndarray:
        """Call `encode`, shape (n, ...) to (n, ...), float32."""
        return self._call(self.autoencoder.encode, rows)

    def apply_decoder(self, codes: np.ndarray) -> np.ndarray:
        """Call `decode`, shape (n, ...) to (n, ...), float32."""
        return self._call(self.autoencoder.decode, codes)

    def _call(self, method: Callable[[np.ndarray], Any], given: np.ndarray) -> np.ndarray:
        name = f"{type(self.autoencoder).__name__}.{method.__name__}"
        with foreign_errors(f"{name} failed on an array of shape {given.shape}"):
            made = np.asarray(method(given), np.float32)
        if made.ndim < 2 or len(made) != len(given):
            raise UserError(f"{name} returns shape {made.shape} for {len(given)} rows; (rows, ...) is needed")
        return made


def adapt(model: Any) -> LiveDetector | LiveAutoencoder | None:
    """Return a live model for an object that encodes or scores rows; None for any other object.

    A method `encode` comes first, then `score_samples` (scikit-learn: low is anomalous), `decision_function` (PyOD:
    high is anomalous) and `score`.
    """
    if callable(getattr(model, "encode", None)):
        return LiveAutoencoder(model)
    for method, sign in (("score_samples", -1), ("decision_function", 1), ("score", 1)):
        if callable(getattr(model, method, None)):
            return LiveDetector(model, method, sign)
    return None
