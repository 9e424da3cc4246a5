"""Rows dealt into parts: nothing in two of them, nothing learnt from the later ones, and every refusal says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.raw import Raw, check_raw, find_distinct, make_keys
from veilbench.families.autoencoders.data.rows import PARTS, Part, Rows, RowsData


class Given:
    """A source of rows given in a test."""

    def __init__(self, x: np.ndarray, y: np.ndarray, labels: list[str], features: list[str] | None = None) -> None:
        self.raw = Raw(x, y, features or [], labels, ["given"])

    def read(self, rng: np.random.Generator) -> Raw:
        return self.raw


class Drawn:
    """A generator of a test."""

    def read(self, rng: np.random.Generator) -> Raw:
        return Raw(rng.standard_normal((50, 3)), rng.permutation(50) % 2, ["a", "b", "c"], ["one", "two"])


def given(n: int = 60, columns: int = 4, classes: int = 3) -> Given:
    rng = np.random.default_rng(5)
    x = rng.normal(3, 20, (n, columns))
    return Given(x, np.arange(n) % classes, [f"class{i}" for i in range(classes)], [f"c{i}" for i in range(columns)])


def prepared(data: RowsData, folder: Path) -> Rows:
    folder.mkdir(exist_ok=True)
    data.prepare(folder)
    return data.load(folder)


def parts_of(rows: Rows) -> list[Part]:
    return [getattr(rows, name) for name in PARTS]


def together(rows: Rows) -> np.ndarray:
    return np.concatenate([part.x for part in parts_of(rows)])


def as_set(x: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in x}


def refusal(data: RowsData, folder: Path) -> str:
    with pytest.raises(UserError) as refused:
        data.prepare(folder)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_every_row_is_in_exactly_one_part(tmp_path: Path) -> None:
    source = given()
    rows = prepared(RowsData(source), tmp_path)
    assert [len(part) for part in parts_of(rows)] == [30, 6, 12, 12]
    assert as_set(together(rows)) == as_set(source.raw.x.astype(np.float32))
    assert len(together(rows)) == 60


def test_every_row_keeps_its_label(tmp_path: Path) -> None:
    source = given()
    label = {row.tobytes(): y for row, y in zip(source.raw.x.astype(np.float32), source.raw.y, strict=True)}
    for part in parts_of(prepared(RowsData(source), tmp_path)):
        assert part.x.dtype == np.float32
        assert part.y.dtype == np.int64
        assert [label[row.tobytes()] for row in part.x] == part.y.tolist()


def test_what_is_told_of_the_rows_survives_the_files(tmp_path: Path) -> None:
    rows = prepared(RowsData(given()), tmp_path)
    assert (rows.features, rows.labels) == (["c0", "c1", "c2", "c3"], ["class0", "class1", "class2"])
    assert (rows.one_class, rows.notes, rows.shape) == (False, ["given"], (4,))


def test_images_keep_their_shape(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((20, 3, 5, 4))
    rows = prepared(RowsData(Given(x, np.zeros(20, int), ["all"]), scale="standard"), tmp_path)
    assert rows.shape == (3, 5, 4)


@pytest.mark.parametrize("source", [given(), Drawn()])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_parts(source: Given | Drawn, tmp_path: Path) -> None:
    made = [prepared(RowsData(source, seed=seed), tmp_path / str(i)) for i, seed in enumerate([7, 7, 8])]
    assert np.array_equal(together(made[0]), together(made[1]))
    for name in ("rows.safetensors", "about.json"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()
    assert as_set(made[0].train.x) != as_set(made[2].train.x)


def test_repeated_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    plain = given().raw
    x, y = np.concatenate([plain.x, plain.x[:10]]), np.concatenate([plain.y, plain.y[:10]])
    y[60:63] = (y[60:63] + 1) % 3  # the same rows under another label
    rows = prepared(RowsData(Given(x, y, plain.labels)), tmp_path)
    assert rows.notes[1:] == ["10 repeated rows dropped, 3 of them with another label than the first"]
    assert len(together(rows)) == len(as_set(together(rows))) == 60
    label = {row.tobytes(): label for row, label in zip(plain.x.astype(np.float32), plain.y, strict=True)}
    assert all(label[row.tobytes()] == k for part in parts_of(rows) for row, k in zip(part.x, part.y, strict=True))


def test_rows_that_differ_in_the_sign_of_zero_are_the_same_row(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((20, 2))
    x[:, 1] = 0
    other = x.copy()
    other[:, 1] = -0.0
    rows = prepared(RowsData(Given(np.concatenate([x, other]), np.zeros(40, int), ["all"])), tmp_path)
    assert len(together(rows)) == 20
    assert rows.notes[1].startswith("20 repeated rows dropped, 0 of them")
    assert not np.signbit(together(rows)).any()


@pytest.mark.parametrize("scale", ["none", "standard"])
def test_rows_that_differ_beyond_float32_are_the_same_row_in_one_part_alone(scale: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((40, 2))
    both = Given(np.concatenate([x, x * (1 + 1e-12)]), np.arange(80) % 2, ["a", "b"])
    rows = prepared(RowsData(both, scale=scale), tmp_path)  # type: ignore[arg-type]
    assert len(together(rows)) == len(as_set(together(rows))) == 40
    assert rows.notes[1:] == [
        "rounded to float32: 40 repeated rows dropped, 0 of them with another label than the first"
    ]


@pytest.mark.parametrize(("scale", "reference"), [("standard", StandardScaler()), ("minmax", MinMaxScaler())])
def test_numbers_far_from_zero_are_scaled_before_they_are_rounded(
    scale: str, reference: StandardScaler | MinMaxScaler, tmp_path: Path
) -> None:
    x = 5_000_000 + np.arange(200)[:, None] / 20  # float32 holds steps of 0.5 there
    rows = prepared(RowsData(Given(x, np.arange(200) % 2, ["a", "b"]), scale=scale), tmp_path)  # type: ignore[arg-type]
    assert rows.notes == ["given"]
    assert len(as_set(together(rows))) == 200
    order = np.random.default_rng(0).permutation(200)
    expected = reference.fit(x[order[:100]]).transform(x[order])
    assert np.allclose(together(rows), expected, atol=1e-6)


def test_without_scaling_a_column_that_float32_holds_in_few_steps_is_refused(tmp_path: Path) -> None:
    x = np.column_stack([np.arange(200), 5_000_000 + np.arange(200) / 20])
    said = refusal(RowsData(Given(x, np.arange(200) % 2, ["a", "b"], ["near", "far"])), tmp_path)
    assert said.startswith(
        "data.scale=none: column far lies in 5000000 to 5000009.95, where float32 holds steps of 0.5"
    )
    assert "data.scale=standard or minmax" in said


def test_whole_numbers_that_float32_rounds_are_noted_where_nothing_is_scaled(tmp_path: Path) -> None:
    x = np.column_stack([16_777_217.0 + 1001 * np.arange(40), np.arange(40)])
    source = Given(x, np.zeros(40, int), ["all"], ["id", "small"])
    rounded, mixed = prepared(RowsData(source), tmp_path).notes[1:]
    assert rounded == "whole numbers above 16,777,216 are rounded to float32: id"
    assert mixed.startswith("columns of different units: id alone makes up 100.0%")
    assert prepared(RowsData(source, scale="standard"), tmp_path).notes[1:] == []


def test_what_differs_by_the_rounding_of_a_sum_is_constant(tmp_path: Path) -> None:
    x = np.column_stack([np.where(np.arange(40) % 2, 0.1 + 0.2, 0.3), np.arange(40)])
    rows = prepared(RowsData(Given(x, np.zeros(40, int), ["all"], ["c", "d"]), scale="standard"), tmp_path)
    assert rows.notes[1:] == ["1 columns are constant in the training rows: c"]
    assert np.abs(together(rows)[:, 0]).max() < 1e-15


def test_whole_numbers_that_float64_rounds_are_refused(tmp_path: Path) -> None:
    x = 10**18 + np.arange(60).reshape(20, 3)
    x[0] = 10**18
    said = refusal(RowsData(Given(x, np.zeros(20, int), ["all"], ["a", "b", "c"])), tmp_path)
    assert said.startswith("1000000000000000003 in row 1, column a, has more digits than float64 holds")
    whole = np.arange(60).reshape(20, 3) * 2**53
    assert len(together(prepared(RowsData(Given(whole, np.zeros(20, int), ["all"])), tmp_path))) == 20


def test_labels_that_differ_in_case_or_blanks_alone_are_noted_and_never_an_anomaly(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).random((60, 2)), np.arange(60) % 3
    source = Given(x, y, ["yes", "Yes ", "no"])
    assert "the labels 'yes' and 'Yes ' count as different ones" in prepared(RowsData(source), tmp_path).notes
    said = refusal(RowsData(source, normal=["yes"]), tmp_path)
    assert said.startswith("data.normal=yes leaves 'Yes ' as an anomaly, which differs in case or blanks alone")
    both = prepared(RowsData(source, normal=["yes", "Yes "]), tmp_path)
    assert (both.test.y == 1).sum() == 20


def test_distinct_is_what_a_plain_loop_keeps() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 3, (300, 2, 1, 2)).astype(np.float32), rng.integers(0, 2, 300)
    seen: dict[bytes, int] = {}
    kept, strange = [], 0
    for i in range(300):
        key = x[i].tobytes()
        strange += key in seen and y[seen[key]] != y[i]
        if key not in seen:
            seen[key] = i
            kept.append(i)
    notes: list[str] = []
    assert find_distinct(make_keys(x), y, notes).tolist() == kept
    assert notes == [f"{300 - len(kept)} repeated rows dropped, {strange} of them with another label than the first"]


def test_one_class_parts_hold_normal_rows_only(tmp_path: Path) -> None:
    source = given(n=90)
    label = {row.tobytes(): y for row, y in zip(source.raw.x.astype(np.float32), source.raw.y, strict=True)}
    rows = prepared(RowsData(source, normal=["class2", "class0"]), tmp_path)
    assert rows.labels == ["normal", "anomaly"]
    assert rows.one_class
    for part in (rows.train, rows.validation, rows.auxiliary):
        assert not part.y.any()
        assert {label[row.tobytes()] for row in part.x} == {0, 2}
    assert [len(part) for part in parts_of(rows)] == [30, 6, 12, 12 + 30]
    assert [label[row.tobytes()] == 1 for row in rows.test.x] == (rows.test.y == 1).tolist()
    assert len(set(np.diff(rows.test.y).tolist())) > 1  # anomalies lie among the normal rows, not behind them


@pytest.mark.parametrize(("scale", "reference"), [("standard", StandardScaler()), ("minmax", MinMaxScaler())])
def test_scaling_is_that_of_scikit_learn_fitted_to_the_training_part_alone(
    scale: str, reference: StandardScaler | MinMaxScaler, tmp_path: Path
) -> None:
    source = given(n=400)
    source.raw.x[:, 2] = 17.25
    last = np.random.default_rng(0).permutation(400)[-1]  # dealt to the test
    source.raw.x[last, 2] = 18.25
    plain = prepared(RowsData(source, seed=0), tmp_path / "plain")
    scaled = prepared(RowsData(source, scale=scale, seed=0), tmp_path / "scaled")  # type: ignore[arg-type]
    assert plain.train.x[:, 2].min() == plain.train.x[:, 2].max()
    fitted = reference.fit(plain.train.x.astype(np.float64))
    for name in PARTS:
        expected = fitted.transform(getattr(plain, name).x.astype(np.float64))
        assert np.allclose(getattr(scaled, name).x, expected, atol=1e-5)
    assert not scaled.train.x[:, 2].any()
    assert together(scaled)[:, 2].max() == 1  # the one row that differs is still told apart
    assert scaled.notes[1] == plain.notes[1] == "1 columns are constant in the training rows: c2"


def test_a_column_of_large_numbers_is_scaled_without_losing_its_digits(tmp_path: Path) -> None:
    x = np.stack([1e6 + np.arange(64), np.arange(64)], 1)
    rows = prepared(RowsData(Given(x, np.zeros(64, int), ["all"]), scale="standard"), tmp_path)
    assert np.allclose(rows.train.x[:, 0], rows.train.x[:, 1], atol=1e-6)


def test_most_rows_takes_that_many_and_says_so(tmp_path: Path) -> None:
    source = given()
    rows = prepared(RowsData(source, most_rows=20), tmp_path)
    assert len(together(rows)) == 20
    assert as_set(together(rows)) < as_set(source.raw.x.astype(np.float32))
    assert rows.notes[1] == "20 of 60 distinct rows taken at random"
    everything = prepared(RowsData(source, most_rows=60), tmp_path)
    assert len(together(everything)) == 60
    assert everything.notes == ["given"]


def test_a_part_without_a_class_is_noted(tmp_path: Path) -> None:
    source = given()
    source.raw.y[:] = np.arange(60) == 0
    rows = prepared(RowsData(Given(source.raw.x, source.raw.y, ["many", "one"])), tmp_path)
    assert len(rows.notes) == 1 + 3  # the one row is in one of the four parts
    assert all("has no row of 1 of the 2 classes: one" in note for note in rows.notes[1:])


@pytest.mark.parametrize(
    ("x", "y", "labels", "said"),
    [
        (np.zeros((4, 2, 2)), np.zeros(4, int), ["a"], "x of shape (4, 2, 2)"),
        (np.zeros(4), np.zeros(4, int), ["a"], "x of shape (4,)"),
        (np.zeros((0, 2)), np.zeros(0, int), ["a"], "x of shape (0, 2)"),
        (np.zeros((4, 0)), np.zeros(4, int), ["a"], "x of shape (4, 0)"),
        (np.ones((4, 2)), np.zeros(3, int), ["a"], "with y of shape (3,)"),
        (np.ones((4, 2)), np.zeros((4, 1), int), ["a"], "with y of shape (4, 1)"),
        (np.ones((4, 2)), np.zeros(4), ["a"], "y of type float64 must hold whole numbers"),
        (np.ones((4, 2)), np.array([0, 1, 2, 1]), ["a", "b"], "label number 2 has no name; there are: a, b"),
        (np.ones((4, 2)), np.array([0, -1, 1, 1]), ["a", "b"], "label number -1 has no name"),
        (np.ones((4, 2)), np.array([0, 0, 2, 2]), ["a", "b", "c"], "the class b has no rows"),
        (np.ones((4, 2)), np.array([0, 1, 1, 1]), ["a", "a"], "the label name a stands for 2 labels"),
    ],
)
def test_wrong_shapes_and_labels_are_refused(
    x: np.ndarray, y: np.ndarray, labels: list[str], said: str, tmp_path: Path
) -> None:
    assert said in refusal(RowsData(Given(x, y, labels)), tmp_path)


@pytest.mark.parametrize(("value", "said"), [(np.nan, "nan"), (-np.inf, "-inf"), (1e39, "1e+39")])
def test_values_that_are_not_finite_are_counted_and_the_first_is_named(value: float, said: str, tmp_path: Path) -> None:
    x = np.ones((9, 3))
    x[4, 2] = x[7, 0] = value
    line = refusal(RowsData(Given(x, np.zeros(9, int), ["a"], ["p", "q", "r"])), tmp_path)
    assert line == f"2 values are not finite in float32; the first is {said} in row 4, column r"
    images = np.ones((9, 1, 2, 2))
    images[3, 0, 1, 1] = value
    assert "in row 3, at (0, 1, 1)" in refusal(RowsData(Given(images, np.zeros(9, int), ["a"])), tmp_path)


@pytest.mark.parametrize(
    ("names", "said"), [(["a"], "1 names for 2 columns"), (["a", "a"], "column name a stands for 2")]
)
def test_names_that_do_not_fit_are_refused(names: list[str], said: str, tmp_path: Path) -> None:
    assert said in refusal(RowsData(Given(np.ones((4, 2)), np.zeros(4, int), ["l"], names)), tmp_path)


@pytest.mark.parametrize(
    ("normal", "said"),
    [
        (["class9"], "data.normal=class9 is no label of this data; there are: class0, class1, class2"),
        (["class0", "class1", "class2"], "leaves no anomaly: the labels are class0, class1, class2"),
    ],
)
def test_normal_labels_must_exist_and_leave_anomalies(normal: list[str], said: str, tmp_path: Path) -> None:
    assert said in refusal(RowsData(given(), normal=normal), tmp_path)


def test_anomalies_that_all_repeat_a_normal_row_are_no_anomalies(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((30, 2))
    source = Given(np.concatenate([x, x[:5]]), np.arange(35) // 30, ["fine", "odd"])
    assert "leaves no anomaly among the 30 distinct rows" in refusal(RowsData(source, normal=["fine"]), tmp_path)


def test_a_part_without_rows_is_refused_even_where_anomalies_would_fill_it(tmp_path: Path) -> None:
    assert "the part validation has no rows: 3 rows are dealt as" in refusal(RowsData(given(n=3)), tmp_path)
    source = Given(np.random.default_rng(0).random((30, 2)), (np.arange(30) > 3).astype(int), ["fine", "odd"])
    split = [0.4, 0.26, 0.26, 0.08]
    said = refusal(RowsData(source, split=split, normal=["fine"]), tmp_path)
    assert said == f"the part test has no normal rows: 4 normal rows are dealt as {split}"


def test_scaling_that_makes_infinite_values_is_refused(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((40, 2)) * 1e-38
    x[0, 1] = 1e30
    messages = set()
    for seed in range(9):  # the one large value is in the training part for about half of the seeds
        try:
            RowsData(Given(x, np.zeros(40, int), ["a"]), scale="minmax", seed=seed).prepare(tmp_path)
        except UserError as error:
            messages.add(str(error))
    assert len(messages) == 1
    assert "data.scale=minmax makes values infinite" in messages.pop()


@pytest.mark.parametrize(
    "split",
    [(0.5, 0.5), (0.5, 0.2, 0.2, 0.2), (0.8, 0.2, 0.0, 0.0), (1.2, -0.2, 0.1, -0.1), (float("nan"), 0.4, 0.4, 0.2)],
)
def test_a_split_must_be_four_positive_shares(split: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must be four positive shares that make 1: train, validation"):
        RowsData(given(), split=split)


def test_a_source_must_be_able_to_read() -> None:
    with pytest.raises(ValueError, match="source=3 must be a loader or generator"):
        RowsData(3)  # type: ignore[arg-type]


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    data = RowsData(given())
    with pytest.raises(UserError, match=r"lacks .*rows\.safetensors; run `dvc repro prepare`"):
        data.load(tmp_path)
    data.prepare(tmp_path)
    (tmp_path / "about.json").unlink()
    with pytest.raises(UserError, match=r"lacks .*about\.json"):
        data.load(tmp_path)
    data.prepare(tmp_path)
    whole = (tmp_path / "rows.safetensors").read_bytes()
    (tmp_path / "rows.safetensors").write_bytes(whole[:-9])
    with pytest.raises(UserError, match="is damaged"):
        data.load(tmp_path)


def test_checked_leaves_good_rows_as_they_are() -> None:
    raw = given().raw
    good = check_raw(raw)
    assert good.x.dtype == np.float64
    assert np.array_equal(good.x, raw.x)
    assert np.array_equal(good.y, raw.y)
    assert (good.features, good.labels, good.notes) == (raw.features, raw.labels, raw.notes)


def test_contamination_moves_anomalies_into_the_rows_that_count_as_normal(tmp_path: Path) -> None:
    x = np.arange(800.0).reshape(200, 4)
    source, normal = Given(x, (np.arange(200) >= 120).astype(int), ["good", "bad"]), ["good"]
    clean = prepared(RowsData(source, normal=normal), tmp_path / "clean")
    mixed = prepared(RowsData(source, normal=normal, contamination=0.1), tmp_path / "mixed")
    bad = as_set(x[120:].astype(np.float32))
    for name, count in (("train", 7), ("validation", 1), ("auxiliary", 0)):
        part = getattr(mixed, name)
        assert len(as_set(part.x) & bad) == count == len(part) - len(getattr(clean, name))
        assert not part.y.any()
    assert (mixed.test.y == 1).sum() == 80 - 8
    assert len(as_set(mixed.test.x) & bad) == 72
    assert len(as_set(together(mixed))) == 200
    assert any("7 of the training and 1 of the validation rows are anomalies" in note for note in mixed.notes)
    few = Given(x[:130], (np.arange(130) >= 120).astype(int), ["good", "bad"])
    assert "of the 10 anomalies; half may be taken" in refusal(
        RowsData(few, normal=normal, contamination=0.1), tmp_path
    )
    with pytest.raises(ValueError, match="set normal"):
        RowsData(source, contamination=0.1)
