"""The kinds of inputs: what makes one from a random generator, and its share of a run."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..case import Case
from ..template import Bench
from . import commands, data_files, experiments, models, overrides, prepared, records, stores

Make = Callable[[random.Random, Bench], Case]
KINDS: dict[str, tuple[Make, int]] = {
    "overrides": (overrides.make, 28),
    "experiments": (experiments.make, 16),
    "commands": (commands.make, 14),
    "models": (models.make, 10),
    "prepared": (prepared.make, 8),
    "records": (records.make, 10),
    "stores": (stores.make, 4),
    "data_files": (data_files.make, 10),
}


def case_of(kind: str, seed: int, index: int, bench: Bench) -> Case:
    """The input of a kind, a seed and an index: always the same one."""
    return KINDS[kind][0](random.Random(f"{kind}:{seed}:{index}"), bench)


def shares(inputs: int, kinds: list[str]) -> list[tuple[str, int]]:
    """Kind and index of every input of a run, mixed; kinds in proportion to their shares."""
    whole = sum(KINDS[kind][1] for kind in kinds)
    counts = {kind: max(1, round(inputs * KINDS[kind][1] / whole)) for kind in kinds}
    chosen = [(index / counts[kind], kind, index) for kind in kinds for index in range(counts[kind])]
    return [(kind, index) for _, kind, index in sorted(chosen)]
