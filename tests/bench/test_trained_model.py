"""Saved models: the round trip, and files that are not valid models."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import TrainedModel, load_trained_model
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.plaintext import Plaintext
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.schemes.codebook import CodebookCipher

NETWORK = {"encrypter": [91, 9], "decrypter": [9, 91], "slope": 0.3, "travels": "bits", "centred": False, "members": 1}
SHAPES = {"encrypter.weights.0": (1, 91, 9), "encrypter.biases.0": (1, 1, 9)}
SHAPES |= {"decrypter.weights.0": (1, 9, 91), "decrypter.biases.0": (1, 1, 91)}
WEIGHTS = {name: np.ones(shape, np.float32) for name, shape in SHAPES.items()}


@pytest.fixture(autouse=True)
def nothing_is_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every test fail that unpickles, with valid and with damaged files."""

    def refuse(*args: Any, **settings: Any) -> None:
        raise AssertionError("something was unpickled")

    for place in (pickle, torch):
        monkeypatch.setattr(place, "load", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    monkeypatch.setattr(np, "load", refuse)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    Substitution([8, 20], chunk=3, seed=1).save(tmp_path)
    return tmp_path


def edit_head(folder: Path, **changes: Any) -> None:
    head = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(head | changes))


def refusal(folder: Path) -> str:
    """Return the one-line error that refuses a folder."""
    with pytest.raises(UserError) as refused:
        load_trained_model(folder)
    message = str(refused.value)
    assert str(folder) in message
    return message


@pytest.mark.parametrize(
    "model",
    [
        Substitution([32]),
        Substitution([7, 64, 9], chunk=4),
        AesCtr(np.arange(32, dtype=np.uint8)),
        Plaintext(),
        CodebookCipher(
            np.zeros((1, 91, 2), np.uint8),
            np.array([9]),
            np.zeros((1, 91), np.uint8),
            network=(NETWORK, WEIGHTS),
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_is_saved_comes_back(model: TrainedModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    back = load_trained_model(tmp_path)
    assert back.settings() == model.settings()
    assert back.arrays().keys() == model.arrays().keys()
    for name, array in model.arrays().items():
        np.testing.assert_array_equal(back.arrays()[name], array, strict=True)


def test_a_restored_cipher_encrypts_as_the_saved_one(saved: Path) -> None:
    cipher, back = Substitution([8, 20], chunk=3, seed=1), load_trained_model(saved)
    assert isinstance(back, CodebookCipher)
    message = np.arange(91, dtype=np.uint8)
    one, other = (c.encrypt(message, np.random.default_rng(2)) for c in (cipher, back))
    np.testing.assert_array_equal(one.codes, other.codes)
    np.testing.assert_array_equal(one.members, other.members)


def test_an_array_that_is_a_view_is_saved_as_it_reads(tmp_path: Path) -> None:
    key = np.arange(64, dtype=np.uint8)[::2]
    AesCtr(key).save(tmp_path)
    np.testing.assert_array_equal(load_trained_model(tmp_path).arrays()["key"], key)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    assert refusal(saved) == f"{saved} holds no trained model: {name} is missing"


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"{}", b"\xff\xfe"])
@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_damaged_file_is_refused(saved: Path, name: str, content: bytes) -> None:
    (saved / name).write_bytes(content)
    refusal(saved)


def test_a_truncated_file_is_refused(saved: Path) -> None:
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "damaged" in refusal(saved)


def test_a_pickle_in_place_of_the_arrays_is_refused(saved: Path) -> None:
    (saved / "model.safetensors").write_bytes(pickle.dumps({"key": np.zeros(32, np.uint8)}))
    assert "damaged" in refusal(saved)


@pytest.mark.parametrize(
    "kind", ["os.system", "builtins.eval", "veilbenches.model.TrainedModel", "", ".veilbench.x", None]
)
def test_a_class_from_elsewhere_is_refused_before_it_is_imported(
    saved: Path, kind: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit_head(saved, **{"class": kind})
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"{name} was imported"))
    assert "only classes of veilbench may be named" in refusal(saved)


@pytest.mark.parametrize("kind", ["veilbench.nowhere.Cipher", "veilbench.families.ciphers.baselines.aes_ctr.Gone"])
def test_a_class_of_another_version_is_refused(saved: Path, kind: str) -> None:
    edit_head(saved, **{"class": kind})
    assert kind in refusal(saved)


@pytest.mark.parametrize(
    "kind", ["veilbench.bench.findings.Metric", "veilbench.bench.trained_model.load_trained_model"]
)
def test_a_class_that_is_no_subject_is_refused(saved: Path, kind: str) -> None:
    edit_head(saved, **{"class": kind})
    assert kind in refusal(saved)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_format_is_refused(saved: Path, version: object) -> None:
    edit_head(saved, format=version)
    assert "format 1" in refusal(saved)


def test_missing_arrays_and_settings_are_refused(saved: Path) -> None:
    edit_head(saved, settings={})
    assert "chunk" in refusal(saved)
    Plaintext().save(saved)
    edit_head(saved, **{"class": "veilbench.families.ciphers.baselines.aes_ctr.AesCtr"})
    assert "key" in refusal(saved)


def test_a_key_of_a_wrong_length_is_refused(tmp_path: Path) -> None:
    AesCtr(np.zeros(31, np.uint8)).save(tmp_path)
    with pytest.raises(UserError, match=r"key has shape \[31\], \[32\] is needed"):
        load_trained_model(tmp_path)
