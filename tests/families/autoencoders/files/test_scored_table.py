"""`veilbench autoencoder score`: the rows of a table get the scores that they had when they were prepared."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest
from fitting import Refusal, Train, fit
from scipy.stats import rankdata

from command_line import run
from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.data.loaders import table_file
from veilbench.families.autoencoders.data.row_format import load_row_format
from veilbench.families.autoencoders.data.rows import PARTS, RowsData
from veilbench.families.autoencoders.files.new_rows import read_rows
from veilbench.families.autoencoders.files.scored_table import ScoredTable, score_table
from veilbench.families.autoencoders.schemes.base import Detector

TABLE = ("data=table", "data.source.path=table.csv", "data.source.label=label", "data.normal=[ok]")


def made(n: int = 120) -> pd.DataFrame:
    """Numbers that float32 would round, a text column, truth values and a class."""
    rng = np.random.default_rng(0)
    columns = {
        "amount": 5_000_000 + rng.normal(0, 2, n).round(2),
        "count": rng.integers(0, 9, n),
        "kind": rng.choice(["x", "y", "z=1"], n),
        "paid": rng.random(n) < 0.5,
        "label": np.where(rng.random(n) < 0.2, "bad", "ok"),
    }
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector that was fitted to the table."""
    root = tmp_path_factory.mktemp("fitted")
    made().to_csv(root / "table.csv", index=False)
    return fit(root, TABLE[0], f"data.source.path={root / 'table.csv'}", *TABLE[2:], "model=mahalanobis")


@pytest.fixture
def mahalanobis(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the detector, in the folder of the test, with the table beside it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(fitted, tmp_path / "train")
    shutil.copy(fitted.parent / "table.csv", tmp_path)
    return tmp_path / "train"


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> pd.DataFrame:
    capsys.readouterr()
    assert run("autoencoder", "score", *arguments) == 0
    return pd.read_csv(io.StringIO(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("scale", "model"), [("none", "input_norm"), ("minmax", "mahalanobis"), ("standard", "nearest_neighbours")]
)
def test_rows_are_encoded_and_scored_as_they_were_prepared(
    scale: str, model: str, tmp_path: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    made().to_csv(tmp_path / "table.csv", index=False)
    if scale == "none":  # float32 cannot hold amounts that are not scaled
        made().assign(amount=made().amount - 5_000_000).to_csv(tmp_path / "table.csv", index=False)
    folder = train(*TABLE, f"data.scale={scale}", f"model={model}")
    rows = RowsData.load(cast(RowsData, None), tmp_path / "prepared")
    prepared = np.concatenate([getattr(rows, name).x for name in PARTS])
    detector = cast(Detector, load_trained_model(folder))
    scores = {row.tobytes(): score for row, score in zip(prepared, detector.score(prepared), strict=True)}
    (encoded,) = read_rows(tmp_path / "table.csv", load_row_format(folder))
    assert {row.tobytes() for row in encoded} == scores.keys()
    table = shown(capsys, folder, "table.csv")
    np.testing.assert_allclose(table.score, [scores[row.tobytes()] for row in encoded], rtol=1e-5)
    assert table["rank"].tolist() == rankdata(-table.score, "min").tolist()
    assert table.row.tolist() == list(range(1, 121))


def test_order_of_columns_format_of_the_file_and_labels_do_not_matter(mahalanobis: Path) -> None:
    expected = score_table(mahalanobis, Path("table.csv"), 2)
    turned = made()[["paid", "kind", "count", "amount"]]
    turned.to_parquet("turned.parquet")
    turned.to_csv("turned.tsv.gz", index=False, sep="\t")
    for name in ("turned.parquet", "turned.tsv.gz"):
        scored = score_table(mahalanobis, Path(name), 2)
        np.testing.assert_array_equal(scored.scores, expected.scores)
        np.testing.assert_array_equal(scored.features, expected.features)
    one = made().iloc[[7]]
    one.to_csv("one.csv", index=False)
    np.testing.assert_allclose(score_table(mahalanobis, Path("one.csv"), 2).scores, expected.scores[[7]], rtol=1e-5)


def test_a_parquet_file_is_scored_in_batches(mahalanobis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = score_table(mahalanobis, Path("table.csv"), 2)
    monkeypatch.setattr(table_file, "AT_ONCE", 50)
    made().to_parquet("table.parquet", row_group_size=35)
    parts = [len(rows) for rows in read_rows(Path("table.parquet"), load_row_format(mahalanobis))]
    assert parts == [50, 50, 20]
    scored = score_table(mahalanobis, Path("table.parquet"), 2)
    np.testing.assert_allclose(scored.scores, expected.scores, rtol=1e-6)
    np.testing.assert_array_equal(scored.features, expected.features)
    wrong = made()
    wrong.loc[77, "kind"] = "w"
    wrong.to_parquet("wrong.parquet")
    with pytest.raises(UserError, match=r"wrong.parquet, row 77: 'w' in column kind is no value of the training data"):
        score_table(mahalanobis, Path("wrong.parquet"), 2)


def test_the_features_with_the_largest_parts_are_named(mahalanobis: Path, capsys: pytest.CaptureFixture[str]) -> None:
    form, detector = load_row_format(mahalanobis), cast(Detector, load_trained_model(mahalanobis))
    parts = detector.feature_scores(next(read_rows(Path("table.csv"), form)))
    table = shown(capsys, mahalanobis, "table.csv", "--top", 2)
    assert list(table)[3:] == ["feature_1", "share_1", "feature_2", "share_2"]
    names = np.array(form.features)
    assert table.feature_1.tolist() == names[parts.argmax(1)].tolist()
    np.testing.assert_allclose(table.share_1, parts.max(1) / parts.sum(1), rtol=1e-3)
    assert list(shown(capsys, mahalanobis, "table.csv", "--top", 0)) == ["row", "score", "rank"]
    assert shown(capsys, mahalanobis, "table.csv", "--top", 99).shape[1] == 3 + 2 * len(names)


def test_a_detector_without_parts_says_so_and_prints_scores(
    tmp_path: Path, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    made().to_csv(tmp_path / "table.csv", index=False)
    folder = train(*TABLE, "model=isolation_forest")
    assert run("autoencoder", "score", folder, "table.csv") == 0
    captured = capsys.readouterr()
    note = "note: no features are named: the score of IsolationForest is not made of features' parts\n"
    assert captured.err == note
    assert captured.out.startswith("row,score,rank\n1,")


def test_missing_values_become_the_medians_of_the_training_table(tmp_path: Path, train: Train) -> None:
    table = made()
    table.to_csv(tmp_path / "table.csv", index=False)
    folder = train(*TABLE, "data.source.missing=median", "data.source.missing_words=[none given]", "model=mahalanobis")
    rows = table.astype(object).iloc[:3]
    rows.loc[0, "amount"], rows.loc[1, "kind"] = "none given", None
    rows.to_csv("new.csv", index=False)
    (filled,) = read_rows(Path("new.csv"), load_row_format(folder))
    names, raw = load_row_format(folder).features, load_row_format(folder).scaling.invert(filled)
    assert raw[0, names.index("amount")] == pytest.approx(table.amount.median(), abs=1e-5)
    assert np.allclose(raw[1, [names.index(f"kind={value}") for value in ("x", "y", "z=1")]], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (made().drop(columns="count"), "new.csv has no column count, which the model needs; did you mean amount?"),
        (made().assign(more=1), "new.csv: the model does not know the column more; take it out"),
        (made().rename(columns={"kind": "kin"}), "new.csv has no column kind; there are: amount, count, kin"),
        (
            made().replace({"kind": {"y": "w"}}),
            "'w' in column kind is no value of the training data; there are: x, ",
        ),
        (made().assign(count=made()["count"].where(made().index != 3)), "line 5: the value of column count is missing"),
        (made().assign(kind=made()["kind"].where(made().index != 4)), "line 6: the value of column kind is missing"),
        (made().assign(count="many"), "new.csv: column count holds "),
        (
            made().assign(count=made()["count"].astype(object).where(made().index != 1, "many")),
            "line 3: 'many' in ",
        ),
        (made().assign(amount=1e39), "new.csv: 120 values are not finite in float32"),
        (made().iloc[:0], "at least one row"),
        (made()[["amount"]], "has no column kind; there are: amount"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(
    changed: pd.DataFrame, said: str, mahalanobis: Path, refusal: Refusal
) -> None:
    changed.to_csv("new.csv", index=False)
    assert said in refusal("autoencoder", "score", mahalanobis, "new.csv", "--out", "scores.csv")
    assert not Path("scores.csv").exists()


def test_a_file_is_written_completely_or_not_at_all(mahalanobis: Path, tmp_path: Path, refusal: Refusal) -> None:
    score, table = ("autoencoder", "score", mahalanobis), (tmp_path / "table.csv").read_bytes()
    assert run(*score, "table.csv", "--out", "scores.csv") == 0
    assert (tmp_path / "scores.csv").read_text() == score_table(mahalanobis, Path("table.csv"), 3).to_csv()
    assert "is the table itself" in refusal(*score, "table.csv", "--out", "table.csv")
    assert "No such file" in refusal(*score, "table.csv", "--out", "nowhere/scores.csv")
    assert "not a regular file" in refusal(*score, "table.csv", "--out", "train")
    assert "there is no such file" in refusal(*score, "nothing.csv")
    assert (tmp_path / "table.csv").read_bytes() == table
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.csv", "table.csv", "train"]


def test_models_that_score_no_tables(tmp_path: Path, train: Train, refusal: Refusal) -> None:
    made().to_csv(tmp_path / "table.csv", index=False)
    folder = train(*TABLE, "model=random_code")
    said = refusal("autoencoder", "score", folder, "table.csv")
    assert "holds a RandomCode, which scores no rows; a detector is needed" in said
    folder = train("data=digits", "model=mahalanobis")
    said = refusal("autoencoder", "score", folder, "table.csv")
    assert "the model takes rows of shape [1, 8, 8] without names of columns, and no tables" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shift": [0.0, 1.0]}, "shift must hold 1 or 6 finite numbers"),
        ({"width": [0.0]}, "width holds 0"),
        ({"features": ["a"]}, "1 features are named for rows of shape [6]"),
        ({"precision": "float16"}, "precision: Input should be 'float32' or 'float64'"),
        ({"shape": []}, "shape=[]"),
        ({"shift": "many"}, "shift: Input should be a valid array"),
    ],
)
def test_a_damaged_format_is_named(change: dict[str, object], said: str, mahalanobis: Path, refusal: Refusal) -> None:
    path = mahalanobis / "inputs.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    line = refusal("autoencoder", "score", path.parent, "table.csv")
    assert said in line
    assert line.endswith("train the model again\n")
    path.unlink()
    assert "says how the training rows were scaled" in refusal("autoencoder", "score", path.parent, "table.csv")


def test_equal_scores_have_equal_ranks() -> None:
    none = np.zeros((4, 0))
    assert ScoredTable(np.array([1.0, 3.0, 3.0, 2.0]), none, none).rank().tolist() == [4, 1, 1, 3]
