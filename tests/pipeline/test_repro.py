"""Several `dvc repro` at once write the same as a single one."""

from __future__ import annotations

import os
import re
import shutil

import pytest

from veilbench.bench.errors import UserError
from veilbench.workflow.repro import AT_A_TIME, STAGES, THREADS, limit_threads, main, portions

from .conftest import Project


def test_portions_hold_every_experiment_once_and_one_data_set_each() -> None:
    experiments = {f"a{i}": "text" for i in range(9)} | {f"b{i}": "digits" for i in range(3)} | {"c": "ratings"}
    made = portions(experiments)
    assert sorted(name for portion in made for name in portion) == sorted(experiments)
    assert all(len({experiments[name] for name in portion}) == 1 for portion in made)
    assert max(map(len, made)) <= AT_A_TIME
    assert [experiments[portion[0]] for portion in made] == ["text", "digits", "ratings", "text", "text"]


@pytest.mark.parametrize("arguments", [["0"], ["-1"], ["two"], ["2", "3"]])
def test_jobs_that_are_no_number_are_refused(arguments: list[str]) -> None:
    with pytest.raises(UserError, match="one whole number, 1 or more"):
        main(arguments)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cores", "jobs", "named", "threads"), [(8, 2, None, "4"), (2, 3, None, "1"), (8, 2, "3", "3")]
)
def test_jobs_share_the_cores_unless_their_threads_are_named(
    cores: int, jobs: int, named: str | None, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(os, "environ", {} if named is None else {THREADS: named})
    limit_threads(jobs)
    assert os.environ == {THREADS: threads}


@pytest.mark.slow
def test_several_at_once_write_what_one_writes(project: Project, reproduced: Project) -> None:
    (project.folder / "dvc.lock").unlink()
    for made in ("results", "prepared", "report", ".dvc/cache"):
        shutil.rmtree(project.folder / made)
    one_each = "import sys, veilbench.workflow.repro as repro; repro.AT_A_TIME = 1; sys.exit(repro.main(['3']))"
    done = project.run("python", "-c", one_each)
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    names = ("plain_table", "other_table", "real_cipher")
    assert {word for word in lines if not re.match(r"\d|.*:$", word)} == {
        "resolve", "prepare@text", "report", "track", *(f"{stage}@{name}" for name in names for stage in STAGES),
    }  # fmt: skip
    assert re.search(r" \d+ s  \d (broken|leaks|holds|inconclusive)", lines["attack@plain_table"])
    assert project.metrics() == reproduced.metrics()
    assert (project.folder / "report" / "index.html").is_file()
    assert project.repro() == set()


@pytest.mark.slow
def test_a_failing_stage_is_told_and_the_others_are_done(project: Project) -> None:
    first = "        rng = np.random.default_rng(seeds)\n        alphabet"
    stop = first.replace(
        "        alphabet",
        '        if type(model).__name__ == "AesCtr":\n            raise SystemExit(5)\n        alphabet',
    )
    project.edit("src/veilbench/families/ciphers/evaluations/fidelity.py", first, stop)
    done = project.run("python", "pipelines/repro.py", "2", ok=False)
    assert done.returncode == 1
    assert "evaluate@real_cipher" in done.stderr
    assert re.search(r"^evaluate@real_cipher +failed$", done.stdout, re.MULTILINE)
    assert project.repro("evaluate@plain_table", "evaluate@other_table") == set()
    assert "evaluate@real_cipher" in project.run("dvc", "status").stdout
