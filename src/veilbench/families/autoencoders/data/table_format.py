"""How a table was read, kept so that new rows are read in the same way."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TableFormat:
    """Columns and cells of a table, apart from its plain columns of numbers.

    Attributes:
        texts: name of each text column, with its values in the order of their columns of 0 and 1.
        medians: median of each column of numbers, which replaces missing values; None if missing values are refused.
        label: column of the classes, which new rows need not have; None if there is none.
        missing_words: additional words that stand for a missing value.
        separator: separator of cells; None is that of the file's suffix.
        decimal: decimal separator, "." or ",".
    """

    texts: dict[str, list[str]] = field(default_factory=dict)
    medians: dict[str, float] | None = None
    label: str | None = None
    missing_words: list[str] = field(default_factory=list)
    separator: str | None = None
    decimal: str = "."

    def list_one_hot(self) -> dict[str, tuple[str, str]]:
        """Return text column and value of each feature that stands for a value of a text column."""
        return {f"{name}={value}": (name, value) for name, values in self.texts.items() for value in values}
