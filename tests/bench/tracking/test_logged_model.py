"""Models that MLflow loads: one of each family, and what they answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from made_records import config, job, make
from mlflow import pyfunc
from mlflow.tracking import MlflowClient
from mlflow.utils.model_utils import _get_flavor_configuration

from veilbench.bench.tracking.logged_model import requirements, write_model_folder
from veilbench.bench.tracking.publishing import publish
from veilbench.bench.tracking.pyfunc import to_array
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.mail.data.vocabulary import Vocabulary
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.version import __version__

RNG = np.random.default_rng(0)
TEXTS = ["Hello world", "free money"]
IMAGES = RNG.random((3, 1, 24, 24), np.float32)
ROWS = RNG.random((20, 4), np.float32)


def loaded(model: TrainedModel, folder: Path) -> Any:
    """Save a model as a stage does, write it in MLflow's format, and load it."""
    (folder / "train").mkdir()
    (folder / "logged").mkdir()
    model.save(folder / "train")
    write_model_folder(folder / "logged", folder / "train", "m-1", "1")
    return pyfunc.load_model(str(folder / "logged"))


def filter_of_words() -> MailFilter:
    vocabulary = Vocabulary(["free", "money"])
    weights = {"embedding.weight": RNG.normal(size=(vocabulary.size, 1)), "bias.weight": np.zeros((1, 1))}
    return MailFilter({name: value.astype(np.float32) for name, value in weights.items()}, vocabulary, 8)


def pca() -> Pca:
    model = Pca(2)
    model.fitted_arrays = {"mean": ROWS.mean(0), "components": np.eye(2, 4, dtype=np.float32)}
    model.row_shape = (4,)
    return model


def test_a_cipher_encrypts_texts(tmp_path: Path) -> None:
    model = loaded(AesCtr().with_fresh_key(RNG), tmp_path)
    answers = [model.predict(inputs)["ciphertext"] for inputs in (pd.DataFrame({"text": TEXTS}), TEXTS)]
    assert model.predict(TEXTS)["decrypted"].tolist() == TEXTS
    for one, other, text in zip(*answers, TEXTS, strict=True):
        assert one != other  # each has a nonce of its own
        assert len(bytes.fromhex(one)) >= len(text)


def test_a_template_scheme_protects_images(tmp_path: Path) -> None:
    scheme = Biohash(ImageExtractor("pixels", None), bits=16)
    answer = loaded(scheme, tmp_path).predict(IMAGES)
    assert np.array_equal(answer["template"], scheme.enroll(IMAGES, np.zeros(3, np.uint64)))


def test_a_filter_gives_the_probability_of_spam(tmp_path: Path) -> None:
    model = filter_of_words()
    answer = loaded(model, tmp_path).predict(pd.DataFrame({"mail": TEXTS}))
    assert np.allclose(answer["spam"], model.score_texts(TEXTS))


def test_an_autoencoder_reconstructs_and_scores_rows(tmp_path: Path) -> None:
    """A projection onto the first two features keeps them, and replaces the others by their means."""
    model = loaded(pca(), tmp_path)
    answer = model.predict(pd.DataFrame(ROWS.astype(np.float64)))
    expected = np.hstack([ROWS[:, :2], np.tile(ROWS[:, 2:].mean(0), (20, 1))])
    assert np.allclose(answer["reconstruction"], expected, atol=1e-6)
    assert np.allclose(answer["score"], ((ROWS - expected) ** 2).mean(1), atol=1e-6)
    assert model.get_raw_model().code == 2


def test_no_file_of_a_model_is_a_pickle_and_its_requirements_are_given(tmp_path: Path) -> None:
    loaded(pca(), tmp_path)
    files = sorted(str(path.relative_to(tmp_path / "logged")) for path in (tmp_path / "logged").rglob("*.*"))
    assert files == ["model/model.json", "model/model.safetensors", "python_env.yaml", "requirements.txt"]
    assert (tmp_path / "logged" / "requirements.txt").read_text().split() == requirements()
    assert f"veilbench=={__version__}" in requirements()
    assert not [one for one in requirements() if "+" in one]
    assert _get_flavor_configuration(str(tmp_path / "logged"), "python_function")["loader_module"].startswith("veil")


def test_a_published_record_has_its_model_and_a_run_cut_short_leaves_none(tmp_path: Path, store: Path) -> None:
    record = make(tmp_path / "r", config())
    pca().save(record / "train")
    first = publish(job(record, config(), store))
    client = MlflowClient(f"sqlite:///{store}")
    group = client.get_experiment_by_name("veilbench").experiment_id
    (model,) = client.search_logged_models([group])
    assert (model.source_run_id, model.name, model.model_type, str(model.status)) == (first, "e", "ciphers", "READY")
    assert [one.model_id for one in client.get_run(first).outputs.model_outputs] == [model.model_id]
    described = yaml.safe_load((Path(model.artifact_location.removeprefix("file://")) / "MLmodel").read_text())
    assert (described["model_id"], described["run_id"]) == (model.model_id, first)
    client.update_run(first, "RUNNING")  # as if the publisher had been killed
    second = publish(job(record, config(), store))
    assert [one.source_run_id for one in client.search_logged_models([group])] == [second]


def test_a_published_run_has_its_data_set_and_its_times(tmp_path: Path, store: Path) -> None:
    record = make(tmp_path / "r", config())
    for at, stage in enumerate(("train", "evaluate", "attack")):
        run = {"started": 100.0 + at * 50, "ended": 105.0 + at * 50, "commit": "abc", "changed": {}}
        (record / stage / "run.json").write_text(json.dumps(run))
    run_id = publish(job(record, config(), store))
    client = MlflowClient(f"sqlite:///{store}")
    run = client.get_run(run_id)
    assert (run.info.start_time, run.info.end_time) == (100_000, 205_000)
    assert run.data.tags["mlflow.source.git.commit"] == "abc"
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("text", "e0prepare")
    children = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    assert sorted(child.info.end_time - child.info.start_time for child in children) == [5000] * 3


@pytest.mark.parametrize(
    ("inputs", "kind", "shape"),
    [
        (pd.DataFrame({"text": TEXTS}), "U", (2,)),
        (TEXTS, "U", (2,)),
        (np.array(TEXTS, object), "U", (2,)),
        (pd.DataFrame(ROWS.astype(np.float64)), "f", (20, 4)),
        (IMAGES.astype(np.float64), "f", (3, 1, 24, 24)),
        ([[1, 2], [3, 4]], "f", (2, 2)),
    ],
)
def test_inputs_become_arrays(inputs: Any, kind: str, shape: tuple[int, ...]) -> None:
    made = to_array(inputs)
    assert (made.dtype.kind, made.shape) == (kind, shape)
    assert kind == "U" or made.dtype == np.float32
