"""What a training hands to the later stages: a trained model as plain files, with nothing pickled."""

from __future__ import annotations

import importlib
import inspect
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from safetensors.numpy import load_file, save_file

from veilbench.errors import UserError

FORMAT = 1


class Subject(ABC):
    """A trained model, or a baseline, as evaluations and attacks meet it.

    Saved as `subject.json` (which class, its plain settings) and `subject.safetensors` (its arrays).
    """

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Plain types that `restore` needs beside the arrays."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Keys and weights."""

    @classmethod
    @abstractmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Subject:
        """The inverse of `settings` and `arrays`, which a damaged or edited file may hold otherwise than they were.

        Raises:
            ValueError: a setting or an array is not as this class must have it; the line names it.
        """

    def fit(self, data: Any, rng: np.random.Generator) -> Subject:
        """A baseline made ready without gradient steps: its key drawn, or fitted to `data.train`.

        Raises:
            NotImplementedError: it is made by training.
        """
        raise NotImplementedError(f"{type(self).__name__} is made by training")

    def save(self, folder: Path) -> None:
        """Write the subject's two files into an existing folder."""
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        head = {"format": FORMAT, "class": kind, "settings": self.settings()}
        (folder / "subject.json").write_text(json.dumps(head, indent=1) + "\n", encoding="utf8")
        save_file({k: np.ascontiguousarray(v) for k, v in self.arrays().items()}, folder / "subject.safetensors")


def load_subject(folder: Path) -> Subject:
    """Read a saved subject.

    Raises:
        UserError: the folder holds none, or one that this version cannot read.
    """
    for name in ("subject.json", "subject.safetensors"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} holds no trained model: {name} is missing")
    try:
        head = json.loads((folder / "subject.json").read_text(encoding="utf8"))
        arrays = load_file(folder / "subject.safetensors")
    except Exception as error:  # safetensors and json each raise errors of their own on a damaged file
        raise UserError(f"{folder} holds a damaged model: {error}") from error
    if not isinstance(head, dict):
        raise UserError(f"{folder} holds a damaged model: subject.json is not an object")
    module, _, name = str(head.get("class")).rpartition(".")
    if module.partition(".")[0] != "veilbench":  # a file from elsewhere must not choose what is imported
        raise UserError(f"{folder} was made by {head.get('class')}, which is no class of veilbench")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{folder} was made by {head.get('class')}, which this version does not have") from error
    if head.get("format") != FORMAT or not _is_subject(kind):
        raise UserError(f"{folder} is not a model of format {FORMAT}: {head.get('class')}")
    if not isinstance(settings := head.get("settings"), dict):
        raise UserError(f"{folder} holds a damaged model: settings={settings!r} is not an object")
    try:
        return kind.restore(settings, arrays)
    except (UserError, ValueError) as error:
        raise UserError(f"{folder} holds a damaged model: {error}") from error
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:  # their texts say too little
        raise UserError(f"{folder} holds a damaged model: {error!r}") from error


def _is_subject(kind: object) -> TypeGuard[type[Subject]]:
    return isinstance(kind, type) and issubclass(kind, Subject) and not inspect.isabstract(kind)
