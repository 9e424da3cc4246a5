"""Values that an attack computes once for its target and all controls."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Shared:
    """Computes values once per data set and key.

    A data set is recognised as an object, which is kept so that no other takes its place in memory.
    """

    def __init__(self) -> None:
        self.values: dict[Hashable, tuple[Any, Any]] = {}

    def recall(self, data: Any, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the value, and compute it first if it is not there yet.

        Args:
            data: data set from which the value is computed.
            key: what else the value depends on; an object that it holds, such as a filter, is kept as well.
            compute: function that computes it.
        """
        if (id(data), key) not in self.values:
            self.values[id(data), key] = (data, compute())
        value: T = self.values[id(data), key][1]
        return value
