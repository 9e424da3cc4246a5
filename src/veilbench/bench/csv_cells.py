"""Escapes cells of CSV files so that spreadsheets do not evaluate them as formulas."""

from __future__ import annotations

import re
from typing import Any

# Characters that start a formula, after any number of the apostrophes that `escape` adds.
FORMULA = re.compile(r"'*[=+\-@\t\r]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def escape(value: Any) -> Any:
    """Prefix an apostrophe to text that a spreadsheet would evaluate; numbers are unchanged."""
    if isinstance(value, str) and FORMULA.match(value) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def unescape(cell: str) -> str:
    """Invert `escape`."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell
