"""English prose from the Python distribution: the help texts of `pydoc_data.topics`, and docstrings."""

from __future__ import annotations

import ast
import sysconfig
from functools import cache
from pathlib import Path

import numpy as np

from veilbench.text.alphabet import normalise

BREAK = "\n"


def load_topics() -> list[str]:
    """Load one normalised text per help topic, without paragraphs that occur in an earlier topic.

    A fifth of the text occurs in several topics. If repeated paragraphs were kept, a split by topic would put the same
    sentences in several parts.
    """
    from pydoc_data.topics import topics as raw

    return select_prose([raw[name] for name in sorted(raw)], set())


def load_docstrings(known: list[str]) -> str:
    """Load all prose in the docstrings of the standard library's modules, which are parsed but not imported.

    Args:
        known: documents whose paragraphs are left out.

    Returns:
        One text without line breaks.
    """
    seen = {paragraph for document in known for paragraph in document.split(BREAK)}
    return " ".join(select_prose(_read_library(), seen)).replace(BREAK, " ")


@cache
def _read_library() -> list[str]:
    library = Path(sysconfig.get_path("stdlib"))
    paths = sorted([*library.glob("*.py"), *library.glob("*/*.py")])
    skipped = ("site-packages", "test", "idlelib", "lib2to3", "pydoc_data")
    read = (
        path for path in paths if path.parent.name not in skipped and path.name != "pdb.py"
    )  # its docstring is also in the topics
    return [text for path in read for text in _extract_docstrings(path)]


def _extract_docstrings(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # the library contains a few files that are broken on purpose
        return []
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [text for node in ast.walk(tree) if isinstance(node, documented) and (text := ast.get_docstring(node))]


def select_prose(raw: list[str], seen: set[str]) -> list[str]:
    """Normalise documents, and leave out tables, grammar, and paragraphs that were seen before.

    Args:
        raw: documents whose paragraphs are separated by an empty line.
        seen: paragraphs to leave out; the paragraphs of `raw` are added to it.

    Returns:
        One text per document that has any prose, with paragraphs separated by `BREAK`.
    """
    documents = []
    for document in raw:
        selected = []
        for paragraph in document.split("\n\n"):
            plain = normalise(paragraph)
            if plain not in seen and is_prose(plain):
                seen.add(plain)
                selected.append(plain)
        documents.append(BREAK.join(selected))
    return [document for document in documents if document]


def is_prose(paragraph: str) -> bool:
    """Return whether more than four fifths of a paragraph are letters and spaces."""
    return sum(c.isalpha() or c == " " for c in paragraph) > 0.8 * len(paragraph)


def split(documents: list[str], shares: list[float], rng: np.random.Generator) -> list[str]:
    """Split documents into parts that have about the given shares of the characters; documents stay whole.

    Args:
        documents: the texts to split.
        shares: share of the characters for each part; they sum to at most 1.
        rng: generator that shuffles the documents.

    Returns:
        One text per share, its documents joined by a space.
    """
    sizes = np.array([len(document) for document in documents])
    parts: list[list[str]] = [[] for _ in shares]
    filled = np.zeros(len(shares))
    for index in rng.permutation(len(documents)):
        emptiest = int(np.argmin(filled / np.array(shares)))
        parts[emptiest].append(documents[index])
        filled[emptiest] += sizes[index]
    return [" ".join(part).replace(BREAK, " ") for part in parts]
