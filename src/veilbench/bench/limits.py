"""The ranges of the numbers that a setting may be, and the memory that there is for what they ask for.

Every whole number has an upper end, far above what any experiment needs and far below what would fill a memory by
itself: a typing error is told while composing, before anything is allocated. What grows with a product of settings asks
`require_room` before it allocates. Floats are finite: `require_value` refuses NaN and infinity everywhere.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from veilbench.bench.errors import UserError

MOST = 10**7
Count = Annotated[int, Ge(1), Le(MOST)]  # of things that are kept: rows, mails, members, repeats of a measurement
Natural = Annotated[int, Ge(0), Le(MOST)]  # the same, where there may be none
Steps = Annotated[int, Ge(1), Le(10**9)]  # of what is done again and again, and keeps nothing
Width = Annotated[int, Ge(1), Le(10**5)]  # of a layer or a code
Side = Annotated[int, Ge(1), Le(10**4)]  # of an image, in pixels
Depth = Annotated[int, Ge(1), Le(1_000)]  # of layers upon layers
Parallel = Annotated[int, Ge(1), Le(1_024)]  # of threads, processes or devices
Seed = Annotated[int, Ge(0), Lt(2**63)]  # NumPy takes more, torch and files of plain numbers do not

Positive = Annotated[float, Gt(0), Le(1e9)]
NotNegative = Annotated[float, Ge(0), Le(1e9)]
Real = Annotated[float, Ge(-1e9), Le(1e9)]
Share = Annotated[float, Ge(0), Le(1)]
PositiveShare = Annotated[float, Gt(0), Le(1)]
LearningRate = Annotated[float, Gt(0), Le(1e3)]
Momentum = Annotated[float, Ge(0), Lt(1)]

# The noise's standard deviation in units of the sensitivity. Without noise epsilon is infinite, which is no privacy.
NoiseMultiplier = Annotated[float, Ge(1e-12), Le(1e12)]
# A mechanism may break its promise altogether with the probability delta. From 1/2 on it may do so more often than not;
# what protects is far below one over the number of people (Dwork and Roth 2014, section 2.3).
Delta = Annotated[float, Ge(1e-300), Lt(0.5)]

WEIGHT_BYTES = 4 * 4  # float32: a weight, its gradient, its two moments
LARGEST_VALUE = 1e12  # of a number in a saved model: its square, and sums of squares, fit into float32
LARGEST_PRECISION = 1e30  # of an inverse covariance, which is large where rows hardly vary
LONGEST_SHOWN = 200  # characters of a value in an error's line
CGROUP = Path("/sys/fs/cgroup/memory.max")


def require_value(annotation: Any, value: Any, where: str) -> None:
    """Refuse a value that an annotation does not allow. Nothing is converted, and NaN and infinity are no numbers.

    Raises:
        ValueError: the line names the value, where it stands, and what is allowed.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    strict = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)
    try:
        TypeAdapter(annotation, config=strict).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        at = "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
        raise ValueError(f"{where}{at}={shown(first['input'])} is not allowed: {first['msg'].lower()}") from error


def require_arguments(function: Callable[..., Any], given: Any, where: str) -> None:
    """Refuse settings from a file that are not exactly a constructor's arguments, each as its annotation says.

    Args:
        function: a class or a function. What it has a default for must be given all the same: what was saved was whole.
        given: its arguments by their names.
        where: they stand, for the line.

    Raises:
        ValueError: one is missing, unknown or not allowed, or these are no settings at all.
    """
    parameters = inspect.signature(function).parameters
    hints = get_type_hints(function.__init__ if inspect.isclass(function) else function, include_extras=True)
    if not isinstance(given, Mapping):
        raise ValueError(f"{where}={shown(given)} is not allowed: an object is needed")
    if lacking := [name for name in parameters if name not in given]:
        raise ValueError(f"{where}.{lacking[0]} is missing")
    if unknown := [name for name in given if name not in parameters]:
        raise ValueError(f"unknown key {where}.{unknown[0]}; allowed: {', '.join(parameters) or 'none'}")
    for name, value in given.items():
        require_value(hints.get(name, Any), value, f"{where}.{name}")


def shown(value: Any) -> str:
    """A value for an error's line: its beginning, where it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def require_room(what: str, *lengths: int, each: int = 4) -> None:
    """Refuse what this machine cannot hold, before it is allocated.

    Args:
        what: for the line, with the settings that decide, such as "model.members=3 nets".
        lengths: how many numbers there are: their product.
        each: bytes of a number.

    Raises:
        UserError: it is more than the machine's memory.
    """
    needed, have = each * math.prod(map(int, lengths)), memory()
    if needed > have:
        raise UserError(f"{what} need {_gibibytes(needed)} GiB, and this machine has {_gibibytes(have)} GiB of memory")


def require_weights(what: str, shapes: Iterable[Sequence[int]]) -> None:
    """Refuse a net whose weights, gradients and two moments of Adam this machine cannot hold.

    Args:
        what: see `require_room`.
        shapes: of the weights, without the biases.

    Raises:
        UserError: they are more than the machine's memory.
    """
    require_room(what, sum(math.prod(map(int, shape)) for shape in shapes), each=WEIGHT_BYTES)


def memory() -> int:
    """Bytes that this process may have: the machine's memory, or its control group's limit where that is lower."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        allowed = CGROUP.read_text(encoding="ascii").strip()
    except OSError:  # another system, or no control groups
        return physical
    return min(physical, int(allowed)) if allowed.isdigit() else physical


def _gibibytes(size: int) -> str:
    """Three digits, of numbers too that no float can hold."""
    return f"{size / 2**30:.3g}" if size < 2**1000 else f"2**{size.bit_length() - 31}"
