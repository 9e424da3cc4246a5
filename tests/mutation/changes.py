"""The changes that are made to one node of a syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
PAIRS = [("min", "max"), ("any", "all"), ("minimum", "maximum"), ("argmin", "argmax")]
SWAPS = dict(PAIRS) | {second: first for first, second in PAIRS}

Change = tuple[str, ast.AST]  # what kind of change it is, and the node afterwards


def changes(node: ast.AST) -> Iterator[Change]:
    """Yield every change of this node itself, not of the nodes below it."""
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.Constant(value=value) if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield from (("constant", ast.Constant(value + step)) for step in (-1, 1))
        case ast.BinOp() | ast.AugAssign() if type(node.op) in ARITHMETIC and not _text(node):
            yield "arithmetic", _with(node, op=ARITHMETIC[type(node.op)]())
        case ast.BoolOp(op=operator):
            yield "boolean", _with(node, op=ast.And() if isinstance(operator, ast.Or) else ast.Or())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "boolean", operand
        case ast.If(body=[ast.Raise()], orelse=[]):
            yield "guard", ast.Pass()
        case ast.Return(value=value) if value is not None:
            yield "return", _other_return(value)
        case ast.Call():
            yield from _calls(node)


def _comparisons(node: ast.Compare) -> Iterator[Change]:
    for place, operator in enumerate(node.ops):
        for other in COMPARISONS[type(operator)]:
            yield "comparison", _with(node, ops=[*node.ops[:place], other(), *node.ops[place + 1 :]])


def _other_return(value: ast.expr) -> ast.Return:
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        return ast.Return(ast.Constant(not value.value))
    return ast.Return(ast.Constant(0 if isinstance(value, ast.Constant) and value.value is None else None))


def _calls(node: ast.Call) -> Iterator[Change]:
    match node.func:
        case ast.Name(id=name) if name in SWAPS:
            yield "swap", _with(node, func=ast.Name(SWAPS[name]))
        case ast.Attribute(value=owner, attr=name) if name in SWAPS:
            yield "swap", _with(node, func=ast.Attribute(owner, SWAPS[name]))
    for place, keyword in enumerate(node.keywords):
        if keyword.arg and _number(keyword.value):
            yield "keyword", _with(node, keywords=[*node.keywords[:place], *node.keywords[place + 1 :]])


def _number(node: ast.AST) -> bool:
    value = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(value, ast.Constant) and isinstance(value.value, (int, float)) and value.value is not True


def _text(node: ast.BinOp | ast.AugAssign) -> bool:
    """Whether the operator joins text or a path: another one would only raise a TypeError."""
    sides = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.value]
    return any(isinstance(side, ast.JoinedStr) or _constant_text(side) for side in sides)


def _constant_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))


def _with(node: ast.AST, **fields: object) -> ast.AST:
    other = deepcopy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other
