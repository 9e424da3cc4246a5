"""Reads what the pages are made from: files of conf/ and docstrings. Nothing of veilbench is imported for it."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"


@dataclass(frozen=True)
class Class:
    """A class as its file shows it.

    Attributes:
        name: dotted name, such as `veilbench.families.mail.attacks.poison.attack.MailPoison`.
        title: value of its attribute `title`; empty if it has none.
        about: the docstring up to its first section, such as `Args:`.
        values: names and descriptions in the docstring's section `Attributes:`.
    """

    name: str
    title: str
    about: str
    values: dict[str, str]


@cache
def read_yaml(path: Path) -> dict[str, Any]:
    """Return the content of a YAML file, which is a mapping."""
    return dict(yaml.safe_load(path.read_text("utf8")) or {})


def read_comment(path: Path) -> str:
    """Return the comment at the top of a file of conf/ as one paragraph, without its `# @package` line."""
    lines = path.read_text("utf8").splitlines()
    if lines[0].startswith("# @package"):
        lines = lines[1:]
    comment = []
    for line in lines:
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    return " ".join(comment)


@cache
def read_class(name: str) -> Class:
    """Read a class from the file that defines it.

    Args:
        name: dotted name of the class, as a `_target_` gives it.
    """
    module, _, own = name.rpartition(".")
    tree = ast.parse((ROOT / "src" / Path(*module.split("."))).with_suffix(".py").read_text("utf8"))
    node = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == own)
    about, _, _ = inspect.cleandoc(ast.get_docstring(node) or "").partition("\nArgs:")
    about, _, attributes = about.partition("\nAttributes:")
    return Class(name, _find_title(node), about.strip(), _read_section(attributes))


def _find_title(node: ast.ClassDef) -> str:
    for line in node.body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "title":
            return str(ast.literal_eval(line.value))
    return ""


def _read_section(text: str) -> dict[str, str]:
    """Return the names and descriptions of a docstring's section."""
    found: dict[str, str] = {}
    for line in inspect.cleandoc(text).splitlines():
        if not line.startswith(" "):
            name, _, about = line.partition(":")
            found[name] = about.strip()
        else:
            found[name] += " " + line.strip()
    return found


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown; a `|` within a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
