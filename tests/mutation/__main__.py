"""`python -m tests.mutation`: draws mutants of some files and says which ones the tests notice."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from .copied import Copied
from .judging import SURVIVED, Judge, Judgement
from .process import preload
from .result import listed, save, survivors, table
from .sampling import drawn

ROOT = Path(__file__).parents[2]


def arguments() -> argparse.Namespace:
    """What the user asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument(
        "--folder", nargs="+", required=True, help="folders or files below src/veilbench; * stands for any name"
    )
    parser.add_argument("--count", type=int, default=40, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of tests for each mutant")
    parser.add_argument("--longest", type=float, default=90.0, help="seconds for the unmutated tests of one file")
    parser.add_argument("--again", type=Path, help="of the same draw, those that this file says were not killed")
    parser.add_argument("--json", type=Path, help="write all judgements to this file")
    return parser.parse_args()


def main() -> int:
    """The exit code: 0 where every mutant was noticed."""
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # so that the folder is taken away
    mutants = drawn(ROOT, chosen.folder, chosen.count, chosen.seed)
    if chosen.again:
        wanted = survivors(chosen.again)
        mutants = [mutant for mutant in mutants if mutant.name in wanted]
    judgements: list[Judgement] = []
    with tempfile.TemporaryDirectory(prefix="veilbench-mutation-") as folder:
        judge = Judge(Copied(ROOT, Path(folder)), chosen.budget, chosen.longest)
        preload(Path(folder))
        for mutant in mutants:
            judgements.append(judge.judge(mutant))
            last = judgements[-1]
            print(f"{last.outcome} after {last.seconds:.0f} s: {mutant.name} ({last.reason})", file=sys.stderr)
            if chosen.json:
                save(chosen.json, chosen.seed, judgements)
    print(table(" ".join(chosen.folder), judgements), listed(judgements), sep="\n\n")
    return int(any(judgement.outcome == SURVIVED for judgement in judgements))


if __name__ == "__main__":
    sys.exit(main())
