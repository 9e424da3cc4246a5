"""What a command about templates says."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from veilbench.bench.errors import UserError

LONGEST = 200  # characters of a name


@dataclass(frozen=True)
class Answer:
    """Lines for stdout and for stderr, and whether there was a match (exit code 0, or 1 where not)."""

    lines: list[str]
    notes: list[str] = field(default_factory=list)
    match: bool = True


def counted(templates: int) -> str:
    """So many templates, in words."""
    return f"{templates} template{'s' * (templates != 1)}"


def named(person: str) -> str:
    """A name in the one way of writing it (Unicode's NFC).

    Raises:
        UserError: it is empty, too long, or has control characters.
    """
    name = unicodedata.normalize("NFC", person)
    if not name.strip() or len(name) > LONGEST or any(unicodedata.category(letter)[0] == "C" for letter in name):
        raise UserError(
            f"{person!r} is no name: 1 to {LONGEST} characters are allowed, none of them a control character"
        )
    return name
