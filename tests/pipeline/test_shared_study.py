"""Several processes and one study: its trials are run once, killed ones again, with the settings of a serial search.

VEILBENCH_TEST_STORAGE names the address of an empty database on a server, for the test that kills.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.tracking.presence import Publisher
from veilbench.workflow.shared_study import SIGN, SLOT, WORKER, SharedStudy
from veilbench.workflow.study import open_storage, open_study

from .search_slowly import search, value_of

TRIALS = 8
ADDRESSES = ["sqlite:///{}/study.db", "{}/study.journal"]


def start(storage: str, seconds: float = 0.3) -> subprocess.Popen[str]:
    script = str(Path(__file__).with_name("search_slowly.py"))
    words = [sys.executable, script, storage, f"{TRIALS}", f"{seconds}"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def opened(storage: str, trials: int = TRIALS, **changed: Any) -> SharedStudy:
    shared = SharedStudy(open_study("s", search(trials), storage, {}), replace(search(trials), **changed), pause=0.02)
    shared.queue_missing()
    return shared


def found(study: optuna.Study) -> dict[int, tuple[Any, float | None]]:
    """Return settings and value of each slot's finished trial."""
    done = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len({trial.user_attrs[SLOT] for trial in done}) == len(done)
    return {trial.user_attrs[SLOT]: (trial.params, trial.value) for trial in done}


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Any, float | None]]:
    shared = opened(f"{tmp_path_factory.mktemp('serial')}/one.journal")
    shared.optimize(value_of)
    assert len(shared.study.trials) == TRIALS
    return found(shared.study)


def test_more_trials_do_not_change_the_first_ones(tmp_path: Path, serial: Any) -> None:
    shared = opened(f"{tmp_path}/one.journal", 3)
    shared.optimize(value_of)
    assert found(shared.study) == {slot: serial[slot] for slot in range(3)}
    assert len({str(params) for params, _ in serial.values()}) == TRIALS


@pytest.mark.slow
@pytest.mark.parametrize("address", ADDRESSES)
def test_two_processes_share_the_trials(tmp_path: Path, serial: Any, address: str) -> None:
    storage = address.format(tmp_path)
    opened(storage)
    both = [start(storage), start(storage)]
    said = [process.communicate(timeout=600)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    ran = [number for numbers in said for number in numbers]
    assert max(Counter(ran).values()) == 1
    assert len(ran) == TRIALS
    assert found(opened(storage).study) == serial


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("address", [*ADDRESSES, *filter(None, [os.environ.get("VEILBENCH_TEST_STORAGE")])])
def test_a_killed_process_costs_one_trial(tmp_path: Path, serial: Any, address: str) -> None:
    storage = address.format(tmp_path)
    opened(storage)
    dead, alive = start(storage, 600.0), start(storage)
    assert dead.stdout
    killed = int(dead.stdout.readline())
    dead.kill()
    dead.communicate()
    assert alive.wait(600) == 0
    alive.communicate()
    study = opened(storage).study
    assert found(study) == serial
    assert [trial.number for trial in study.trials if trial.state.name == "FAIL"] == [killed]


def test_a_trial_of_another_machine_is_repeated_when_its_lease_ends(tmp_path: Path) -> None:
    shared = opened(f"{tmp_path}/one.journal", 1, lease=1 / 60)
    shared.me = replace(Publisher.here(), home="other host")
    cut = shared.take()
    assert cut
    params = value_of(cut), cut.params
    here = opened(f"{tmp_path}/one.journal", 1, lease=1 / 60)
    began = time.monotonic()
    here.optimize(value_of)
    assert time.monotonic() - began > 1
    assert [trial.state.name for trial in here.study.trials] == ["FAIL", "COMPLETE"]
    assert (here.study.best_value, here.study.best_params) == params


@pytest.mark.slow
def test_a_long_trial_of_another_machine_is_not_repeated(tmp_path: Path) -> None:
    shared = opened(f"{tmp_path}/one.journal", 1, lease=2 / 60)
    shared.me = replace(Publisher.here(), home="other host")
    here = opened(f"{tmp_path}/one.journal", 1, lease=2 / 60)

    def run(trial: optuna.Trial) -> float:
        ends = time.monotonic() + 5
        while time.monotonic() < ends:
            here.queue_dead()
            time.sleep(0.1)
        return 1.0

    shared.optimize(run)
    (trial,) = here.study.trials
    assert trial.state.name == "COMPLETE"
    assert trial.user_attrs[SIGN] > 1
    assert trial.user_attrs[WORKER].startswith("other host")


def test_the_result_of_a_process_that_was_taken_for_dead_is_dropped(tmp_path: Path) -> None:
    shared = opened(f"{tmp_path}/one.journal", 1)

    def run(trial: optuna.Trial) -> float:
        if trial.number == 0:
            shared.study.tell(0, state=optuna.trial.TrialState.FAIL)
            shared.study.enqueue_trial({}, {SLOT: 0})
        return float(trial.number)

    shared.optimize(run)
    assert [trial.value for trial in shared.study.trials] == [None, 1.0]


def test_a_slot_that_two_processes_queued_is_run_once(tmp_path: Path, serial: Any) -> None:
    shared = opened(f"{tmp_path}/one.journal")
    for slot in range(TRIALS):
        shared.study.enqueue_trial({}, {SLOT: slot})
    shared.optimize(value_of)
    assert found(shared.study) == serial


def test_a_failed_trial_ends_the_search_and_is_tried_again_by_the_next_one(tmp_path: Path, serial: Any) -> None:
    def fail(trial: optuna.Trial) -> float:
        raise KeyError("wrong")

    with pytest.raises(KeyError):
        opened(f"{tmp_path}/one.journal").optimize(fail)
    shared = opened(f"{tmp_path}/one.journal")
    shared.optimize(value_of)
    assert found(shared.study) == serial


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("redis://me:pa55word@h", r"storage=redis://me:\*\*\*@h is not allowed; allowed: sqlite:///FILE"),
        ("study.db", "is not allowed"),
        ("sqlite:////nowhere/study.db", "cannot be opened"),
        ("postgresql+missing://me:pa55word@h/d", "cannot be opened"),
    ],
)
def test_a_wrong_storage_is_one_line(address: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        open_storage(address)
    assert "pa55word" not in str(error.value)
    assert "\n" not in str(error.value)
