"""The nodes of a module that may be changed: not annotations, type aliases, defaults, messages or f-strings."""

from __future__ import annotations

import ast
from collections.abc import Iterator

ALIASES = ("Annotated", "Literal", "Union", "Optional", "Callable", "Mapping", "Sequence", "dict", "list", "tuple")

LEFT_OUT = ("annotation", "returns", "defaults", "kw_defaults")  # a test of a default would only repeat its number


def changeable(tree: ast.Module) -> Iterator[tuple[ast.AST, int]]:
    """Yield each node that may be changed and the first line of the function that it is in, 0 where it is in none."""
    for statement in tree.body:
        yield from _below(statement, 0)


def _below(node: ast.AST, function: int) -> Iterator[tuple[ast.AST, int]]:
    if _alias(node):
        return
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        function = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    yield node, function
    for name, value in ast.iter_fields(node):
        if name in LEFT_OUT or (isinstance(node, ast.Raise) and name == "exc"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):  # nodes in it have no true place
                yield from _below(child, function)


def _alias(node: ast.AST) -> bool:
    match node:
        case ast.Assign(value=ast.Subscript(value=ast.Name(id=name))) if name in ALIASES:
            return True
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.BinOp(op=ast.BitOr())) if name[0].isupper():
            return not name.isupper()
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False
