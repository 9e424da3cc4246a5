"""The options of a sweep that are not Hydra's: `--timeout`, `--retries` and `force=true`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from veilbench.bench.errors import UserError
from veilbench.workflow.cells.attempt import Limits

FORCE = "force=true"
OPTIONS = f"--timeout SECONDS, --retries N and {FORCE}"


def take_limits(arguments: Sequence[str]) -> tuple[list[str], Limits]:
    """Take the options out of a command line.

    Args:
        arguments: command line of a sweep.

    Returns:
        The other arguments, and the limits.

    Raises:
        UserError: a value is missing, or is not a positive number of seconds or a whole number.
    """
    timeout, words = _take("--timeout", arguments)
    retries, words = _take("--retries", words)
    since = time.time() if FORCE in words else 0.0
    return [word for word in words if word != FORCE], Limits(_read_timeout(timeout), _read_retries(retries), since)


def _take(option: str, arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the value of an option, None if it is not given, and the other arguments."""
    words: list[str] = []
    for word in arguments:
        words += [option, word.removeprefix(f"{option}=")] if word.startswith(f"{option}=") else [word]
    if option not in words:
        return None, words
    at = words.index(option)
    return (words[at + 1] if at + 1 < len(words) else ""), [*words[:at], *words[at + 2 :]]


def _read_timeout(text: str | None) -> float | None:
    try:
        seconds = float("inf" if text is None else text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise UserError(f"--timeout {text} is not allowed: input should be a number of seconds above 0")
    return None if seconds == float("inf") else seconds


def _read_retries(text: str | None) -> int:
    if text is not None and not text.isdecimal():
        raise UserError(f"--retries {text} is not allowed: input should be a whole number, 0 or more")
    return int(text or 0)
