"""The table of a run, the list of survivors, and a file of both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .judging import KILLED, NOT_COUNTED, SURVIVED, Judgement


def table(folder: str, judgements: Sequence[Judgement]) -> str:
    """Return the counts and the share of counted mutants that were killed."""
    count = Counter(judgement.outcome for judgement in judgements)
    counted = count[KILLED] + count[SURVIVED]
    share = f"{count[KILLED] / counted:.1%}" if counted else "-"
    return "\n".join(
        [
            "| folder | mutants | killed | survived | share | not counted |",
            "|---|---|---|---|---|---|",
            f"| {folder} | {counted} | {count[KILLED]} | {count[SURVIVED]} | {share} | {count[NOT_COUNTED]} |",
        ]
    )


def listed(judgements: Sequence[Judgement]) -> str:
    """Return each mutant that was not killed, a line each."""
    left = sorted((each for each in judgements if each.outcome != KILLED), key=lambda each: each.mutant.name)
    return "\n".join(f"{each.outcome}: {each.mutant.name} ({each.reason})" for each in left)


def save(file: Path, seed: int, judgements: Sequence[Judgement]) -> None:
    """Write all judgements to a file."""
    rows = [
        {
            "mutant": each.mutant.name,
            "kind": each.mutant.kind,
            "outcome": each.outcome,
            "reason": each.reason,
            "seconds": round(each.seconds, 2),
        }
        for each in judgements
    ]
    file.write_text(json.dumps({"seed": seed, "mutants": rows}, indent=1) + "\n", encoding="utf8")


def survivors(file: Path) -> set[str]:
    """Return the names of the mutants of a file that were not killed."""
    rows = json.loads(file.read_text(encoding="utf8"))["mutants"]
    return {row["mutant"] for row in rows if row["outcome"] != KILLED}
