"""What cannot be used is refused in one line: weights, ONNX files, tables, images for embeddings and the reverse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from finished_net import Finished, through_files

from veilbench.bench.errors import UserError
from veilbench.families.templates.data.embeddings import EmbeddingsData
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.data.loaders.embedding_table import EmbeddingTable
from veilbench.families.templates.wrapped.embedding_extractor import EmbeddingExtractor
from veilbench.families.templates.wrapped.image_input import ImageInput
from veilbench.families.templates.wrapped.onnx_extractor import OnnxExtractor
from veilbench.families.templates.wrapped.torch_extractor import TorchExtractor

NET = {"_target_": "small_face_net.SmallFaceNet"}
RNG = np.random.default_rng(0)
IMAGES = RNG.random((3, 1, 24, 24), np.float32)


class Opened:
    """Leaves a trace when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("opened"),))


def test_a_pickle_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Opened()}, "net.pt")
    with pytest.raises(UserError, match=r"weights=net\.pt cannot be read"):
        TorchExtractor(NET, "net.pt").fit(IMAGES, RNG)
    assert not Path("opened").exists()


def test_weights_that_are_not_those_of_the_module_are_named(finished: Finished) -> None:
    with pytest.raises(UserError, match="do not fit SmallFaceNet: head"):
        TorchExtractor(NET | {"embedding": 7}, finished.path("net.pt")).fit(IMAGES, RNG)
    with pytest.raises(UserError, match=r"net\.pth: there is no such file"):
        TorchExtractor(NET, finished.path("net.pth")).fit(IMAGES, RNG)


@pytest.mark.parametrize("module", [None, {}, {"_target_": "torch.nn.Linear"}, {"_target_": "os.system"}])
def test_only_modules_of_registered_packages_are_built(module: Any) -> None:
    with pytest.raises((UserError, ValueError), match="module"):
        TorchExtractor(module, "net.pt")


def test_files_that_are_no_model_are_refused(tmp_path: Path, finished: Finished) -> None:
    (tmp_path / "net.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"net\.onnx is no graph that ONNX Runtime can run"):
        OnnxExtractor(str(tmp_path / "net.onnx")).fit(IMAGES, RNG)
    with pytest.raises(UserError, match="cannot run on rows of shape"):
        OnnxExtractor(finished.path("net.onnx"), ImageInput(channels=3)).fit(IMAGES, RNG)
    with pytest.raises(ValueError, match=r"must end in \.onnx"):
        OnnxExtractor("net.pt")


def test_images_and_embeddings_are_not_mixed_up(finished: Finished, people: dict[str, Identities]) -> None:
    with pytest.raises(UserError, match="are no embeddings"):
        EmbeddingExtractor()(IMAGES)
    with pytest.raises(UserError, match="are no images"):
        OnnxExtractor(finished.path("net.onnx"))(np.ones((2, 24), np.float32))
    with pytest.raises(UserError, match="embeddings of 24 numbers"):
        _ = people["embeddings.csv"].train.images


@pytest.mark.parametrize("settings", [{"size": [24]}, {"mean": [0.1, 0.2]}, {"std": [0.1, 0.2], "channels": 3}])
def test_the_expected_images_are_checked(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        ImageInput(**settings)


def test_images_are_scaled_as_the_network_expects() -> None:
    images = torch.from_numpy(IMAGES)
    made = ImageInput([12, 12], 3, [0.5, 0.4, 0.3], [0.5, 0.25, 2]).prepare(images)
    small = torch.nn.functional.interpolate(images, (12, 12), mode="bilinear", antialias=True)
    assert made.shape == (3, 3, 12, 12)
    torch.testing.assert_close(made[:, 1:2], (small - 0.4) / 0.25)


def rows(**more: Any) -> dict[str, Any]:
    return {"identity": ["ann", "ann", "bob"], "a": [1.0, 2, 3], "b": [0.5, 1, 2]} | more


@pytest.mark.parametrize(
    ("content", "settings", "said"),
    [
        (rows(), {"identities": "person"}, "holds no column person"),
        (rows(a=["x", "y", "z"]), {}, "a is of type object, and embeddings are numbers"),
        (rows(a=[1, np.nan, 2]), {}, "1 embeddings hold NaN or values above"),
        (rows(a=[1, 0, 2], b=[1, 0, 2]), {}, "1 embeddings are all zeros"),
        (rows(identity=["ann", None, "bob"]), {}, "identity holds no text in row 1"),
        ({"identity": ["ann", "bob"]}, {}, "holds no columns of embeddings"),
        ({"identity": ["ann", "bob"], "a": [1.0, 2]}, {}, "d >= 2 is needed"),
    ],
)
def test_tables_that_hold_no_embeddings_are_refused(
    content: dict[str, Any], settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    pandas.DataFrame(content).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UserError, match=said):
        EmbeddingsData(EmbeddingTable(str(tmp_path / "t.csv"), **settings)).prepare(tmp_path)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"\x00damaged")])
@pytest.mark.parametrize("name", ["t.npz", "t.parquet"])
def test_missing_and_damaged_tables_are_named(name: str, spoil: Callable[[Path], Any], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    spoil(tmp_path / name)
    with pytest.raises(UserError, match=name):
        EmbeddingTable(str(tmp_path / name)).read()


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", embeddings=np.array([Opened()], object), identity=np.zeros(1))
    with pytest.raises(UserError, match="cannot be read"):
        EmbeddingTable(str(tmp_path / "t.npz")).read()


def test_embeddings_come_back_from_files(finished: Finished, tmp_path: Path) -> None:
    source = EmbeddingTable(finished.path("embeddings.npz"), attributes=["sex"])
    raw, data = source.read(), through_files(EmbeddingsData(source), tmp_path / "data")
    assert not data.has_images
    assert data.labels == {"sex": ["f", "m"]}
    known = {row.tobytes(): who for row, who in zip(raw.samples, raw.identities, strict=True)}
    for part in (data.train, data.auxiliary, data.enrolment, data.probe):
        assert [known[row.tobytes()] for row in part.samples] == part.identities.tolist()
