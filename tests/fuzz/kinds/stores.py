"""Tracking stores and DVC's files that are damaged, deleted, or something else altogether."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from pathlib import Path

from ..case import Case, Edit, Odd
from ..mutate import of_bytes, of_yaml
from ..template import Bench
from .commands import writes_of
from .words import SWEEP, TRACKING

STATEMENTS = (
    "UPDATE experiments SET lifecycle_stage = 'deleted'", "DELETE FROM experiments", "DELETE FROM runs",
    "DROP TABLE runs", "DROP TABLE metrics", "DROP TABLE experiments", "UPDATE runs SET lifecycle_stage = 'deleted'",
    "UPDATE runs SET status = 'RUNNING'", "DELETE FROM tags", "UPDATE alembic_version SET version_num = 'nope'",
    "DELETE FROM alembic_version", "UPDATE tags SET value = ''", "DROP TABLE alembic_version",
    "UPDATE experiments SET name = 'other' WHERE name = 'veilbench'",
    "UPDATE experiments SET artifact_location = '/nonesuch/x'", "DELETE FROM params", "DROP TABLE tags",
    "UPDATE runs SET artifact_uri = 'file:///nonesuch'", "DELETE FROM runs WHERE rowid % 2",
    "UPDATE tags SET value = 'x' WHERE rowid % 3",
)  # fmt: skip
OTHER = (b"", b"not a database", b"SQLite format 3\0", b"\0" * 5000, b"{}")


def make(rng: random.Random, bench: Bench) -> Case:
    """The store or a file of DVC's changed, then what reads it."""
    if rng.random() < 0.4:
        return _pipeline(rng, bench)
    content = bench.read("mlflow.db")
    way = rng.random()
    edit: Edit
    if way < 0.1:
        edit = rng.choice(list(Odd))
    elif way < 0.45:
        edit = _changed(content, rng.choice(STATEMENTS))
    elif way < 0.6:
        edit = rng.choice(OTHER)
    else:
        edit = of_bytes(rng, content)
    files: dict[str, Edit] = {"mlflow.db": edit}
    if rng.random() < 0.15:
        files["mlartifacts"] = rng.choice((Odd.GONE, b"a file"))
    if rng.random() < 0.3:
        return Case(("pipelines/sweep.py", "experiment=tiny_table", "seed=9"), files, SWEEP)
    words = rng.choice(((), ("outputs/mine/earlier",)))
    return Case(("pipelines/track.py", *words), files, TRACKING)


def _changed(content: bytes, statement: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        path.write_bytes(content)
        store = sqlite3.connect(path)
        store.execute("PRAGMA journal_mode = DELETE")
        store.execute(statement)
        store.commit()
        store.close()
        return path.read_bytes()


def _pipeline(rng: random.Random, bench: Bench) -> Case:
    script = rng.choice(("report", "report", "resolve", "repro"))
    file = "conf/pipeline.yaml" if script == "resolve" else "params/stages/pipeline.yaml"
    edit: Edit = rng.choice(list(Odd)) if rng.random() < 0.1 else of_yaml(rng, bench.read(file))
    words = ("0",) if script == "repro" else ()
    return Case((f"pipelines/{script}.py", *words), {file: edit}, writes_of(script))
