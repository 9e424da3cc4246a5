"""Sets from the network: kept once fetched, put by hand without it, and never a wait without an end."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.utils import Bunch

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.loaders.fetching import download_folder, write_atomically
from veilbench.families.autoencoders.data.loaders.openml import OpenML
from veilbench.families.autoencoders.data.loaders.sklearn_fetched import IMAGES, LABELS, SklearnFetched
from veilbench.families.autoencoders.data.raw import Raw, Source

Refusal = Callable[[Source], str]
Reading = Callable[[Source], Raw]
NAMES = [*IMAGES, *LABELS]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **settings: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between two tries


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A network that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", server.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **settings: [address])
        monkeypatch.setattr(time, "sleep", lambda seconds: None)
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            monkeypatch.delenv(name)
        yield


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", NAMES)
def test_without_a_network_the_file_to_put_by_hand_is_named(name: Any, tmp_path: Path, refusal: Refusal) -> None:
    said = refusal(SklearnFetched(name, str(tmp_path / "home")))
    assert said.startswith(f"{name} could not be fetched (")
    assert "Name or service not known" in said
    file = tmp_path / "home" / (f"{name}.npz" if name in IMAGES else f"{name}.parquet")
    assert f"without a network put it by hand: {file}, " in said
    assert not file.parent.exists()


@pytest.mark.usefixtures("no_network")
def test_without_a_network_a_table_of_openml_is_named(tmp_path: Path, refusal: Refusal) -> None:
    said = refusal(OpenML(61, home=str(tmp_path)))
    assert said.startswith("table 61 of openml.org could not be fetched (")
    assert f"put it by hand: {tmp_path / 'openml_61.parquet'}, the whole table" in said


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("kind", ["sklearn", "openml"])
def test_a_network_that_never_answers_is_not_waited_for(kind: str, tmp_path: Path, refusal: Refusal) -> None:
    home, before = str(tmp_path), socket.getdefaulttimeout()
    source = OpenML(61, home=home, seconds=0.1) if kind == "openml" else SklearnFetched("olivetti_faces", home, 0.1)
    started = time.monotonic()
    assert "could not be fetched (" in refusal(source)
    assert time.monotonic() - started < 60  # the server would keep it for longer
    assert socket.getdefaulttimeout() == before


def faces(**settings: Any) -> Bunch:
    images = np.random.default_rng(0).random((8, 6, 5)).astype(np.float32)
    return Bunch(images=images, data=images.reshape(8, 30), target=np.arange(8) // 2)


def named_faces(**settings: Any) -> Bunch:
    return faces() | {"target_names": np.array(["Ann", "Bob", "Cyd", "Dan"])}


class Fetcher:
    """Stands for one of scikit-learn's, and counts its calls."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make, self.calls = make, []  # type: ignore[var-annotated]

    def __call__(self, **settings: Any) -> Any:
        self.calls.append(settings)
        assert Path(settings["data_home"]).is_dir()
        made = self.make(**settings)
        return made if isinstance(made, Bunch) else Bunch(**made)


@pytest.mark.parametrize(
    ("name", "make", "labels"),
    [("olivetti_faces", faces, list("0123")), ("lfw_people", named_faces, ["Ann", "Bob", "Cyd", "Dan"])],
)
def test_images_are_fetched_once(
    name: Any,
    make: Callable[..., Any],
    labels: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reading: Reading,
) -> None:
    fetcher = Fetcher(make)
    monkeypatch.setattr(datasets, f"fetch_{name}", fetcher)
    both = [reading(SklearnFetched(name, str(tmp_path / "new" / "home"))) for _ in range(2)]
    assert len(fetcher.calls) == 1
    assert not Path(fetcher.calls[0]["data_home"]).exists()
    assert [path.name for path in (tmp_path / "new" / "home").iterdir()] == [f"{name}.npz"]
    for raw in both:
        assert np.array_equal(raw.x[:, 0], faces().images)
        assert (raw.labels, raw.y.tolist()) == (labels, [0, 0, 1, 1, 2, 2, 3, 3])


def traffic(**settings: Any) -> Bunch:
    assert settings["as_frame"]
    frame = pd.DataFrame(
        {"duration": [0, 5, 7], "service": [b"http", b"ftp", b"http"], "labels": [b"normal.", b"smurf.", b"normal."]},
        dtype=object,
    )
    return Bunch(frame=frame)


def test_tables_are_fetched_once_and_bytes_become_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading: Reading
) -> None:
    fetcher = Fetcher(traffic)
    monkeypatch.setattr(datasets, "fetch_kddcup99", fetcher)
    for _ in range(2):
        raw = reading(SklearnFetched("kddcup99", str(tmp_path)))
        assert raw.features == ["duration", "service=ftp", "service=http"]
        assert raw.x.tolist() == [[0, 0, 1], [5, 1, 0], [7, 0, 1]]
        assert (raw.labels, raw.y.tolist()) == (["normal.", "smurf."], [0, 1, 0])
    assert len(fetcher.calls) == 1


def test_a_table_of_openml_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading: Reading) -> None:
    frame = pd.DataFrame({"a": [1.5, 2, 3], "class": pd.Categorical(["u", "v", "u"])})
    fetcher = Fetcher(lambda **settings: {"frame": frame})
    monkeypatch.setattr(datasets, "fetch_openml", fetcher)
    for _ in range(2):
        raw = reading(OpenML(7, "class", home=str(tmp_path)))
        assert (raw.x.tolist(), raw.features) == ([[1.5], [2], [3]], ["a"])
        assert (raw.labels, raw.y.tolist()) == (["u", "v"], [0, 1, 0])
    assert [call["data_id"] for call in fetcher.calls] == [7]


@pytest.mark.usefixtures("no_network")
def test_files_put_by_hand_need_no_network(tmp_path: Path, reading: Reading) -> None:
    np.savez(tmp_path / "olivetti_faces.npz", X=faces().images, y=faces().target)
    assert reading(SklearnFetched("olivetti_faces", str(tmp_path))).x.shape == (8, 1, 6, 5)
    pd.DataFrame({"a": [1, 2], "b": [3, 4]}).to_parquet(tmp_path / "openml_61.parquet")
    assert reading(OpenML(61, home=str(tmp_path))).x.tolist() == [[1, 3], [2, 4]]


def test_what_comes_damaged_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Refusal) -> None:
    def damaged(**settings: Any) -> Bunch:
        raise OSError("SHA256 checksum differs from expected\nfile may be corrupted")

    monkeypatch.setattr(datasets, "fetch_olivetti_faces", damaged)
    assert "could not be fetched (SHA256 checksum differs" in refusal(SklearnFetched("olivetti_faces", str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def interrupted() -> None:
        with write_atomically(tmp_path / "one") as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"), write_atomically(tmp_path / "file" / "one"):
        pass


def test_the_time_limit_holds_within_and_ends_after() -> None:
    before = socket.getdefaulttimeout()
    with download_folder("it", "there", 2.5) as folder:
        assert socket.getdefaulttimeout() == 2.5
    assert socket.getdefaulttimeout() == before
    assert not Path(folder).exists()


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(ValueError, match="name='mnist' must be one of olivetti_faces, lfw_people, covtype"):
        SklearnFetched("mnist")  # type: ignore[arg-type]
