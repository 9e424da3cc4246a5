"""Prepared data on disk: arrays, and what there is to say about them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from veilbench.errors import UserError

ABOUT = "about.json"


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
    try:
        yield load_file(folder / f"{name}.safetensors"), json.loads((folder / ABOUT).read_text(encoding="utf8"))
    except Exception as error:  # safetensors and json each raise errors of their own on a damaged file
        raise UserError(f"the prepared data in {folder} is damaged: {error}; run `dvc repro -f prepare`") from error
