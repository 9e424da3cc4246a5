"""Calls into code that is not ours: its errors become one line, and its global randomness is seeded."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.homes import PACKAGE

TOLERANCE = 1e-4  # relative difference between scores of two equal fits, for sums in another order


@contextmanager
def foreign_errors(what: str) -> Iterator[None]:
    """Turn every error within the block into one line, which names the file and the line of the caller's code.

    Args:
        what: beginning of the line, such as "sklearn.svm.OneClassSVM cannot be fitted".

    Raises:
        UserError: the block raised an error.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # code that we do not know raises anything
        said = " ".join(str(error).split()) or "no message"
        raise UserError(f"{what}: {type(error).__name__}: {said}{_find_place(error)}") from error


def _find_place(error: Exception) -> str:
    """Return " (FILE, line N)" of the caller's own code that an error passed last; empty if it passed none."""
    ours = (str(PACKAGE), *sysconfig.get_paths().values())
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith((*ours, "<"))]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of NumPy and PyTorch within the block, and restore their states afterwards.

    Args:
        seed: seed of both generators, from 0 to 2**32 - 1.
    """
    torch = sys.modules.get("torch")
    before = np.random.get_state(), torch.get_rng_state() if torch else None
    np.random.seed(seed)
    if torch:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before[0])
        if torch:
            torch.set_rng_state(before[1])


def require_repeated(again: np.ndarray, before: np.ndarray, who: str) -> None:
    """Refuse a model that was fitted again and gives other scores than before.

    Args:
        again: its scores now, shape (n,).
        before: the scores that were saved with it, shape (n,).
        who: name of the model, for the error message.

    Raises:
        ValueError: a score differs by more than `TOLERANCE` of the largest one.
    """
    if not np.allclose(again, before, rtol=TOLERANCE, atol=TOLERANCE * np.abs(before).max()):
        raise ValueError(f"{who}, fitted again, gives other scores: set its random_state, or one thread")
