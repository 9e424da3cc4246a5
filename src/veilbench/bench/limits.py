"""Ranges of numeric settings, and checks that their arrays fit into memory.

Every integer has an upper bound, far above what any experiment needs and far below what alone would fill the memory, so
that a typing error is refused while composing, before anything is allocated. Code whose memory grows with a product of
settings calls `require_room` before it allocates. Floats are finite: `require_value` refuses NaN and infinity.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from veilbench.bench.errors import UserError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MOST = 10**7
Count = Annotated[int, Ge(1), Le(MOST)]  # number of things kept in memory: rows, mails, members, repetitions
Natural = Annotated[int, Ge(0), Le(MOST)]  # the same, but 0 is allowed
Steps = Annotated[int, Ge(1), Le(10**9)]  # number of iterations, whose memory does not add up
Width = Annotated[int, Ge(1), Le(10**5)]  # units of a layer or a code
Side = Annotated[int, Ge(1), Le(10**4)]  # height or width of an image in pixels
Depth = Annotated[int, Ge(1), Le(1_000)]  # number of layers
Parallel = Annotated[int, Ge(1), Le(1_024)]  # number of threads, processes or devices
Seed = Annotated[int, Ge(0), Lt(2**63)]  # torch's range; NumPy would take larger seeds

Positive = Annotated[float, Gt(0), Le(1e9)]
NotNegative = Annotated[float, Ge(0), Le(1e9)]
Real = Annotated[float, Ge(-1e9), Le(1e9)]
Share = Annotated[float, Ge(0), Le(1)]
PositiveShare = Annotated[float, Gt(0), Le(1)]
LearningRate = Annotated[float, Gt(0), Le(1e3)]
Momentum = Annotated[float, Ge(0), Lt(1)]

# The noise's standard deviation in units of the sensitivity. Without noise epsilon is infinite: nothing is protected.
NoiseMultiplier = Annotated[float, Ge(1e-12), Le(1e12)]
# With probability delta a mechanism may give no protection at all. A useful delta is far below one over the number of
# people (Dwork and Roth 2014, section 2.3); values from 1/2 on are refused.
Delta = Annotated[float, Ge(1e-300), Lt(0.5)]

WEIGHT_BYTES = 4 * 4  # float32: a weight, its gradient and Adam's two moments
LARGEST_VALUE = 1e12  # largest number in a saved model: its square, and sums of squares, fit into float32
LARGEST_PRECISION = 1e30  # largest entry of an inverse covariance, which is large if rows hardly vary
LONGEST_SHOWN = 200  # characters of a value in an error message
CGROUP = Path("/sys/fs/cgroup/memory.max")


def require_value(annotation: Any, value: Any, where: str) -> None:
    """Refuse a value that an annotation does not allow, without converting it; NaN and infinity are refused.

    Raises:
        ValueError: the message names the value, its place and what is allowed.
    """
    from pydantic import ValidationError

    if isinstance(annotation, type) and is_dataclass(annotation):  # pydantic takes no configuration for one
        if not isinstance(value, annotation):
            needed = f"an instance of {annotation.__name__}"
            raise ValueError(f"{where}={format_value(value)} is not allowed: input should be {needed}")
        return
    try:
        _make_adapter(annotation, str(annotation)).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        at = "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
        raise ValueError(
            f"{where}{at}={format_value(first['input'])} is not allowed: {first['msg'].lower()}"
        ) from error


@lru_cache(maxsize=1024)
def _make_adapter(annotation: Any, written: str) -> TypeAdapter[Any]:
    """Return pydantic's check of an annotation. Making one takes longer than most checks.

    Args:
        annotation: a type or what stands for one.
        written: the annotation as text: `int | str` equals `str | int`, but an error names the first of them.
    """
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False))


def require_arguments(function: Callable[..., Any], given: Any, where: str) -> None:
    """Refuse settings from a file that are not exactly the arguments of a constructor, with the annotated types.

    Args:
        function: a class or a function. Arguments with defaults are required too, because saved settings are complete.
        given: the arguments by their names.
        where: place of the settings in the file, for error messages.

    Raises:
        ValueError: an argument is missing, unknown or not allowed, or `given` is not a mapping.
    """
    parameters = inspect.signature(function).parameters
    hints = get_type_hints(function.__init__ if inspect.isclass(function) else function, include_extras=True)
    if not isinstance(given, Mapping):
        raise ValueError(f"{where}={format_value(given)} is not allowed: an object is needed")
    if lacking := [name for name in parameters if name not in given]:
        raise ValueError(f"{where}.{lacking[0]} is missing")
    if unknown := [name for name in given if name not in parameters]:
        raise ValueError(f"unknown key {where}.{unknown[0]}; allowed: {', '.join(parameters) or 'none'}")
    for name, value in given.items():
        require_value(hints.get(name, Any), value, f"{where}.{name}")


def format_value(value: Any) -> str:
    """Format a value for an error message; long values are truncated."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def require_room(what: str, *lengths: int, each: int = 4) -> None:
    """Refuse an array that does not fit into this machine's memory, before it is allocated.

    Args:
        what: description for the error message, with the settings that determine the size, such as
            "model.members=3 nets".
        lengths: lengths whose product is the number of elements.
        each: bytes per element; 4 for float32.

    Raises:
        UserError: the array is larger than the machine's memory.
    """
    needed, have = each * math.prod(map(int, lengths)), available_memory()
    if needed > have:
        raise UserError(f"{what} need {_gibibytes(needed)} GiB, and this machine has {_gibibytes(have)} GiB of memory")


def require_weights(what: str, shapes: Iterable[Sequence[int]]) -> None:
    """Refuse a net whose weights, gradients and Adam moments do not fit into this machine's memory.

    Args:
        what: description for the error message, see `require_room`.
        shapes: shapes of the weights; biases are ignored.

    Raises:
        UserError: together they are larger than the machine's memory.
    """
    require_room(what, sum(math.prod(map(int, shape)) for shape in shapes), each=WEIGHT_BYTES)


def available_memory() -> int:
    """Return the bytes that this process may use: the machine's memory, or its control group's limit if lower."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        allowed = CGROUP.read_text(encoding="ascii").strip()
    except OSError:  # another system, or no control groups
        return physical
    return min(physical, int(allowed)) if allowed.isdigit() else physical


def _gibibytes(size: int) -> str:
    """Format bytes as GiB with three digits, or as a power of 2 if they are too large for a float."""
    return f"{size / 2**30:.3g}" if size < 2**1000 else f"2**{size.bit_length() - 31}"
