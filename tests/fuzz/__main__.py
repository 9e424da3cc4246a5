"""`python -m tests.fuzz`: many inputs, or one again with its traceback."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import pkgutil
import signal
import sys
import tempfile
from pathlib import Path

from . import guard
from .kinds import KINDS, case_of, shares
from .process import Limits
from .runner import Place, Tally, Worker, run_all, show

HEAVY = ("torch", "pytorch_lightning", "mlflow.tracking", "sklearn.datasets", "skimage", "PIL.Image", "pyarrow.parquet")


def arguments() -> argparse.Namespace:
    """What the user asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"of {', '.join(KINDS)}; between commas")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--cpu", type=int, default=10, help="seconds of processor time that one input may take")
    parser.add_argument(
        "--both-every", type=int, default=0, help="each so many, one input in a new interpreter as well"
    )
    parser.add_argument("--only", metavar="KIND:INDEX", help="run this one input, or several, and show all of it")
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    chosen = parser.parse_args()
    if unknown := [kind for kind in chosen.kinds.split(",") if kind not in KINDS]:
        parser.error(f"--kinds {unknown[0]}: there are {', '.join(KINDS)}")
    return chosen


def preload(cache: Path) -> None:
    """Import everything that a command may need, so that a fork of this process need not."""
    cache.mkdir()
    os.environ |= {"NUMBA_CACHE_DIR": str(cache / "numba"), "MPLCONFIGDIR": str(cache), "OMP_NUM_THREADS": "1"}
    for name in HEAVY:
        importlib.import_module(name)
    import veilbench

    for module in pkgutil.walk_packages(veilbench.__path__, "veilbench."):
        if "flower" not in module.name:
            importlib.import_module(module.name)
    from veilbench.workflow import compose, report, search, sweep, track

    assert all((report, search, sweep, track))
    compose.plain(compose.composed(["experiment=plaintext"]))
    gc.freeze()  # a collection in a child would copy every page


def main() -> int:
    """The exit code: 0 where nothing failed."""
    chosen = arguments()
    if not guard.available():
        sys.exit(
            "the fuzz needs Landlock (Linux 6.2 or later), which keeps hostile inputs from the files of this machine"
        )
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # so that the folder is taken away
    with tempfile.TemporaryDirectory(prefix="veilbench-fuzz-") as folder:
        place = Place(Path(folder), Limits(chosen.cpu, 6.0 * chosen.cpu))
        preload(place.root / "cache")
        place.make_template()
        if chosen.only:
            return again(place, chosen.only, chosen.seed)
        return many(place, chosen)


def again(place: Place, only: str, seed: int) -> int:
    """Run some inputs and show them."""
    worker, failed = Worker(place, 0), 0
    for name in only.split(","):
        kind, _, index = name.partition(":")
        case = case_of(kind, seed, int(index), worker.bench)
        judgement, ended = worker.run(case)
        show(case, judgement, ended)
        failed |= judgement.failed
    return failed


def many(place: Place, chosen: argparse.Namespace) -> int:
    """Run inputs and print what came of them."""
    tally = Tally()
    inputs = shares(chosen.inputs, chosen.kinds.split(","))
    for done in run_all(place, inputs, chosen.seed, chosen.jobs, chosen.both_every):
        if tally.add(done):
            print(f"{done.kind}:{done.index} {done.judgement.outcome}: {done.judgement.reason}", file=sys.stderr)
        if tally.total % 100 == 0:
            print(f"{tally.total} of {len(inputs)}, {len(tally.failures)} distinct failures", file=sys.stderr)
    print(tally.table(), tally.listed(chosen.seed), sep="\n\n")
    if chosen.json:
        tally.save(chosen.json, chosen.seed)
    return int(bool(tally.failures))


if __name__ == "__main__":
    sys.exit(main())
