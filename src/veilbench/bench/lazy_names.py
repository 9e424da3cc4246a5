"""Names that a package offers for import, and imports only when they are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def import_on_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module's `__getattr__` (PEP 562) that imports each name from the module that defines it.

    Args:
        package: name of the package that offers the names.
        homes: the module of each name, relative to the package.
    """

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package} has no attribute {name}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return __getattr__
