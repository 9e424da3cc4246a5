"""Damage, drawn at random: to bytes, to text, to trees of plain values, to arrays."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import yaml

ODD_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 0.5, -0.5, 1e-30, 1e308, float("nan"), float("inf"), float("-inf"), 10**6,
    10**9, 10**12, 2**31, 2**63, 2**64, 10**30, "", " ", "x", "0", "nan", "é", "\U0001f4a9", "a" * 3000, "../x",
    "/dev/null", "/dev/zero", "/", "${seed}", "${nope}", [], {}, [[]], [1], [None], ["x"], {"x": 1}, [1, 2, 3, 4, 5],
    [0.5, 0.5], [float("nan")], "veilbench.bench.stages.os.system", "\ud800",
]  # fmt: skip


def of_bytes(rng: random.Random, content: bytes) -> bytes:
    """Some bytes changed, lost, doubled or added."""
    return rng.choice(_BYTES)(rng, content)


def _flipped(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if changed:
            changed[_at(rng, content)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _at(rng: random.Random, content: bytes) -> int:
    """A place, with a liking for the head, where formats say what they are."""
    return rng.randrange(min(len(content), rng.choice((16, 200, len(content)))) or 1)


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _lost(rng: random.Random, content: bytes) -> bytes:
    start = _at(rng, content)
    return content[:start] + content[start + rng.randrange(1, 40) :]


def _doubled(rng: random.Random, content: bytes) -> bytes:
    start = _at(rng, content)
    end = start + rng.randrange(1, 200)
    return content[:end] + content[start:]


def _inserted(rng: random.Random, content: bytes) -> bytes:
    start = _at(rng, content)
    more = rng.choice((b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\t", b'"', b"{", b"[" * 3000, rng.randbytes(30)))
    return content[:start] + more + content[start:]


def _zeroed(rng: random.Random, content: bytes) -> bytes:
    start, length = _at(rng, content), rng.randrange(1, 100)
    return content[:start] + b"\0" * min(length, len(content) - start) + content[start + length :]


def _digits(rng: random.Random, content: bytes) -> bytes:
    """Another digit in the place of one: well formed, and false."""
    places = [place for place, byte in enumerate(content[:4000]) if 48 <= byte <= 57]
    if not places:
        return _flipped(rng, content)
    place = rng.choice(places)
    return content[:place] + rng.choice((b"9", b"0", b"-", b"99999999999", b"e9", b"nan")) + content[place + 1 :]


def _other(rng: random.Random, content: bytes) -> bytes:
    return rng.choice((b"", b"\n", b"\0", b"{}", b"[]", b"null", b"0", b'""', b"\x89PNG\r\n\x1a\n", rng.randbytes(500)))


def _utf16(rng: random.Random, content: bytes) -> bytes:
    return content.decode("latin1").encode("utf-16")


_BYTES: list[Callable[[random.Random, bytes], bytes]] = [
    _flipped, _flipped, _cut, _cut, _lost, _doubled, _inserted, _zeroed, _digits, _digits, _other, _utf16,
]  # fmt: skip


def of_lines(rng: random.Random, content: bytes) -> bytes:
    """Lines lost, doubled, swapped, indented or cut."""
    lines = content.split(b"\n")
    place = rng.randrange(len(lines))
    change = rng.randrange(6)
    if change == 0:
        del lines[place]
    elif change == 1:
        lines.insert(place, lines[place])
    elif change == 2:
        other = rng.randrange(len(lines))
        lines[place], lines[other] = lines[other], lines[place]
    elif change == 3:
        lines[place] = rng.choice((b"\t", b"  ", b" ", b"- ")) + lines[place]
    elif change == 4:
        lines[place] = lines[place][: rng.randrange(len(lines[place]) + 1)]
    else:
        lines[place] = lines[place].replace(rng.choice((b",", b":", b'"', b"[", b"}", b"\t", b" ")), b"", 1)
    return b"\n".join(lines)


def of_tree(rng: random.Random, tree: Any) -> Any:
    """A copy of a tree of plain values with one place changed."""
    copy = json.loads(json.dumps(tree))
    places = list(_places(copy))
    if not places:
        return rng.choice(ODD_VALUES)
    holder, key = rng.choice(places)
    change = rng.randrange(7)
    if change < 4:
        holder[key] = rng.choice(ODD_VALUES)
    elif change == 4:
        del holder[key]
    elif change == 5 and isinstance(holder, dict):
        holder[misspelt(rng, key)] = holder.pop(key)
    else:
        holder[key] = rng.choice(([holder[key]], {"x": holder[key]}, str(holder[key])))
    return copy


def _places(node: Any) -> list[tuple[Any, Any]]:
    if isinstance(node, dict):
        keys: list[Any] = list(node)
    elif isinstance(node, list):
        keys = list(range(len(node)))
    else:
        return []
    return [(node, key) for key in keys] + [place for key in keys for place in _places(node[key])]


def misspelt(rng: random.Random, word: str) -> str:
    """A near name: a letter lost, doubled, swapped or changed."""
    if not word:
        return "x"
    place = rng.randrange(len(word))
    return rng.choice(
        (
            word[:place] + word[place + 1 :],
            word[:place] + word[place] + word[place:],
            word[:place] + word[place:][1:2] + word[place] + word[place + 2 :],
            word[:place] + rng.choice("abcxyz_-.é/ ") + word[place + 1 :],
            word.upper(),
            word + "s",
        )
    )


def of_json(rng: random.Random, content: bytes) -> bytes:
    """A JSON file with one place changed, or damaged bytes."""
    if rng.random() < 0.35:
        return of_bytes(rng, content)
    try:
        changed = of_tree(rng, json.loads(content))
        return json.dumps(changed, indent=1).encode("utf8", "surrogatepass")
    except (ValueError, RecursionError):
        return of_bytes(rng, content)


def of_yaml(rng: random.Random, content: bytes) -> bytes:
    """A YAML file with one place changed, or damaged lines or bytes."""
    kind = rng.random()
    if kind < 0.2:
        return of_bytes(rng, content)
    if kind < 0.4:
        return of_lines(rng, content)
    try:
        changed = of_tree(rng, yaml.safe_load(content))
        return yaml.safe_dump(changed, sort_keys=False).encode("utf8", "surrogatepass")
    except (ValueError, TypeError, RecursionError, yaml.YAMLError):
        return of_bytes(rng, content)


def of_array(rng: random.Random, array: np.ndarray) -> np.ndarray:
    """Another content, shape or type."""
    change = rng.randrange(11)
    if change < 3 and array.size:
        changed = np.array(array, np.float32 if array.dtype.kind == "f" else array.dtype)
        odd = (np.nan, np.inf, -np.inf, 1e30, -1.0) if array.dtype.kind == "f" else (0, 255, 127)
        with np.errstate(all="ignore"):
            flat = changed.reshape(-1)
            flat[rng.randrange(flat.size) if change else slice(None)] = np.array(rng.choice(odd)).astype(changed.dtype)
        return changed
    if change == 3:
        return array[:0] if array.ndim else array.reshape(1)
    if change == 4:
        return array[: max(1, len(array) // 2)] if array.ndim else array.reshape(1, 1)
    if change == 5:
        return array.reshape(-1)
    if change == 6:
        return array[None]
    if change == 7:
        return np.ascontiguousarray(array.T)
    if change == 8:
        with np.errstate(all="ignore"):
            return array.astype(rng.choice((np.float64, np.int64, np.uint8, np.int8, np.float16, np.bool_)))
    if change == 9:
        return np.zeros(rng.choice(((0,), (1,), (3, 3), (0, 4), (2, 0, 3), ())), array.dtype)
    return np.concatenate([array, array]) if array.ndim else array


def of_arrays(rng: random.Random, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Named arrays with one of them changed, lost, renamed or added."""
    made = dict(arrays)
    name = rng.choice(sorted(made)) if made else "x"
    change = rng.randrange(10)
    if not made or change == 0:
        made["more"] = np.zeros((2, 2), np.float32)
    elif change == 1:
        del made[name]
    elif change == 2:
        made[misspelt(rng, name)] = made.pop(name)
    elif change == 3:
        made[name] = made[rng.choice(sorted(made))]
    else:
        made[name] = of_array(rng, made[name])
    return made


def of_safetensors(rng: random.Random, content: bytes) -> bytes:
    """A safetensors file with other arrays, or damaged bytes."""
    from safetensors.numpy import load, save

    if rng.random() < 0.4:
        return of_bytes(rng, content)
    changed = of_arrays(rng, load(content))
    return bytes(save({name: np.ascontiguousarray(array) for name, array in changed.items()}))


def of_npz(rng: random.Random, content: bytes) -> bytes:
    """An .npz file with other arrays, or damaged bytes."""
    if rng.random() < 0.4:
        return of_bytes(rng, content)
    with np.load(io.BytesIO(content)) as file:
        changed = of_arrays(rng, {name: file[name] for name in file.files})
    if rng.random() < 0.1:
        changed[rng.choice(sorted(changed) or ["X"])] = np.array([Unpickled(), 1], dtype=object)
    made = io.BytesIO()
    np.savez(made, **changed)
    return made.getvalue()


class Unpickled:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("touch CANARY_pickle",)


def of_file(rng: random.Random, name: str, content: bytes) -> bytes:
    """Damage that suits a file's kind."""
    end = name.rpartition(".")[2]
    by_end: dict[str, Callable[[random.Random, bytes], bytes]] = {
        "json": of_json, "yaml": of_yaml, "safetensors": of_safetensors, "npz": of_npz
    }  # fmt: skip
    if end in by_end:
        return by_end[end](rng, content)
    if end in ("csv", "txt", "data", "eml", "mbox", "sms", "lock") and rng.random() < 0.5:
        return of_lines(rng, content)
    return of_bytes(rng, content)
