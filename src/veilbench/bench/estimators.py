"""Estimators of scikit-learn and PyOD that a configuration may name.

They are named by plain texts, not by `_target_`. Only classes that these libraries define and that derive from their
own base classes are allowed, besides classes of registered packages.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, cast

from veilbench.bench.errors import UserError, list_known
from veilbench.bench.homes import list_roots
from veilbench.bench.roots import DOTTED, find_function

BASES = {"sklearn": ("sklearn.base", "BaseEstimator"), "pyod": ("pyod.models.base", "BaseDetector")}


def find_estimator(name: str, where: str) -> Callable[..., Any]:
    """Import an estimator's class, or a function that builds one, by its dotted name.

    Args:
        name: dotted name, such as "sklearn.ensemble.IsolationForest" or "pyod.models.ecod.ECOD".
        where: place of the name in the configuration, for error messages.

    Raises:
        UserError: the name is not that of an estimator of these libraries or of a class or function of a registered
            package, or the library is not installed.
    """
    if not isinstance(name, str) or not DOTTED.fullmatch(name):
        raise UserError(f"{where}={name!r} must be a dotted name such as sklearn.ensemble.IsolationForest")
    module, _, last = name.rpartition(".")
    if (root := module.partition(".")[0]) not in BASES:
        return find_function(name, where)
    if find_spec(root) is None:
        raise UserError(f"{where}={name} needs the package {root}: pip install 'veilbench[{root}]'")
    base = getattr(importlib.import_module(BASES[root][0]), BASES[root][1])
    try:
        found = getattr(importlib.import_module(module), last, None)
    except ImportError as error:
        raise UserError(f"{where}={name} cannot be imported: {error}") from error
    if not inspect.isclass(found) or not issubclass(found, base) or found.__module__.partition(".")[0] != root:
        allowed = f"estimators of {', '.join(BASES)} and classes of {', '.join(list_roots())}"
        raise UserError(f"{where}={name} is not allowed: only {allowed} may be named")
    return cast(Callable[..., Any], found)


def build_estimator(name: str, arguments: Mapping[str, Any], where: str, seed: int | None = None) -> Any:
    """Construct an estimator.

    Args:
        name: dotted name of the class, see `find_estimator`.
        arguments: arguments of the constructor, plain values.
        where: place of the estimator in the configuration, for error messages.
        seed: value of `random_state`, if there is such an argument and `arguments` do not set it; None for its default.

    Raises:
        UserError: the class is not allowed, or has no such argument, or refuses a value.
    """
    found = find_estimator(name, where)
    known = inspect.signature(found).parameters
    if unknown := [key for key in arguments if key not in known]:
        raise UserError(
            f"unknown argument {unknown[0]}={arguments[unknown[0]]!r} of {name}{list_known(unknown[0], known)}"
        )
    drawn = {"random_state": seed} if seed is not None and "random_state" in known else {}
    try:
        return found(**{**drawn, **arguments})
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}={name}: {error}") from error
