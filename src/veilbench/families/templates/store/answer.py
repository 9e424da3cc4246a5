"""Output of the template commands, and normalisation of names."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from veilbench.bench.errors import UserError

LONGEST = 200  # maximum number of characters in a name


@dataclass(frozen=True)
class Answer:
    """The output of a command.

    Attributes:
        lines: lines for stdout.
        notes: lines for stderr.
        match: whether all probes match; determines the exit code, 0 or 1.
    """

    lines: list[str]
    notes: list[str] = field(default_factory=list)
    match: bool = True


def format_count(templates: int) -> str:
    """Format a number of templates, such as "1 template" or "3 templates"."""
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
