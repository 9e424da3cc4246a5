"""What type annotations allow."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin


def members(annotation: Any) -> list[Any]:
    """Return the types that an annotation allows: the members of a union, without `Annotated` and type arguments."""
    if get_origin(annotation) is Annotated:
        return members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) for member in members(part)]
    return [get_origin(annotation) or annotation]
