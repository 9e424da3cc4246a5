"""Arrays in .npz files, and the tables of ADBench."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.families.autoencoders.data.loaders.npz_file import NpzFile
from veilbench.families.autoencoders.data.raw import Raw, Source
from veilbench.families.autoencoders.data.rows import RowsData

Refusal = Callable[[Source], str]
Reading = Callable[[Source], Raw]


def written(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "arrays.npz", **arrays)
    return str(folder / "arrays.npz")


def test_a_table_and_its_labels_are_read(tmp_path: Path, reading: Reading) -> None:
    path = written(tmp_path, X=np.arange(6, dtype=np.int16).reshape(3, 2), y=np.array([5, -1, 5]))
    raw = reading(NpzFile(path))
    assert raw.x.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert (raw.features, raw.labels, raw.y.tolist()) == (["column_0", "column_1"], ["-1", "5"], [1, 0, 1])


@pytest.mark.parametrize("y", [np.array([0, 1, 1]), np.array([0.0, 1, 1]), np.array([[False], [True], [True]])])
def test_numbers_of_labels_get_names(y: np.ndarray, tmp_path: Path, reading: Reading) -> None:
    raw = reading(NpzFile(written(tmp_path, X=np.ones((3, 2)), y=y), labels=["normal", "anomaly"]))
    assert (raw.labels, raw.y.tolist()) == (["normal", "anomaly"], [0, 1, 1])


def test_labels_may_be_texts_or_absent(tmp_path: Path, reading: Reading) -> None:
    path = written(tmp_path, rows=np.ones((3, 2)), kind=np.array(["b", "a", "b"]))
    assert reading(NpzFile(path, "rows", "kind")).y.tolist() == [1, 0, 1]
    assert reading(NpzFile(path, "rows", None)).labels == ["all"]


def test_a_table_keeps_the_digits_of_float64(tmp_path: Path, reading: Reading) -> None:
    x = 5_000_000 + np.arange(200).reshape(100, 2) / 20
    assert np.array_equal(reading(NpzFile(written(tmp_path, X=x, y=np.arange(100) % 2))).x, x)


def test_numbers_that_float64_rounds_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    path = written(tmp_path, X=np.arange(4).reshape(2, 2) + 10**18, y=np.arange(2))
    assert "1000000000000000001 in row 0, column column_1, has more digits" in refusal(NpzFile(path))


@pytest.mark.parametrize(("kind", "brightest"), [(np.uint8, 255), (np.uint16, 65535), (bool, 1)])
def test_images_are_scaled_by_their_type(kind: type, brightest: int, tmp_path: Path, reading: Reading) -> None:
    x = (np.random.default_rng(0).random((4, 5, 6)) * brightest).astype(kind)
    raw = reading(NpzFile(written(tmp_path, X=x, y=np.arange(4))))
    assert raw.x.shape == (4, 1, 5, 6)
    assert np.allclose(raw.x[:, 0], x / brightest)
    assert raw.features == []


def test_channels_may_come_first_or_last(tmp_path: Path, reading: Reading) -> None:
    x = np.random.default_rng(0).random((4, 5, 6, 3)).astype(np.float32)
    raw = reading(NpzFile(written(tmp_path, X=x, y=np.arange(4)), channels="last"))
    assert np.array_equal(raw.x, np.stack([x[..., i] for i in range(3)], axis=1))
    first = reading(NpzFile(written(tmp_path, X=raw.x, y=np.arange(4))))
    assert np.array_equal(first.x, raw.x)


@pytest.mark.parametrize(
    ("arrays", "settings", "said"),
    [
        ({"X": np.ones((3, 2))}, {}, "has no array y; there are: X"),
        ({"X": np.ones((3, 2)), "y": np.zeros(3)}, {"x": "Z"}, "has no array Z; there are: X, y"),
        ({"X": np.ones((3, 2)), "y": np.zeros(4, int)}, {}, "with y of shape (4,)"),
        ({"X": np.ones(3), "y": np.zeros(3)}, {}, "X of shape (3,) and type float64 holds no rows"),
        ({"X": np.array([["a", "b"]]), "y": np.zeros(1)}, {}, "holds no rows of numbers"),
        ({"X": np.ones((3, 2)), "y": np.array([0.5, 1, 1])}, {}, "y does not hold classes but numbers such as 0.5"),
        ({"X": np.ones((3, 2)), "y": np.ones((3, 2))}, {}, "y of shape (3, 2) holds no labels"),
        ({"X": np.ones((3, 2)), "y": np.array([0, 1, 2])}, {"labels": ["a", "b"]}, "y holds 2; with labels=['a', 'b']"),
        ({"X": np.ones((3, 2)), "y": np.array([0, -1, 1])}, {"labels": ["a", "b"]}, "holds -1"),
        ({"X": np.ones((3, 2)), "y": np.array(["0", "1", "1"])}, {"labels": ["a", "b"]}, "0 to 1 is allowed"),
        ({"X": np.ones((3, 2)), "y": np.zeros(3, int)}, {"labels": ["a", "b"]}, "the class b has no rows"),
        ({"X": np.full((3, 2, 2), 1.5), "y": np.zeros(3)}, {}, "[0, 1] is allowed"),
        ({"X": np.ones((3, 2, 2), np.int64), "y": np.zeros(3)}, {}, "images of int64"),
        ({"X": np.array([[1.0, np.nan]]), "y": np.zeros(1)}, {}, "1 values are not finite"),
        ({"X": np.full((1, 2, 2), np.nan), "y": np.zeros(1)}, {}, "[0, 1] is allowed"),
    ],
)
def test_what_are_no_rows_and_labels_is_refused(
    arrays: dict[str, np.ndarray], settings: dict[str, Any], said: str, tmp_path: Path, refusal: Refusal
) -> None:
    assert said in refusal(NpzFile(written(tmp_path, **arrays), **settings))


class Trap:
    """What an unpickler would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("it was unpickled",))


def test_nothing_is_unpickled(tmp_path: Path, refusal: Refusal) -> None:
    path = written(tmp_path, X=np.array([[Trap()]], dtype=object), y=np.zeros(1))
    assert "cannot be read without unpickling" in refusal(NpzFile(path))
    np.save(tmp_path / "one.npy", np.array([Trap()], dtype=object))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    assert "is no .npz file that can be read" in refusal(NpzFile(str(tmp_path / "one.npz")))


def test_files_that_are_no_npz_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "there is no such file" in refusal(NpzFile(str(tmp_path / "none.npz")))
    path = Path(written(tmp_path, X=np.random.default_rng(0).random((99, 9)), y=np.zeros(99)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "is no .npz file that can be read" in refusal(NpzFile(str(path)))
    path.write_bytes(b"")
    assert "is no .npz file that can be read" in refusal(NpzFile(str(path)))
    path.write_bytes(whole[:500] + bytes(200) + whole[700:])
    assert "cannot be read" in refusal(NpzFile(str(path)))
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    assert "holds a single array" in refusal(NpzFile(str(path)))


@pytest.mark.parametrize(
    ("name", "rows", "anomalies"), [("6_cardio", 1831, 176), ("42_WBC", 223, 10), ("10_cover", 286048, 2747)]
)
def test_tables_of_adbench_are_dealt_for_one_class(
    name: str, rows: int, anomalies: int, shared: Path, tmp_path: Path, reading: Reading
) -> None:
    path = shared / "adbench" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    source = NpzFile(str(path), labels=["normal", "anomaly"])
    raw = reading(source)
    assert len(raw.x) == rows
    assert raw.y.sum() == anomalies
    data = RowsData(source, normal=["normal"], scale="standard")
    data.prepare(tmp_path)
    dealt = data.load(tmp_path)
    assert not dealt.train.y.any()
    whole = np.concatenate([getattr(dealt, part).x for part in ("train", "validation", "auxiliary", "test")])
    assert len(whole) == len(np.unique(np.load(path)["X"].astype(np.float32) + 0, axis=0))


def test_faces_are_images(shared: Path, reading: Reading) -> None:
    path = shared / "faces_orl" / "orl.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    raw = reading(NpzFile(str(path)))
    assert raw.x.shape == (400, 1, 112, 92)
    assert 0.9 < raw.x.max() <= 1
    assert len(raw.labels) == 40
