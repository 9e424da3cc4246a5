"""Copies of data on disk that fit into memory."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Gatherable(Protocol):
    """Data of which a part may be on disk."""

    def gathered(self) -> Any:
        """Return the data in memory: itself, or a random sample of bounded size."""
        ...


def gather(data: T) -> T:
    """Return data in memory, for code that needs all rows at once: a sample if the data is on disk."""
    return data.gathered() if isinstance(data, Gatherable) else data
