"""Any anomaly detector of scikit-learn or PyOD."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.estimators import build_estimator, find_estimator
from veilbench.bench.foreign import foreign_errors, require_repeated, seeded
from veilbench.bench.limits import LARGEST_VALUE, Seed, require_value
from veilbench.families.autoencoders.baselines.fitted import flatten
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector

PYOD, SKLEARN = "decision_function", "score_samples"  # the first is higher for anomalies, the second lower
KEPT = "The saved model holds the training rows, and is fitted again when it is loaded."
TOGETHER = "A row's score depends on the rows that are scored with it: single queries give other scores than the test."
COMPARED = 256  # training rows whose scores must be the same again after the model is restored


class LibraryDetector(Detector):
    """An estimator of scikit-learn or PyOD, fitted to the training rows.

    PyOD's detectors score by `decision_function`, those of scikit-learn by `score_samples`, whose sign is changed. The
    saved model holds the training rows and a seed, and is fitted again when it is loaded: nothing is unpickled, but the
    file reveals the data, and the stages `evaluate` and `attack` each take the time of a fit. Scores that differ
    then are an error.

    Args:
        detector: dotted name of the class, such as `sklearn.ensemble.IsolationForest` or `pyod.models.ecod.ECOD`.
        arguments: arguments of its constructor, plain values; `random_state` is drawn if it is not given.
    """

    data_kind = Rows
    finished: ClassVar[bool] = True

    def __init__(self, detector: str, arguments: Mapping[str, Any] | None = None) -> None:
        self.detector, self.arguments = detector, dict(arguments or {})
        if not hasattr(find_estimator(detector, "model.detector"), self.scorer):
            raise ValueError(f"detector={detector} must have the method {self.scorer}, which scores rows")
        build_estimator(detector, self.arguments, "model.detector")
        self.seed, self.rows = 0, np.zeros((0, 1), np.float32)
        self.estimator: Any = None

    @property
    def scorer(self) -> str:
        """Name of the method that scores rows."""
        return PYOD if self.detector.startswith("pyod.") else SKLEARN

    def fit(self, data: Rows, rng: np.random.Generator) -> LibraryDetector:
        """Return the detector fitted to the training rows, flattened.

        Raises:
            UserError: the estimator cannot be fitted to these rows.
        """
        return self._fitted(data.train.x, int(rng.integers(2**31)))

    def _fitted(self, rows: np.ndarray, seed: int) -> LibraryDetector:
        model = copy(self)
        model.rows, model.seed = rows, seed
        model.estimator = build_estimator(self.detector, self.arguments, "model.detector", seed)
        with seeded(seed), foreign_errors(f"{self.detector} cannot be fitted to {len(rows)} training rows"):
            model.estimator.fit(flatten(rows))
        return model

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous.

        Raises:
            UserError: the detector cannot score rows that it was not fitted to, or is not fitted.
        """
        with seeded(self.seed), foreign_errors(f"{self.detector} cannot score {len(rows)} rows"):
            scores = np.asarray(getattr(self.estimator, self.scorer)(flatten(rows)), np.float64)
        return (scores if self.scorer == PYOD else -scores).reshape(len(rows))

    def notes(self) -> list[str]:
        """Return what the saved model reveals, and whether a row's score depends on the rows beside it."""
        whole = self.score(self.rows[:COMPARED])
        half = self.score(self.rows[: len(whole) // 2])
        return [KEPT] if np.allclose(half, whole[: len(half)]) else [KEPT, TOGETHER]

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments, and the seed of the fit."""
        return {"detector": self.detector, "arguments": self.arguments, "seed": self.seed}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the training rows, and the scores of the first ones, which a restored model must repeat."""
        return {"rows": self.rows, "scores": self.score(self.rows[:COMPARED])} if len(self.rows) else {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> LibraryDetector:
        """Fit the detector to the saved rows again.

        Raises:
            ValueError: a setting or an array is not allowed, or the scores are not those of the saved model.
        """
        for name, kind in (("detector", str), ("arguments", dict[str, Any]), ("seed", Seed)):
            require_value(kind, settings.get(name), f"settings.{name}")
        rows = require_array(arrays, "rows", np.float32, low=-LARGEST_VALUE, high=LARGEST_VALUE)
        model = cls(settings["detector"], settings["arguments"])._fitted(rows, settings["seed"] % 2**32)
        scores = require_array(arrays, "scores", np.float64, (min(len(rows), COMPARED),))
        require_repeated(model.score(rows[:COMPARED]), scores, model.detector)
        return model
