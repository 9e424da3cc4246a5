"""The result of a training for the later stages: a trained model in plain files, without pickle."""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from safetensors.numpy import load_file, save_file

from veilbench.bench.errors import UserError
from veilbench.bench.roots import find_class, with_article

FORMAT = 1
INPUTS = "inputs.json"  # what `DataSet.describe_inputs` returned, beside the model
F = TypeVar("F", bound=Callable[..., Any])


def unsupported(reason: str) -> Callable[[F], F]:
    """Mark a method that only raises NotImplementedError, so that this is known before anything is trained.

    Args:
        reason: why the operation does not exist; the method should raise with the same text.
    """

    def mark(method: F) -> F:
        method.__dict__["unsupported"] = reason
        return method

    return mark


def list_unsupported(kind: type) -> dict[str, str]:
    """Return the methods of a class that are marked as unsupported, each with the reason."""
    methods = {name: getattr(kind, name) for name in dir(kind)}
    return {name: m.unsupported for name, m in methods.items() if hasattr(m, "unsupported")}


class TrainedModel(ABC):
    """A trained model or a baseline, as evaluations and attacks use it.

    It is saved as `model.json` (its class and plain settings) and `model.safetensors` (its arrays).

    Attributes:
        data_kind: the class of the data that `fit` takes.
        trained_kind: the class of the object that `fit` returns; None if it is this class.
        takes_nodes: arguments of the constructor that stay config nodes, because the model saves them as settings.
        finished: whether the user brings the model as it is. An evaluation or attack that does not apply to it is
            recorded with its reason, and the others run; for all other models it is refused.
    """

    data_kind: type = object
    trained_kind: ClassVar[type[TrainedModel] | None] = None
    takes_nodes: ClassVar[tuple[str, ...]] = ()
    finished: ClassVar[bool] = False

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the settings, in plain types, that `restore` needs in addition to the arrays."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Return keys and weights by their names."""

    @classmethod
    @abstractmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> TrainedModel:
        """Invert `settings` and `arrays`. Both are checked, because a file may be damaged or edited.

        Raises:
            ValueError: a setting or an array is not valid for this class; the message names it.
        """

    @unsupported("it is made by training")
    def fit(self, data: Any, rng: np.random.Generator) -> TrainedModel:
        """Prepare a baseline without gradient steps: draw its key, or fit it to `data.train`.

        Raises:
            NotImplementedError: the model needs training.
        """
        raise NotImplementedError(f"{type(self).__name__} is made by training")

    @unsupported("it answers nothing")
    def infer(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Do what the model is made for, as a model server offers it: families say what that is.

        Args:
            inputs: one entry for each input, shape (n, ...): numbers as float32, or texts.

        Returns:
            Arrays with one entry for each input, by name.

        Raises:
            NotImplementedError: models of this kind answer nothing.
        """
        raise NotImplementedError(f"{type(self).__name__} answers nothing")

    def lacks(self) -> Mapping[str, str]:
        """Return the operations that the model does not have with these settings, each with the reason."""
        return {}

    def notes(self) -> list[str]:
        """Return what a reader of the results should know about the fitted model, one line each."""
        return []

    def save(self, folder: Path) -> None:
        """Write the model's two files into an existing folder.

        Raises:
            UserError: a setting is no plain value, so that it cannot be saved.
        """
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        head = {"format": FORMAT, "class": kind, "settings": self.settings()}
        _require_plain(head["settings"], type(self).__name__)
        (folder / "model.json").write_text(json.dumps(head, indent=1) + "\n", encoding="utf8")
        save_file({k: np.ascontiguousarray(v) for k, v in self.arrays().items()}, folder / "model.safetensors")


def _require_plain(node: Any, where: str) -> None:
    """Refuse settings that JSON cannot hold; `where` names them."""
    if isinstance(node, Mapping):
        for key, child in node.items():
            _require_plain(child, f"{where}.{key}")
    elif isinstance(node, list | tuple):
        for index, child in enumerate(node):
            _require_plain(child, f"{where}[{index}]")
    elif not isinstance(node, str | int | float | None):
        kind = type(node).__name__
        raise UserError(f"{where} is {with_article(kind)}, which is not saved: numbers, strings, lists and dicts are")


def load_trained_model(folder: Path) -> TrainedModel:
    """Read a saved model.

    Raises:
        UserError: the folder holds no model, or one that this version cannot read.
    """
    for name in ("model.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} holds no trained model: {name} is missing")
    try:
        head = json.loads((folder / "model.json").read_text(encoding="utf8"))
        arrays = load_file(folder / "model.safetensors")
    except Exception as error:  # safetensors and json each raise errors of their own on a damaged file
        raise UserError(f"{folder} holds a damaged model: {error}") from error
    if not isinstance(head, dict):
        raise UserError(f"{folder} holds a damaged model: model.json is not an object")
    try:
        kind = find_class(head.get("class"), TrainedModel, "class")
    except UserError as error:
        raise UserError(f"{folder} holds no model that this version knows: {error}") from error
    if head.get("format") != FORMAT or inspect.isabstract(kind):
        raise UserError(f"{folder} is not a model of format {FORMAT}: format={head.get('format')}, {head['class']}")
    if not isinstance(settings := head.get("settings"), dict):
        raise UserError(f"{folder} holds a damaged model: settings={settings!r} is not an object")
    try:
        return kind.restore(settings, arrays)
    except (UserError, ValueError) as error:
        raise UserError(f"{folder} holds a damaged model: {error}") from error
    except (
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
    ) as error:  # repr, because their texts say too little
        raise UserError(f"{folder} holds a damaged model: {error!r}") from error
