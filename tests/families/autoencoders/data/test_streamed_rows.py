"""A table that is read in batches becomes the rows that it becomes in memory, and is never in memory as a whole."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from veilbench.bench import stages
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.baselines.mahalanobis import Mahalanobis
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.data import rows as rows_module
from veilbench.families.autoencoders.data.loaders import table_file
from veilbench.families.autoencoders.data.loaders.sklearn_set import SklearnSet
from veilbench.families.autoencoders.data.loaders.table_file import TableFile
from veilbench.families.autoencoders.data.rows import PARTS, Rows, RowsData
from veilbench.families.autoencoders.data.streamed_rows import hash_rows
from veilbench.families.autoencoders.evaluations.anomaly import Anomaly
from veilbench.families.autoencoders.schemes import base
from veilbench.training.none import NoTraining
from veilbench.workflow.compose import composed, plain


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "AT_ONCE", 100)


def made(n: int = 1_000) -> pd.DataFrame:
    """Numbers, whole numbers, truth values, texts, repeated rows, one of them with another label, missing values."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"c{i}": rng.normal(10 * i, 1 + i, n) for i in range(3)}
    columns["amount"] = 5_000_000 + rng.normal(0, 2, n).round(2)
    columns |= {"count": rng.integers(0, 9, n), "kind": rng.choice(["x", " y", "z"], n), "paid": rng.random(n) < 0.5}
    columns["label"] = np.where(rng.random(n) < 0.2, "bad", "ok")
    frame = pd.concat([pd.DataFrame(columns), pd.DataFrame(columns).iloc[:50]], ignore_index=True)
    frame.loc[n + 5, "label"] = "bad" if frame.loc[5, "label"] == "ok" else "ok"
    frame.loc[7, "c1"] = frame.loc[9, "kind"] = None
    return frame


def prepare(frame: pd.DataFrame, folder: Path, streamed: bool, **settings: Any) -> Rows:
    path, place = folder / "table.parquet", folder / ("streamed" if streamed else "whole")
    frame.to_parquet(path, row_group_size=130, index=False)
    place.mkdir()
    source = TableFile(str(path), **{"label": "label", "missing": "drop", **settings.pop("source", {})})
    data = RowsData(source, streamed=streamed, **settings)
    data.prepare(place)
    return data.load(place)


def refusal(frame: pd.DataFrame, folder: Path, **source: Any) -> str:
    with pytest.raises(UserError) as refused:
        prepare(frame, folder, True, source=source)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"scale": "minmax"},
        {"scale": "minmax", "normal": ["ok"]},
        {"scale": "minmax", "normal": ["ok"], "contamination": 0.05, "most_rows": 700, "seed": 4},
        {"scale": "minmax", "source": {"label": None}},
    ],
)
def test_the_rows_are_those_of_the_table_in_memory(settings: dict[str, Any], tmp_path: Path) -> None:
    whole, streamed = (prepare(made(), tmp_path, way, **settings) for way in (False, True))
    for name in PARTS:
        assert np.array_equal(getattr(streamed, name).x, getattr(whole, name).x)
        assert np.array_equal(getattr(streamed, name).y, getattr(whole, name).y)
    assert (streamed.features, streamed.labels) == (whole.features, whole.labels)
    assert [note for note in whole.notes if "whitespace" not in note] == streamed.notes
    assert (whole.on_disk, streamed.on_disk) == (False, True)


def test_mean_and_variance_are_those_of_the_training_rows(tmp_path: Path) -> None:
    whole, streamed = (prepare(made(), tmp_path, way, scale="standard") for way in (False, True))
    for name in PARTS:
        assert np.allclose(getattr(streamed, name).x, getattr(whole, name).x, rtol=1e-6, atol=1e-6)
    source = TableFile("table.parquet")
    inputs = [RowsData(source).describe_inputs(tmp_path / name) for name in ("whole", "streamed")]
    for key in ("shift", "width"):
        assert np.allclose(inputs[0][key], inputs[1][key], rtol=1e-12, atol=0)


def test_numbers_that_float32_cannot_tell_apart_are_refused_as_in_memory(tmp_path: Path) -> None:
    said = []
    for way in (False, True):
        with pytest.raises(UserError) as refused:
            prepare(made().dropna(), tmp_path, way, scale="none")
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert "column amount lies in" in said[0]


def test_rows_that_rounding_makes_equal_are_dropped_as_in_memory(tmp_path: Path) -> None:
    values = np.repeat(np.random.default_rng(0).random(200), 2) + np.tile([0, 1e-12], 200)
    frame = pd.DataFrame({"a": values, "b": 1.0, "label": "ok"})
    whole, streamed = (prepare(frame, tmp_path, way, scale="none") for way in (False, True))
    assert any(note.startswith("rounded to float32") for note in streamed.notes)
    assert streamed.notes == whole.notes
    assert all(np.array_equal(getattr(streamed, name).x, getattr(whole, name).x) for name in PARTS)


def test_classes_as_whole_numbers(tmp_path: Path) -> None:
    frame = made().dropna()
    frame["label"] = np.random.default_rng(1).choice([3, 10, 2], len(frame))
    whole, streamed = (prepare(frame, tmp_path, way, scale="minmax") for way in (False, True))
    assert streamed.labels == whole.labels == ["2", "3", "10"]
    assert np.array_equal(streamed.test.y, whole.test.y)


@pytest.mark.slow
def test_a_table_is_never_in_memory_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "AT_ONCE", 1_000)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{i}": rng.normal(size=40_000) for i in range(60)})
    size = frame.to_numpy().nbytes
    peaks = {}
    prepare(made(), tmp_path, True, scale="standard")  # what is imported first does not count
    for way in (True, False):
        folder = tmp_path / f"measured_{way}"
        folder.mkdir()
        frame.to_parquet(folder / "table.parquet", row_group_size=5_000)
        data = RowsData(TableFile(str(folder / "table.parquet")), scale="standard", streamed=way)
        tracemalloc.start()
        data.prepare(folder)
        rows = data.load(folder)
        peaks[way] = tracemalloc.get_traced_memory()[1] / size
        tracemalloc.stop()
        assert float(rows.train.x.mean()) == pytest.approx(0, abs=1e-3)
    assert peaks[True] < 0.3
    assert peaks[False] > 1


def test_changing_loaded_rows_changes_no_file(tmp_path: Path) -> None:
    rows = prepare(made(), tmp_path, True, scale="minmax")
    before = (tmp_path / "streamed" / "train_x.npy").read_bytes()
    rows.train.x[:] = 7
    assert (tmp_path / "streamed" / "train_x.npy").read_bytes() == before


def test_what_needs_all_rows_gets_a_sample_of_those_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "MOST_GATHERED", 200)
    whole, streamed = (prepare(made(), tmp_path, way, scale="standard", normal=["ok"]) for way in (False, True))
    assert whole.gathered() is whole
    sample = streamed.gathered()
    assert [len(getattr(sample, name)) for name in PARTS] == [200, 80, 159, 200]
    positions = [np.flatnonzero((streamed.test.x == row).all(1))[0] for row in sample.test.x]
    assert positions[0] == 0
    assert positions[-1] == len(streamed.test) - 1
    assert set(np.diff(positions)) <= {1, 2}
    assert np.array_equal(streamed.test.y[positions], sample.test.y)
    assert streamed.notes[-1].endswith("such as PCA or kNN, gets 200 of the 398 training rows")
    trained, _ = NoTraining().fit(Pca(2), streamed, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
    expected = Pca(2).fit(replace(whole, train=sample.train), np.random.default_rng(np.random.SeedSequence(0)))
    assert np.allclose(trained.arrays()["mean"], expected.arrays()["mean"], atol=1e-6)


def test_anomalies_are_measured_on_all_rows_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for way in (False, True):
        rows = prepare(made(), tmp_path, way, scale="standard", normal=["ok"])
        detector = Mahalanobis().fit(rows, np.random.default_rng(0))
        found.append(Anomaly().examine(detector, rows, Accelerator("cpu"), np.random.SeedSequence(0)).metrics)
        monkeypatch.setattr(base, "AT_ONCE", 90)
    for name in ("auroc", "average_precision", "false_alarms", "detected", "norm_correlation"):
        assert found[1][name].value == pytest.approx(found[0][name].value, abs=1e-9)


def test_stages_give_rows_on_disk_to_what_reads_them_in_parts_and_a_sample_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "MOST_GATHERED", 100)
    made().to_parquet(tmp_path / "table.parquet", index=False)
    table = [f"data.source.path={tmp_path / 'table.parquet'}", "data.source.label=label", "data.source.missing=drop"]
    words = ["data=parquet", *table, "data.normal=[ok]", "model=pca", "model.code=2", "training=none", "tracking=none"]
    short = ["attack=[inversion]", "attack.inversion.attackers=[linear]"]
    config = plain(composed([*words, "evaluation=[anomaly, reconstruction]", *short]))
    prepared, trained = tmp_path / "prepared", tmp_path / "train"
    stages.prepare(config, prepared)
    stages.train(config, prepared, trained)
    stages.evaluate(config, prepared, trained, tmp_path / "evaluate")
    stages.attack(config, prepared, trained, tmp_path / "attack", tmp_path / "controls")
    attacked = json.loads((tmp_path / "attack" / "findings.json").read_text())["inversion"]
    assert 0 < attacked["gain"]["n"] <= 100
    assert {control["kind"] for control in attacked["controls"]} == {"positive", "negative"}
    found = json.loads((tmp_path / "evaluate" / "findings.json").read_text())
    counts = {f"{key}.{name}": one["n"] for key in found for name, one in found[key]["metrics"].items()}
    rows = RowsData(TableFile("table.parquet"), streamed=True).load(prepared)
    assert counts["anomaly.auroc"] == len(rows.test) > 100
    assert counts["reconstruction.mse"] + counts["reconstruction.mse_anomalies"] == 100
    assert rows.notes[-1].endswith(f"gets 100 of the {len(rows.train)} training rows")
    expected = Pca(2).fit(rows.gathered(), np.random.default_rng(0)).arrays()["mean"]
    assert np.allclose(load_trained_model(trained).arrays()["mean"], expected)


def test_hashes_tell_rows_apart() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, (100_000, 20)).astype(np.float64)
    assert len(np.unique(hash_rows(rows))) == len(np.unique(rows, axis=0))
    assert np.array_equal(hash_rows(rows), hash_rows(rows.copy()))
    assert len({*hash_rows(np.array([[0.0, 1], [1, 0], [0, 0]]))}) == 3


def test_a_source_that_holds_all_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="streamed=True needs a source that reads in batches, such as TableFile; Sk"):
        RowsData(SklearnSet("wine"), streamed=True)


def test_what_cannot_be_streamed_is_refused(tmp_path: Path) -> None:
    frame = made()
    assert "data.source.missing=median needs all rows at once" in refusal(frame, tmp_path, missing="median")
    (tmp_path / "streamed").rmdir()
    assert "2 values are missing, in 2 of 1,050 rows, first in column c1" in refusal(frame, tmp_path, missing="error")
    (tmp_path / "streamed").rmdir()
    assert "has no column outcome; there are: c0" in refusal(frame, tmp_path, label="outcome")
    (tmp_path / "streamed").rmdir()
    assert "holds 3 different texts such as" in refusal(frame, tmp_path, one_hot_most=2)
    (tmp_path / "streamed").rmdir()
    numbers = frame.assign(kind=frame["count"].astype(str))
    said = refusal(numbers, tmp_path)
    assert "column kind holds texts that are all numbers, such as" in said
    (tmp_path / "streamed").rmdir()
    assert "data.source.texts=count: " in refusal(frame, tmp_path, texts=["count"])
    (tmp_path / "streamed").rmdir()
    frame.loc[777, "c2"] = np.inf
    assert "the first is inf in row 775, column c2" in refusal(frame, tmp_path)  # without two rows
    frame.to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(UserError, match=r"table.csv cannot be read in batches \(data.streamed=true\)"):
        RowsData(TableFile(str(tmp_path / "table.csv")), streamed=True).prepare(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_a_damaged_file_is_said(damage: str, tmp_path: Path) -> None:
    prepare(made(), tmp_path, True, scale="minmax")
    file = tmp_path / "streamed" / "test_x.npy"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(UserError, match=r"the prepared data in .* is damaged") as refused:
        RowsData(TableFile("table.parquet"), streamed=True).load(tmp_path / "streamed")
    assert "\n" not in str(refused.value)
