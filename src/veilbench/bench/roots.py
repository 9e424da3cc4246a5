"""Which classes a configuration, an override or a saved file may name.

A `_target_` decides what is imported and called. So it may only name classes of registered packages, and this is
checked before anything is imported: neither `os.system`, nor a module that one of ours happens to have imported.
"""

from __future__ import annotations

import importlib
import inspect
import re
from importlib.util import find_spec
from typing import TypeVar

from veilbench.bench.errors import UserError

T = TypeVar("T")
PACKAGES = ("veilbench",)
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def find_class(target: object, kind: type[T], where: str = "") -> type[T]:
    """Import the class that a dotted name stands for.

    Args:
        target: such as "veilbench.families.autoencoders.baselines.pca.Pca".
        kind: the class must be this one or derived from it; `object` allows every class.
        where: the place of the name in a configuration or a file, for the error.

    Raises:
        UserError: the name is not one of a class of a registered package, or the class is of another kind.
    """
    said = f"{where}={target}" if where else f"{target}"
    allowed = f"only classes of {', '.join(PACKAGES)} may be named"
    if not isinstance(target, str) or not DOTTED.fullmatch(target):
        raise UserError(f"{said} names nothing that can be imported: {allowed}, by module and class")
    module, _, name = target.rpartition(".")
    if module.partition(".")[0] not in PACKAGES:
        raise UserError(f"{said} names nothing that can be imported: {allowed}")
    if not _exists(module):
        raise UserError(f"{said} names nothing that can be imported: there is no module {module}")
    found = getattr(importlib.import_module(module), name, None)
    if found is None:
        raise UserError(f"{said} names nothing that can be imported: {module} has no {name}")
    if not inspect.isclass(found) or found.__module__.partition(".")[0] not in PACKAGES:
        raise UserError(f"{said} names nothing that can be imported: {name} is no class of {', '.join(PACKAGES)}")
    if not issubclass(found, kind):
        raise UserError(f"{said} is not allowed: {name} is not a {kind.__name__}")
    return found


def _exists(module: str) -> bool:
    """Whether there is such a module; imports the packages that it lies in, which are ours, and nothing else."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a part before the last is a module or a class, not a package
        return False
