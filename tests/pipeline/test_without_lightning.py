"""Lightning is imported by trainings and by attacks that train a network, and by nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from veilbench.workflow.listed import read_listed

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
from veilbench.bench.experiment import load, part

for name in sys.argv[1:]:
    config = load(Path("params") / f"{name}.yaml")
    for key in ("trainer", "evaluation", "attack"):
        part(config, key)
        if "pytorch_lightning" in sys.modules:
            sys.exit(f"{name}: {key}")
for kind in ("ciphers.schemes.codebook", "ciphers.schemes.keyed", "autoencoders.schemes.autoencoder",
             "templates.schemes.hashmap", "mail.schemes.filter"):
    __import__(f"veilbench.families.{kind}")
if "pytorch_lightning" in sys.modules:
    sys.exit("trained models")
"""


@pytest.mark.slow
def test_evaluations_attacks_and_trained_models_need_no_lightning() -> None:
    command = [sys.executable, "-c", PROGRAM, *read_listed()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
