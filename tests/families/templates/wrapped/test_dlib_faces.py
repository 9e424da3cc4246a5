"""Descriptors of faces by dlib's network, which has no gradients here: precomputed embeddings in a table."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from finished import Finished
from veilbench.bench.experiment import part

dlib = pytest.importorskip("dlib", reason="dlib is not installed: pip install dlib-bin")
pytestmark = pytest.mark.slow

FACES = Path(__file__).parents[5] / "shared" / "data" / "faces_orl" / "orl.npz"
EACH, SIDE = 5, 150  # faces of each of the 40 people; pixels of dlib's input
NEED_IMAGES = ("template_inversion", "template_impersonation", "template_oracle")


def find_models() -> Path:
    """Return the folder of the files of weights; the package itself needs pkg_resources when it is imported."""
    found = find_spec("face_recognition_models")
    if found is None or not found.submodule_search_locations:
        pytest.skip("face-recognition-models is not installed: pip install face-recognition-models")
    return Path(found.submodule_search_locations[0]) / "models"


def describe(faces: np.ndarray) -> np.ndarray:
    """Return descriptors of grey faces, shape (n, height, width) to (n, 128); a face fills its image."""
    models = find_models()
    landmarks = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
    net = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))
    coloured = [np.asarray(Image.fromarray(face).convert("RGB").resize((SIDE, SIDE))) for face in faces]
    whole = dlib.rectangle(0, 0, SIDE - 1, SIDE - 1)
    return np.array([net.compute_face_descriptor(face, landmarks(face, whole)) for face in coloured])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not FACES.is_file():
        pytest.skip(f"{FACES} is absent")
    with np.load(FACES) as file:
        faces, people = file["X"], file["y"]
    rows = np.concatenate([np.flatnonzero(people == person)[:EACH] for person in np.unique(people)])
    numbers = pandas.DataFrame(describe(faces[rows])).add_prefix("d")
    path = tmp_path_factory.mktemp("dlib") / "faces.csv"
    pandas.concat([pandas.Series(people[rows], name="identity"), numbers], axis=1).to_csv(path, index=False)
    return path


def run(table: Path, name: str, *more: str) -> Finished:
    words = [f"data.source.path={table}", "data.split=[0.1,0.4,0.5]", "evaluation=[verification]", "seed=0"]
    return Finished(table.parent / name, f"experiment={name}", *words, *more)


def test_error_rates_of_open_descriptors_are_those_of_a_loop(table: Path) -> None:
    plain = run(table, "embeddings", "attack=[]")
    data = part(plain.config, "data").load(plain.folder / "prepared")
    genuine, impostors, first = [], [], []
    for probe, person in zip(data.probe.samples, data.probe.identities, strict=True):
        scores = {}
        for enrolled, other in zip(data.enrolment.samples, data.enrolment.identities, strict=True):
            scores[other] = float(probe @ enrolled / np.sqrt((probe @ probe) * (enrolled @ enrolled)))
            (genuine if other == person else impostors).append(scores[other])
        first.append(max(scores, key=lambda one: scores[one]) == person)
    rates = [(np.mean(np.array(impostors) >= t), np.mean(np.array(genuine) < t)) for t in genuine]
    found = plain.found("evaluate")["verification"]["metrics"]
    assert len(first) == 20 * (EACH - 1)
    assert found["rank1_own_token"]["value"] == pytest.approx(np.mean(first))
    assert found["eer_own_token"]["value"] == pytest.approx(min(max(pair) for pair in rates), abs=0.01)
    assert np.mean(first) > 0.8  # chance is 1 in 20


def test_biohash_on_descriptors_is_attacked_and_what_needs_images_says_so(table: Path) -> None:
    protected = run(table, "embeddings_biohash")
    metrics, attacked = protected.found("evaluate")["verification"]["metrics"], protected.found("attack")
    for name in ("rank1_own_token", "eer_own_token", "rank1_stolen_token", "eer_stolen_token"):
        print(name, *(metrics[name][end] for end in ("value", "low", "high")))
    for name, one in attacked.items():
        print(
            name, one["verdict"], one["gain"] and [one["gain"][end] for end in ("value", "low", "high")], one["reason"]
        )
    assert metrics["eer_own_token"]["value"] < metrics["eer_stolen_token"]["value"]
    for name in NEED_IMAGES:
        assert attacked[name]["verdict"] is None
        assert attacked[name]["reason"] == (
            "not applicable by construction: it examines ImageIdentities, and these are EmbeddedIdentities"
        )
    stolen = attacked["template_stolen_key"]
    assert stolen["gain"]["low"] > 0
    assert {control["kind"] for control in stolen["controls"]} == {"positive", "negative"}
