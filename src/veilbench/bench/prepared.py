"""Reads and writes prepared data: arrays, and a description of them in about.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors.numpy import load_file, save_file

from veilbench.bench.errors import UserError

ABOUT = "about.json"
T = TypeVar("T")


def write(folder: Path, name: str, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write `<name>.safetensors` and about.json into an existing folder.

    Args:
        folder: an existing folder to write into.
        name: name of the file of arrays, without its ending.
        arrays: the arrays to save, by their names.
        about: the description, in types that JSON can hold.
    """
    save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, folder / f"{name}.safetensors")
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf8")


@contextmanager
def read(folder: Path, name: str) -> Iterator[tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """Give the arrays and their description; errors within the block count as damaged data, too.

    Raises:
        UserError: a file is missing or damaged.
    """
    for file in (f"{name}.safetensors", ABOUT):
        if not (folder / file).is_file():
            raise UserError(f"the prepared data lacks {folder / file}; run `dvc repro prepare`")
    with whole(folder):
        arrays, about = load_file(folder / f"{name}.safetensors"), json.loads((folder / ABOUT).read_text("utf8"))
        if not isinstance(about, dict):
            raise ValueError(f"{ABOUT} holds {about!r:.40}, an object is needed")
        yield arrays, about


@contextmanager
def whole(folder: Path) -> Iterator[None]:
    """Report any error within the block as damage to the files of the folder.

    Raises:
        UserError: the block raised an error.
    """
    try:
        yield
    except Exception as error:  # safetensors and json each raise errors of their own on a damaged file
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(f"the prepared data in {folder} is damaged: {said}; run `dvc repro -f prepare`") from error


def field(about: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """Return an entry of about.json.

    Args:
        about: the content of about.json.
        name: name of the entry to return.
        kind: required type, such as `list[str]`; values are not converted.

    Raises:
        ValueError: the entry is missing, or has another type.
    """
    from pydantic import TypeAdapter, ValidationError

    if name not in about:
        raise ValueError(f"{name} is missing in {ABOUT}")
    try:
        return TypeAdapter(kind).validate_python(about[name], strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{name} in {ABOUT} holds {first['input']!r:.40}: {first['msg']}") from error
