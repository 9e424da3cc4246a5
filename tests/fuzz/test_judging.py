"""Each outcome is planted on purpose, and the fuzz must see it: a check that cannot fail would be none."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import guard
from .case import Case, Odd
from .judge import Outcome, judge, where
from .process import Ended, Limits, forked, fresh
from .runner import Done, Place, Tally, Worker
from .world import BENCH

pytestmark = pytest.mark.skipif(not guard.available(), reason="this kernel has no Landlock")
REFUSE = "print('error: no', file=sys.stderr); sys.exit(2)"
BEGIN = "from veilbench.bench import stages\ntry: stages.run_all({}, Path('x'))\nexcept Exception: pass\n"
PLANTED = {
    "finishes": ("print('done')", Outcome.FINISHED),
    "writes what it may": ("Path('outputs').mkdir(); Path('outputs/a').write_text('a')", Outcome.FINISHED),
    "refuses": (REFUSE, Outcome.REFUSED),
    "refuses after it began": (f"{BEGIN}{REFUSE}", Outcome.REFUSED_LATE),
    "usage": ("print('usage: fake', file=sys.stderr); sys.exit(2)", Outcome.USAGE),
    "two error lines": (f"print('error: yes', file=sys.stderr); {REFUSE}", Outcome.UNTIDY),
    "a warning beside the error": (f"print('careful', file=sys.stderr); {REFUSE}", Outcome.UNTIDY),
    "refuses without a word": ("sys.exit(2)", Outcome.UNTIDY),
    "fails without a word": ("sys.exit(1)", Outcome.UNTIDY),
    "leaves a folder": (f"Path('outputs').mkdir(); {REFUSE}", Outcome.UNTIDY),
    "leaves a half-written folder": ("Path('.outputs.partial-1').mkdir()", Outcome.UNTIDY),
    "deletes and refuses": (f"Path('letter.txt').unlink(); {REFUSE}", Outcome.LOST),
    "changes a file and finishes": ("Path('letter.txt').write_text('x')", Outcome.LOST),
    "changes what it may and refuses": (f"Path('store').write_text('x'); {REFUSE}", Outcome.LOST),
    "deletes a neighbour": ("Path('../neighbour.txt').unlink()", Outcome.LOST),
    "deletes the bench": ("shutil.rmtree('.')", Outcome.LOST),
    "deletes and crashes": ("Path('store').unlink(); 1 / 0", Outcome.LOST),
    "traceback": ("1 / 0", Outcome.TRACEBACK),
    "crashes after it began": (f"{BEGIN}1 / 0", Outcome.CRASHED),
    "segmentation fault": ("os.kill(os.getpid(), 11)", Outcome.CRASHED),
    "too much memory": ("bytearray(1 << 40)", Outcome.TRACEBACK),
    "sleeps": ("time.sleep(60)", Outcome.HUNG),
    "never ends": ("while True: pass", Outcome.HUNG),
    "goes on for long": (f"{BEGIN}while True: pass", Outcome.STOPPED),
    "injected": ("os.system('touch CANARY')", Outcome.CANARY),
    "injected and refuses": (f"Path('CANARY').mkdir(); {REFUSE}", Outcome.CANARY),
}
LIMITS = Limits(cpu=2, wall=8.0)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    """A world of four files and a script for each planted outcome."""
    place = Place(tmp_path, LIMITS)
    bench = place.template / BENCH
    (bench / "pipelines").mkdir(parents=True)
    for name in ("letter.txt", "store", "../neighbour.txt", "../../outer.txt"):
        (bench / name).write_text("mine")
    for number, (code, _) in enumerate(PLANTED.values()):
        text = f"import os, shutil, sys, time\nfrom pathlib import Path\n{code}\n"
        (bench / "pipelines" / f"fake_{number}.py").write_text(text)
    return Worker(place, 0)


def case(name: str) -> Case:
    number = list(PLANTED).index(name)
    return Case((f"pipelines/fake_{number}.py",), writes=("outputs", "outputs/*", "store"))


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_seen_and_the_world_put_back(worker: Worker, name: str) -> None:
    judgement, ended = worker.run(case(name))
    assert judgement.outcome == PLANTED[name][1], (judgement, ended)
    assert worker.world.snapshot() == worker.world.whole
    assert worker.run(case("finishes"))[0].outcome == Outcome.FINISHED


@pytest.mark.parametrize("name", ["finishes", "refuses", "traceback", "too much memory", "never ends", "injected"])
def test_a_new_interpreter_says_the_same(worker: Worker, name: str) -> None:
    judgement, _ = worker.run_both(case(name))
    assert judgement.outcome == PLANTED[name][1]


def test_two_ways_of_running_that_differ_are_said(worker: Worker) -> None:
    (worker.world.bench / "pipelines" / "fake_0.py").write_text(
        "import sys\nif 'pytest' not in sys.modules: print('error: x', file=sys.stderr); sys.exit(2)\n"
    )
    worker.world.whole = worker.world.snapshot()
    (worker.world.template / BENCH / "pipelines" / "fake_0.py").write_bytes(
        (worker.world.bench / "pipelines" / "fake_0.py").read_bytes()
    )
    assert worker.run_both(Case(("pipelines/fake_0.py",)))[0].outcome == Outcome.DIFFERS


@pytest.mark.parametrize("way", [forked, fresh])
def test_nothing_outside_is_within_reach(worker: Worker, tmp_path: Path, way: object) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.txt"
    outside.write_text("precious")
    script = worker.world.bench / "pipelines" / "reach.py"
    for code in ("unlink()", "write_text('x')", "rename('mine.txt')", "with_suffix('.new').mkdir()"):
        script.write_text(f"from pathlib import Path\nPath({str(outside)!r}).{code}\n")
        ended = way(["pipelines/reach.py"], worker.world.bench, tmp_path / "scratch", LIMITS, [worker.folder])  # type: ignore[operator]
        assert "PermissionError" in ended.err or "Invalid cross-device link" in ended.err
    assert outside.read_text() == "precious"
    assert not outside.with_suffix(".new").exists()


def test_files_of_an_input_are_put_there_and_taken_away(worker: Worker) -> None:
    files = {"letter.txt": Odd.FOLDER, "store": Odd.GONE, "new/deep.txt": b"x", "../neighbour.txt": Odd.DANGLING}
    worker.world.put(files)
    bench = worker.world.bench
    assert (bench / "letter.txt").is_dir()
    assert not (bench / "store").exists()
    assert (bench / "new" / "deep.txt").read_bytes() == b"x"
    assert (bench / "../neighbour.txt").is_symlink()
    worker.world.restore()
    assert worker.world.snapshot() == worker.world.whole
    assert (bench / "letter.txt").read_text() == "mine"


def test_a_change_that_keeps_size_and_time_is_seen(worker: Worker) -> None:
    import os

    letter = worker.world.bench / "letter.txt"
    before = letter.stat()
    letter.write_text("mime")
    os.utime(letter, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert worker.world.snapshot() != worker.world.whole


def test_the_place_of_a_failure_is_the_innermost_of_ours() -> None:
    text = """warning
Traceback (most recent call last):
  File "/somewhere/src/veilbench/families/autoencoders/data/rows.py", line 7, in load
    x
  File "/usr/lib/python3/json/decoder.py", line 355, in raw_decode
    y
json.decoder.JSONDecodeError: Expecting value
WHERE x
Error: not this
"""
    assert where(text) == "json.decoder.JSONDecodeError at veilbench/families/autoencoders/data/rows.py load"


@pytest.mark.parametrize(
    ("script", "err", "outcome"),
    [
        ("track", "tracking: a is damaged\ntracking: b is damaged\n", Outcome.IN_PART),
        ("track", "error: there is no a\n", Outcome.LOST),
        ("track", "tracking: a is damaged\ncareful\n", Outcome.UNTIDY),
        ("report", "tracking: a is damaged\n", Outcome.LOST),
    ],
)
def test_track_names_records_and_publishes_the_others(script: str, err: str, outcome: Outcome) -> None:
    before, after = {"store": "earlier"}, {"store": "later"}
    case = Case((f"pipelines/{script}.py",), writes=("store",))
    assert judge(case, Ended(2, "", err), before, after).outcome == outcome


def test_failures_of_one_kind_are_one_line_of_the_list_and_all_are_counted() -> None:
    tally = Tally()
    ended = Ended(1, "", 'Traceback (most recent call last):\n  File "/a/veilbench/x.py", line 3, in f\nKeyError: 3')
    for index in range(3):
        tally.add(Done("models", index, judge(Case(("x",)), ended, {}, {}), ended))
    tally.add(Done("models", 3, judge(Case(("x",)), Ended(0, "", ""), {}, {}), Ended(0, "", "")))
    assert tally.table().splitlines()[-1] == "| all | 4 | 1 | 3 |"
    assert tally.listed(7).splitlines() == [
        "    3 x traceback: KeyError at veilbench/x.py f",
        "        python -m tests.fuzz --seed 7 --only models:0",
    ]
