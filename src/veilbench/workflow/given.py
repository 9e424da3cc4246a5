"""What `veilbench.audit` takes for a model or for data: names, paths and objects."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from veilbench.bench.contracts import Trainable, UserModel
from veilbench.bench.errors import UserError, list_known
from veilbench.bench.trained_model import TrainedModel, load_trained_model
from veilbench.workflow.conf import choices
from veilbench.workflow.listing import find_family

LIVE = {  # modules with a function `adapt` for objects of the caller
    "ciphers": "veilbench.families.ciphers.wrapped.live_cipher",
    "autoencoders": "veilbench.families.autoencoders.wrapped.live_rows",
    "templates": "veilbench.families.templates.wrapped.live_extractor",
    "mail": "veilbench.families.mail.wrapped.live_filter",
}
FILES = {  # for each family and ending of a model's file, the experiment that reads it, and overrides; {} is the path
    ("autoencoders", ".onnx"): ("onnx_autoencoder", "model.encoder='{}'", "model.decoder=null"),
    ("templates", ".onnx"): ("onnx_encoder", "model.extractor.file='{}'"),
    ("mail", ".skops"): ("saved_filter", "model.path='{}'"),
}
DATA = {  # for each family, the data set that reads files of an ending ("" for a folder), and its setting for the path
    "ciphers": {".txt": ("text_file", "path")},
    "autoencoders": {
        ".npz": ("npz", "source.path"),
        ".csv": ("table", "source.path"),
        ".tsv": ("table", "source.path"),
        ".parquet": ("table", "source.path"),
    },
    "templates": {
        "": ("image_folder", "source.folder"),
        ".npz": ("embeddings", "source.path"),
        ".csv": ("embeddings", "source.path"),
        ".parquet": ("embeddings", "source.path"),
    },
    "mail": {"": ("mail_folder", "source.path"), ".csv": ("mail_csv", "source.path")},
}


def read_model(model: Any, family: str | None) -> tuple[Any, str]:
    """Return a model as the bench works with it, and its family.

    Args:
        model: name of a file of conf/model; folder of a trained model; an .onnx or .skops file; or an object: a model
            of veilbench's contracts, or any object with the methods that its family needs.
        family: name of the family; None to find it out.

    Returns:
        A name or an object, and the family.

    Raises:
        UserError: the model or its family cannot be told.
    """
    if isinstance(model, str) and model in choices("model"):
        return model, family or find_family("model", model)
    if isinstance(model, type):
        raise UserError(f"model={model.__name__} is a class; an object of it is needed: {model.__name__}(...)")
    if isinstance(model, str | Path):
        if not Path(model).exists():
            _refuse_missing_path(str(model))
            raise UserError(f"there is no model {model}{list_known(str(model), choices('model'))}")
        if (family, Path(model).suffix.lower()) in FILES:
            return str(model), str(family)
        model = load_trained_model(Path(model))
    if isinstance(model, UserModel | Trainable | TrainedModel):
        return model, family or _family_of(model)
    if family is None:
        kind = type(model).__name__
        raise UserError(f"model={kind} is of no family's class: give family, one of {', '.join(DATA)}")
    if family in LIVE and (adapted := import_module(LIVE[family]).adapt(model)) is not None:
        return adapted, family
    raise UserError(f"model={type(model).__name__} has none of the methods that models of {family} need")


def name_model(model: str, family: str, experiment: str) -> list[str]:
    """Return the overrides that choose a model by its name, or by the path of its file, and an experiment.

    Args:
        model: name of a file of conf/model, or path of a model's file.
        family: name of the family.
        experiment: experiment whose evaluations and attacks a named model gets.
    """
    if given := FILES.get((family, Path(model).suffix.lower())):
        return [f"experiment={given[0]}", *(override.format(model) for override in given[1:])]
    return [f"experiment={experiment}", f"model={model}"]


def _refuse_missing_path(given: str) -> None:
    """Refuse what can only be the path of a file or a folder, and not a name."""
    if Path(given).suffix or len(Path(given).parts) > 1:
        raise UserError(f"there is no file or folder {given}")


def _family_of(model: object) -> str:
    for kind in type(model).__mro__:
        parts = kind.__module__.split(".")
        if parts[:2] == ["veilbench", "families"]:
            return parts[2]
    raise UserError(f"model={type(model).__name__} is of no family's class: give family, one of {', '.join(DATA)}")


def name_data(data: str | Path, family: str) -> list[str]:
    """Return the overrides that choose a data set.

    Args:
        data: name of a file of conf/data, or the path of a file or a folder of the family's own kinds.
        family: name of the family.

    Raises:
        UserError: there is no such name and no such path, or the file is of no kind that the family reads.
    """
    if str(data) in choices("data"):
        return [f"data={data}"]
    path = Path(data)
    if not path.exists():
        _refuse_missing_path(str(data))
        raise UserError(f"there is no data {data}{list_known(str(data), choices('data'))}")
    kinds = DATA[family]
    ending = "" if path.is_dir() else path.suffix.lower()
    if ending not in kinds:
        known = ", ".join(kind or "a folder" for kind in kinds)
        raise UserError(f"data={data} is not read for {family}, which take: {known}; others by a YAML, docs/data.md")
    name, setting = kinds[ending]
    return [f"data={name}", f"data.{setting}='{path}'"]
