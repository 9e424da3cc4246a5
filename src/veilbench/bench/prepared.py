"""Prepared data on disk: arrays, and what there is to say about them."""

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
        folder: to write into.
        name: of the arrays' file.
        arrays: by their names.
        about: plain types.
    """
    save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, folder / f"{name}.safetensors")
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf8")


@contextmanager
def read(folder: Path, name: str) -> Iterator[tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """The arrays and what was written about them; what cannot be made of them within the block is damage, too.

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
    """Whatever goes wrong within the block is damage to the folder's files, told in one line.

    Raises:
        UserError: something did.
    """
    try:
        yield
    except Exception as error:  # safetensors and json each raise errors of their own on a damaged file
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(f"the prepared data in {folder} is damaged: {said}; run `dvc repro -f prepare`") from error


def field(about: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """What about.json says under a name.

    Args:
        about: what it holds.
        name: of the entry.
        kind: its type, such as `list[str]`; nothing is converted to it.

    Raises:
        ValueError: it is missing, or of another type.
    """
    from pydantic import TypeAdapter, ValidationError

    if name not in about:
        raise ValueError(f"{name} is missing in {ABOUT}")
    try:
        return TypeAdapter(kind).validate_python(about[name], strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{name} in {ABOUT} holds {first['input']!r:.40}: {first['msg']}") from error
