"""A short run of the fuzz on the program as it is; `python -m tests.fuzz` makes long ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import guard
from .kinds import KINDS, shares
from .template import ROOT


@pytest.mark.slow
@pytest.mark.skipif(not guard.available(), reason="this kernel has no Landlock")
def test_forty_hostile_inputs(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--inputs", "40", "--seed", "0"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": paths, "TMPDIR": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"


def test_every_kind_has_its_share_and_no_input_comes_twice() -> None:
    chosen = shares(1000, list(KINDS))
    assert len(set(chosen)) == len(chosen) == 1000
    assert {kind for kind, _ in chosen[:40]} == set(KINDS)
    assert sum(kind == "overrides" for kind, _ in chosen) == 280
