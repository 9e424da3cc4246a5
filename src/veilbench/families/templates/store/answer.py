"""Results of the commands for templates."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from veilbench.bench.errors import UserError

LONGEST = 200  # maximum number of characters in a name


@dataclass(frozen=True)
class Answer:
    """Lines for stdout and stderr, and whether there was a match (exit code 0, or 1 if not)."""

    lines: list[str]
    notes: list[str] = field(default_factory=list)
    match: bool = True


def format_count(templates: int) -> str:
    """Return a number of templates in words."""
    return f"{templates} template{'s' * (templates != 1)}"


def normalise_name(person: str) -> str:
    """Normalise a person's name (Unicode NFC).

    Raises:
        UserError: the name is empty, too long, or has control characters.
    """
    name = unicodedata.normalize("NFC", person)
    if not name.strip() or len(name) > LONGEST or any(unicodedata.category(letter)[0] == "C" for letter in name):
        raise UserError(
            f"{person!r} is no name: 1 to {LONGEST} characters are allowed, none of them a control character"
        )
    return name
