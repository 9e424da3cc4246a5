"""Random orthonormal matrices, by which keys rotate features."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from veilbench.bench.limits import require_room

KEPT, LARGEST = 256, 2**16  # matrices that are kept, and values of the largest one: 64 MiB in all


def draw_orthonormal(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a random matrix with orthonormal columns, or orthonormal rows if it is wide, by QR decomposition.

    An attack asks for the matrix of the same key hundreds of times, so small ones are kept by the state of the
    generator, which is left as if the matrix had been drawn.

    Args:
        rows: number of rows of the matrix.
        columns: number of columns of the matrix.
        rng: generator of the user's key.

    Returns:
        The matrix, shape (rows, columns), float32.
    """
    require_room(f"a matrix of {rows} x {columns}", rows, columns, each=8)
    state = rng.bit_generator.state
    if rows * columns > LARGEST or state["bit_generator"] != "PCG64":
        return _decompose(rows, columns, rng)
    seed = (*state["state"].values(), state["has_uint32"], state["uinteger"])
    matrix, after = _draw_once(rows, columns, *seed)
    rng.bit_generator.state = after
    return matrix.copy()


@lru_cache(KEPT)
def _draw_once(
    rows: int, columns: int, state: int, increment: int, has_uint32: int, uinteger: int
) -> tuple[np.ndarray, dict[str, object]]:
    """Return the matrix that a generator in this state draws, and the generator's state afterwards."""
    bits = np.random.PCG64()
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": state, "inc": increment},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }
    matrix = _decompose(rows, columns, np.random.Generator(bits))
    return matrix, dict(bits.state)


def _decompose(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q = (q * np.sign(np.diag(r))).astype(np.float32)
    return q if rows >= columns else np.ascontiguousarray(q.T)
