"""The templates for files of one's own, each with a small file: what is prepared comes from it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.bench.experiment import build
from veilbench.workflow.compose import composed, plain

TEXTS = [(f"meeting number {n}", "ham") for n in range(30)] + [(f"win prize {n}", "spam") for n in range(30)]


def load(name: str, folder: Path, *overrides: str) -> Any:
    """Prepare and load a data set of conf/, with a model and a training that fit it."""
    kind = {"text_file": "plaintext", "mail": "logistic_filter"}.get(name if name == "text_file" else name[:4], "pca")
    choices = [f"data={name}", f"model={kind}", "training=none", *overrides]
    data = build(plain(composed(choices))["data"])
    folder.mkdir()
    data.prepare(folder)
    return data.load(folder)


@pytest.mark.parametrize("name", ["mail_folder", "mail_csv"])
def test_mails_of_a_folder_and_of_a_csv(name: str, tmp_path: Path) -> None:
    path = tmp_path / ("mails" if name == "mail_folder" else "mails.csv")
    if name == "mail_folder":
        for place, (text, label) in enumerate(TEXTS):
            (path / label).mkdir(parents=True, exist_ok=True)
            (path / label / f"{place}.eml").write_text(f"Subject: {text}\n\n{text}\n")
    else:
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *TEXTS])
    mails = load(name, tmp_path / "prepared", f"data.source.path={path}", "data.clients.count=2")
    labels = np.concatenate([getattr(mails, part).labels for part in ("train", "validation", "auxiliary", "test")])
    assert np.bincount(labels).tolist() == [30, 30]
    assert {"meeting", "prize"} <= set(mails.lexicon)


def test_a_table_with_columns_of_different_units_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(0, 1000, 60), rng.normal(0, 1, 60)])
    (tmp_path / "t.csv").write_text("income,age\n" + "\n".join(f"{a},{b}" for a, b in rows))
    path = f"data.source.path={tmp_path / 't.csv'}"
    mixed = load("table", tmp_path / "mixed", path, "data.scale=none", "model.code=1")
    assert any(note.startswith("columns of different units: income alone makes up 100.0%") for note in mixed.notes)
    scaled = load("table", tmp_path / "scaled", path, "model.code=1")
    assert not any("different units" in note for note in scaled.notes)


def test_an_npz_and_a_text(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.random.default_rng(0).random((40, 3)), y=np.arange(40) % 2)
    assert load("npz", tmp_path / "rows", f"data.source.path={tmp_path / 'a.npz'}").shape == (3,)
    (tmp_path / "t.txt").write_text("\n\n".join(f"paragraph {n}" for n in range(40)))
    assert len(load("text_file", tmp_path / "texts", f"data.path={tmp_path / 't.txt'}").target) > 100
