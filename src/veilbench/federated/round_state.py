"""A federation's state after a whole round, on disk, so that a killed server goes on from there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from veilbench.bench.beside import whole_file
from veilbench.bench.errors import UserError


@dataclass(frozen=True)
class RoundState:
    """What the next round begins from.

    Attributes:
        fingerprint: of everything that the training depends on; another training must not go on from here.
        rounds: that are done.
        weights: the common ones.
        history: per round, its numbers.
        notes: who was left out, and why.
        seen: nonces of all messages that were taken.
    """

    fingerprint: str
    rounds: int
    weights: list[np.ndarray]
    history: list[dict[str, float]]
    notes: list[str]
    seen: list[str]

    def save(self, path: Path) -> None:
        """Write the file whole: a kill leaves the old state or the new one.

        Raises:
            UserError: the file cannot be written.
        """
        head = {
            "fingerprint": self.fingerprint,
            "rounds": self.rounds,
            "history": self.history,
            "notes": self.notes,
            "seen": self.seen,
        }
        arrays = {f"{place:04d}": np.ascontiguousarray(array) for place, array in enumerate(self.weights)}
        try:
            with whole_file(path) as partial:
                partial.write_bytes(save(arrays, {"state": json.dumps(head)}))
        except OSError as error:
            raise UserError(f"cannot write training.state={path}: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> RoundState | None:
        """The state, or None where there is none.

        Raises:
            UserError: the file is damaged, or of another training.
        """
        if not path.exists():
            return None
        try:
            with safe_open(path, "numpy") as file:
                head = json.loads(file.metadata()["state"])
                weights = [file.get_tensor(name) for name in sorted(file.keys())]
            state = cls(weights=weights, **head)
        except Exception as error:  # safetensors and json each raise errors of their own on a damaged file
            raise UserError(f"training.state={path} is damaged: {error}; remove it to begin anew") from error
        if state.fingerprint != fingerprint:
            raise UserError(
                f"training.state={path} is of another training; name another file, or remove it to begin anew"
            )
        return state
