"""What came of an input."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from .case import Case
from .process import Ended
from .world import Snapshot

CANARY = "CANARY"  # in the name of every file that an injected command would make
TRACE = "Traceback (most recent call last)"


class Outcome(StrEnum):
    """What can come of an input."""

    REFUSED = "refused in one line"
    REFUSED_LATE = "refused in one line after it began"
    IN_PART = "refused in part"
    USAGE = "usage shown"
    FINISHED = "accepted and finished"
    STOPPED = "accepted, stopped by the fuzz"
    CRASHED = "accepted, then crashed"
    TRACEBACK = "traceback"
    UNTIDY = "untidy refusal"
    HUNG = "hung"
    LOST = "lost or changed a file"
    CANARY = "ran injected code"
    DIFFERS = "forked and fresh runs differ"


FAILURES = (
    Outcome.CRASHED,
    Outcome.TRACEBACK,
    Outcome.UNTIDY,
    Outcome.HUNG,
    Outcome.LOST,
    Outcome.CANARY,
    Outcome.DIFFERS,
)


@dataclass(frozen=True)
class Judgement:
    """An outcome, and for a failure what tells it from others."""

    outcome: Outcome
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether this must not happen."""
        return self.outcome in FAILURES


def judge(case: Case, ended: Ended, before: Snapshot, after: Snapshot) -> Judgement:
    """What came of an input.

    Args:
        case: the input.
        ended: how its command ended.
        before: everything in the world, with the input's own files.
        after: the same when the command had ended.
    """
    added = sorted(after.keys() - before.keys())
    if ran := [path for path in added if CANARY in path]:
        return Judgement(Outcome.CANARY, ran[0])
    if gone := _lost(case, ended, before, after):
        return Judgement(Outcome.LOST, _plain(gone))
    if ended.stopped:
        return Judgement(Outcome.STOPPED) if ended.accepted else Judgement(Outcome.HUNG, _script(case))
    if TRACE in ended.err or TRACE in ended.out or ended.code < 0:
        outcome = Outcome.CRASHED if ended.accepted or ended.code < 0 else Outcome.TRACEBACK
        return Judgement(outcome, f"signal {-ended.code}" if ended.code < 0 else where(ended.err + ended.out))
    if left := [path for path in added if ".partial" in path]:
        return Judgement(Outcome.UNTIDY, f"left behind {_plain(left[0])}")
    if ended.code in case.codes:
        return Judgement(Outcome.FINISHED)
    return _refusal(case, ended, added)


def _refusal(case: Case, ended: Ended, added: list[str]) -> Judgement:
    lines = [line for line in ended.err.splitlines() if line.strip()]
    head = f"{ended.err}\n{ended.out}".lstrip().lower()
    shown = head.startswith(("usage:", "error: option "))  # the second: Typer's, of an option without its value
    if ended.code == 2 and shown and not added:
        return Judgement(Outcome.USAGE)
    said = [line for line in lines if line.startswith("error:")]
    if _names_records(case, ended):
        more = [line for line in lines if not line.startswith("tracking: ")]
        return Judgement(Outcome.UNTIDY, f"beside tracking: {_plain(more[0])}") if more else Judgement(Outcome.IN_PART)
    if ended.code != 2:
        return Judgement(Outcome.UNTIDY, f"exit code {ended.code}: {_plain(lines[-1] if lines else '')}")
    if len(said) != 1:
        return Judgement(
            Outcome.UNTIDY, f"{len(said)} lines that begin with error: {_plain(lines[0] if lines else '')}"
        )
    if ended.accepted:
        return Judgement(Outcome.REFUSED_LATE)
    if more := [line for line in lines if not line.startswith("error:")]:
        return Judgement(Outcome.UNTIDY, f"more than the one line: {_plain(more[0])}")
    if added:
        return Judgement(Outcome.UNTIDY, f"left behind {_plain(added[0])}")
    return Judgement(Outcome.REFUSED)


def _names_records(case: Case, ended: Ended) -> bool:
    """Whether this is `track`, which names each record that cannot be published, and publishes the others."""
    return case.command[0] == "pipelines/track.py" and ended.code == 2 and ended.err.startswith("tracking: ")


def _lost(case: Case, ended: Ended, before: Snapshot, after: Snapshot) -> str:
    """The first file of the user's that is gone or changed without leave; empty if there is none.

    A command that did what it was asked for may replace what it writes to; one that refused at once may touch nothing;
    one that was cut off or failed may have changed it, but may not have taken it away.
    """
    finished = ended.code in case.codes or _names_records(case, ended)
    refused = ended.code == 2 and not ended.accepted and not finished
    for path, state in before.items():
        if path not in after and not (finished and case.may_write(path)):
            return path
        if path in after and after[path] != state and (refused or not case.may_write(path)):
            return path
    return ""


def where(text: str) -> str:
    """The exception's type and the innermost place of this project in the last traceback of a text."""
    last = text[text.rfind(TRACE) :]
    frames = re.findall(r'^ +File "[^"]*?/((?:veilbench|pipelines)/[^"]+)", line \d+, in (.+)$', last, re.M)
    others = re.findall(r'^ +File "[^"]*?([^/"]+/[^/"]+)", line \d+, in (.+)$', last, re.M)
    named = re.search(r"^([A-Za-z_][\w.]*)(?=:|$)", last[last.rfind("\n  File ") :], re.M)  # its text may follow
    path, function = (frames or others or [("?", "?")])[-1]
    inner = f", within {others[-1][0]}" if function == "<module>" and others else ""  # Hydra's or a library's
    return f"{named[1] if named else 'error'} at {path} {function}{inner}"


def _plain(text: str) -> str:
    """A text without what differs from run to run, or from input to input."""
    return re.sub(r"\d+", "N", re.sub(r"(with overrides: ).*", r"\1...", text))[:100]


def _script(case: Case) -> str:
    return " ".join(case.command[:2]) if case.command[0] == "veilbench" else case.command[0]
