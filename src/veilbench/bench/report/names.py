"""Shortens the names of runs, which hold all their overrides, for tables, and makes ids of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

ELLIPSIS = "…"


def shorten(name: str, width: int) -> str:
    """Shorten a name in its middle, so that its experiment and its last override stay readable.

    Args:
        name: the name to shorten; returned as it is if it fits.
        width: largest number of characters of the result, 3 or more.

    Raises:
        ValueError: the width leaves no room for both ends.
    """
    if width < 3:
        raise ValueError(f"width={width} must be 3 or more")
    if len(name) <= width:
        return name
    last = (width - 1) // 2
    return name[: width - 1 - last] + ELLIPSIS + name[-last:]


def shorten_all(names: Iterable[str], width: int) -> dict[str, str]:
    """Shorten names so that they stay different: those that would be equal are numbered.

    Args:
        names: the names, without repetition.
        width: largest number of characters of each result.

    Returns:
        The short name of each name, in their order.
    """
    short: dict[str, str] = {}
    for name in names:
        shown, number = shorten(name, width), 1
        while shown in short.values():
            number += 1
            suffix = f" #{number}"
            shown = shorten(name, width - len(suffix)) + suffix
        short[name] = shown
    return short


def anchor(name: str) -> str:
    """Convert the name of a row to the id of its section."""
    return re.sub(r"[^\w.-]+", "-", name)
