"""Restricts the classes that a configuration, an override or a saved file may name.

A `_target_` decides what is imported and called. Therefore it may only name classes that are defined in registered
packages, those of `homes.list_homes`, and this is checked before anything is imported. `os.system` is refused, and so
is a class that a registered module merely imports from elsewhere.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeVar

from veilbench.bench.errors import UserError
from veilbench.bench.homes import find_root, list_roots, make_importable

T = TypeVar("T")
AN = re.compile(r"[AEIO]|U(?!ni[tfv]|se)")  # not before the sound of "unit" or "user"
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def find_class(target: object, kind: type[T], where: str = "") -> type[T]:
    """Import a class by its dotted name.

    Args:
        target: dotted name, such as "veilbench.families.autoencoders.baselines.pca.Pca".
        kind: required base class; `object` allows every class.
        where: place of the name in a configuration or a file, for the error message.

    Raises:
        UserError: the name is not that of a class of a registered package, or the class is not a `kind`.
    """
    found: type[T] = _find(target, where, "class")
    if not issubclass(found, kind):
        said = f"{where}={target}" if where else f"{target}"
        raise UserError(f"{said} is not allowed: {found.__name__} is not {with_article(kind.__name__)}")
    return found


def find_function(target: object, where: str = "") -> Callable[..., Any]:
    """Import a class or a function by its dotted name.

    Args:
        target: dotted name of a class or function of a registered package.
        where: place of the name in a configuration or a file, for the error message.

    Raises:
        UserError: the name is not that of a class or function of a registered package.
    """
    found: Callable[..., Any] = _find(target, where, "class or function")
    return found


def _find(target: object, where: str, what: str) -> Any:
    said = f"{where}={target}" if where else f"{target}"
    nothing = f"{said} names nothing that can be imported"
    if not isinstance(target, str) or not DOTTED.fullmatch(target):
        raise UserError(f"{nothing}: only classes of {', '.join(list_roots())} may be named, by module and class")
    module, _, name = target.rpartition(".")
    if (root := find_root(module)) is None:
        package = module.partition(".")[0]
        raise UserError(
            f"{nothing}: only classes of {', '.join(list_roots())} may be named; {package} is no package of this bench "
            "and no installed plug-in"
        )
    make_importable(root[0])
    if not _exists(module):
        raise UserError(f"{nothing}: there is no module {module}")
    found = getattr(_import(module, nothing), name, None)
    if found is None:
        raise UserError(f"{nothing}: {module} has no {name}")
    kinds = (inspect.isclass,) if what == "class" else (inspect.isclass, inspect.isfunction)
    if not any(is_kind(found) for is_kind in kinds) or find_root(found.__module__) is None:
        raise UserError(f"{nothing}: {name} is no {what} of {', '.join(list_roots())}")
    return found


def _import(module: str, nothing: str) -> ModuleType:
    """Import a module of a registered package.

    Raises:
        UserError: a library that it needs is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] == "veilbench":
            raise
        raise UserError(f"{nothing}: {module} needs {error.name}, which is not installed") from error


def with_article(name: str) -> str:
    """Prepend "a" or "an" to the name of a class, as its first sound requires: "a Detector", "an Evaluation"."""
    return f"{'an' if AN.match(name) else 'a'} {name}"


def _exists(module: str) -> bool:
    """Whether a module exists; imports only the packages that contain it, which are registered ones."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a part before the last is a module or a class, not a package
        return False
