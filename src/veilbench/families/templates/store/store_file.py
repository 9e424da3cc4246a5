"""A template store on disk: one safetensors file, read without unpickling, and rejected if it is incomplete.

The format is safetensors because templates are arrays: a million templates of 64 bytes are read at once and need no
conversion for a search, many tools can read them, and reading executes no code. The file's metadata are

    format    "veilbench templates"
    version   "1"
    about     JSON: name, model, scheme, size, packing, people, keys, revoked (see `TemplateStore`)
    digest    BLAKE2b of `about` and the arrays: detects damage, but not manipulation

Its arrays are `templates`, `owners` and `under`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter
from safetensors.numpy import load, save

from veilbench.bench.errors import UserError
from veilbench.families.templates.store.packing import Packing
from veilbench.families.templates.store.replacing import replace
from veilbench.families.templates.store.template_store import TemplateStore

FORMAT, VERSION = "veilbench templates", "1"
ARRAYS = ("templates", "owners", "under")


@dataclass(frozen=True)
class About:
    """Metadata of a store: the attributes of `TemplateStore` except for the arrays."""

    name: str
    model: str
    scheme: str
    size: tuple[int, int]
    packing: Packing
    people: tuple[str, ...]
    keys: tuple[str, ...]
    revoked: frozenset[tuple[str, str]]


_ABOUT = TypeAdapter(About)


def write(store: TemplateStore, path: Path) -> None:
    """Replace the store file atomically; the caller holds the file's lock."""
    plain = {name: getattr(store, name) for name in About.__annotations__}
    plain |= {"packing": asdict(store.packing), "revoked": sorted(store.revoked)}
    about = json.dumps(plain, ensure_ascii=False)
    arrays = {name: np.ascontiguousarray(getattr(store, name)) for name in ARRAYS}
    words = {"format": FORMAT, "version": VERSION, "about": about, "digest": _digest(about, arrays)}
    replace(path, save(arrays, words))


def read(path: Path) -> TemplateStore:
    """Read a store.

    Raises:
        UserError: the file does not exist, is not a store, has another version, or is damaged.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"there is no template store {path}; `veilbench template enroll` makes one") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    words = _metadata(raw, path)
    if words.get("version") != VERSION:
        raise UserError(f"{path} is a template store of version {words.get('version')}; this one reads {VERSION}")
    try:
        arrays = load(raw)
        if _digest(words["about"], arrays) != words["digest"]:
            raise ValueError("its digest does not match its content")
        about = _ABOUT.validate_json(words["about"])
        return _check_arrays(TemplateStore(**vars(about), **{name: arrays[name] for name in ARRAYS}))
    except Exception as error:  # safetensors, json and pydantic each raise errors of their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} is damaged, or was cut short: {reason}") from error


def _metadata(raw: bytes, path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file: JSON after eight bytes of length."""
    length = int.from_bytes(raw[:8], "little")
    try:
        words = json.loads(raw[8 : 8 + length])["__metadata__"]
        if words["format"] == FORMAT:
            return dict(words)
    except (ValueError, KeyError, TypeError):
        if f'"{FORMAT}"'.encode() in raw[: 8 + length]:
            raise UserError(f"{path} is damaged, or was cut short: its head cannot be read") from None
    raise UserError(f"{path} is no template store: `veilbench template enroll` makes one")


def _digest(about: str, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.blake2b(about.encode(), digest_size=32)
    for name in ARRAYS:
        digest.update(f"{arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def _check_arrays(store: TemplateStore) -> TemplateStore:
    """Reject arrays that do not fit together."""
    n, packing = len(store.templates), store.packing
    if store.templates.shape != (n, packing.columns) or store.templates.dtype != np.dtype(packing.dtype):
        raise ValueError(f"templates are {store.templates.dtype} of shape {store.templates.shape}")
    for indices, names in ((store.owners, store.people), (store.under, store.keys)):
        if (
            indices.shape != (n,)
            or indices.dtype != np.int32
            or (n and not 0 <= indices.min() <= indices.max() < len(names))
        ):
            raise ValueError("owners or keys of templates are missing")
    return store
