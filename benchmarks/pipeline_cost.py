"""Measure the overhead of a stage: starting Python and imports, as a share of the whole stage.

Usage: python benchmarks/pipeline_cost.py [EXPERIMENT ...], in a project where `dvc repro` has run.
Each stage's script is run again; the seconds that it records itself are subtracted from its total time. The unit is the
time that the same Python needs to start and import torch, measured in the same run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path


def seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return time.perf_counter() - started


def main(experiments: list[str]) -> None:
    seconds("-c", "import torch")  # fills the disk cache
    unit = seconds("-c", "import torch")
    print("experiment        stage      beyond its computing / importing torch   share of the stage")
    for name in experiments:
        for stage in ("train", "evaluate", "attack"):
            whole = seconds(f"pipelines/{stage}.py", name)
            cost = json.loads(Path(f"results/{name}/{stage}/cost.json").read_text())
            own = sum(part.get("seconds", 0.0) for part in cost.values())
            print(f"{name:17} {stage:10} {(whole - own) / unit:38.2f} {(whole - own) / whole:20.0%}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["aes_gcm", "cipher_small"])
