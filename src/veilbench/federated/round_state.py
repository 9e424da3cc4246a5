"""Checkpoint of a federation after a round, from which a killed training resumes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from veilbench.bench.beside import write_whole_file
from veilbench.bench.errors import UserError


@dataclass(frozen=True)
class RoundState:
    """State from which the next round starts.

    Attributes:
        fingerprint: hash of the settings and data; only a training with the same hash may resume from this state.
        rounds: number of completed rounds.
        begun: number of rounds that were started, including interrupted ones: their noisy messages were sent and count
            towards epsilon.
        weights: arrays of the global model.
        history: one dict of logged values per completed round.
        notes: notes about clients that were left out, with the reasons.
        seen: nonces of all accepted messages, as hexadecimal strings.
    """

    fingerprint: str
    rounds: int
    begun: int
    weights: list[np.ndarray]
    history: list[dict[str, float]]
    notes: list[str]
    seen: list[str]

    def save(self, path: Path) -> None:
        """Write the file atomically: if the process is killed, the file holds either the old state or the new one.

        Raises:
            UserError: the file cannot be written.
        """
        head = {
            "fingerprint": self.fingerprint,
            "rounds": self.rounds,
            "begun": self.begun,
            "history": self.history,
            "notes": self.notes,
            "seen": self.seen,
        }
        arrays = {f"{place:04d}": np.ascontiguousarray(array) for place, array in enumerate(self.weights)}
        try:
            with write_whole_file(path) as partial:
                partial.write_bytes(save(arrays, {"state": json.dumps(head)}))
        except OSError as error:
            raise UserError(f"cannot write training.state={path}: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> RoundState | None:
        """Read the state from a file.

        Args:
            path: path of the file.
            fingerprint: fingerprint of the training that resumes.

        Returns:
            The state; None if the file does not exist.

        Raises:
            UserError: the file is damaged or belongs to another training.
        """
        if not path.exists():
            return None
        try:
            with safe_open(path, "numpy") as file:
                head = json.loads(file.metadata()["state"])
                weights = [file.get_tensor(name) for name in sorted(file.keys())]
            state = cls(weights=weights, **head)
        except Exception as error:  # safetensors and json raise different errors on a damaged file
            raise UserError(f"training.state={path} is damaged: {error}; remove it to start over") from error
        if state.fingerprint != fingerprint:
            raise UserError(
                f"training.state={path} is of another training; name another file, or remove it to start over"
            )
        return state
