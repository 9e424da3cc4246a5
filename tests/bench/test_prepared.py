"""Prepared folders that were damaged or edited by hand: each gives a one-line error that names the problem."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from veilbench.bench.errors import UserError
from veilbench.bench.prepared import field
from veilbench.families.autoencoders.data.loaders.patch_folder import PatchFolder
from veilbench.families.autoencoders.data.loaders.whole_images import WholeImages
from veilbench.families.autoencoders.data.photographs import PhotographsData
from veilbench.families.autoencoders.data.raw import Raw
from veilbench.families.autoencoders.data.rows import RowsData
from veilbench.families.ciphers.data.text import PARTS, TextData
from veilbench.families.mail.data.clients import EqualClients
from veilbench.families.mail.data.mail import MailData
from veilbench.families.mail.data.raw_mails import RawMails
from veilbench.families.mail.data.tokeniser import Tokeniser
from veilbench.families.templates.data.identities import IdentitiesData
from veilbench.families.templates.data.raw_identities import RawIdentities

Arrays = dict[str, np.ndarray]
Change = Callable[[Arrays], object]


class Given:
    """A source that returns given data."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def read(self, *_: object) -> Any:
        return self.raw


def rows() -> RowsData:
    x = np.random.default_rng(0).random((60, 2))
    return RowsData(Given(Raw(x, np.arange(60) % 3, ["a", "b"], ["u", "v", "w"])))


def one_class() -> RowsData:
    x = np.random.default_rng(0).random((60, 2))
    return RowsData(Given(Raw(x, np.arange(60) % 3, ["a", "b"], ["u", "v", "w"])), normal=["u", "v"])


def identities() -> IdentitiesData:
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    people = np.repeat(np.arange(10), 4)
    kinds = {"kind": people % 2}
    return IdentitiesData(Given(RawIdentities(images, people, np.tile(np.arange(4), 10), kinds, {"kind": ["p", "q"]})))


def mails(vocabulary: Any = "hashed") -> MailData:
    texts = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)} buy now" for i in range(200)]
    raw = RawMails(texts, np.arange(200) % 2, np.zeros(200, np.int64))
    return MailData(Given(raw), Tokeniser(vocabulary, 50, 4), EqualClients(3))


def spoilt(data: Any, folder: Path, change: Change | None = None, about: Change | None = None) -> str:
    """Change a prepared folder, and return the error with which the data set refuses it."""
    data.prepare(folder)
    data.load(folder)  # valid before the change
    file = next(folder.glob("*.safetensors"))
    if change is not None:
        arrays = dict(load_file(file))
        change(arrays)
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, file)
    if about is not None:
        told = json.loads((folder / "about.json").read_text())
        about(told)
        (folder / "about.json").write_text(json.dumps(told))
    with pytest.raises(UserError) as refused:
        data.load(folder)
    line = str(refused.value)
    assert line.startswith(f"the prepared data in {folder} is damaged: ")
    assert line.endswith("; run `dvc repro -f prepare`")
    assert "\n" not in line
    return line


def put(name: str, value: Any, *place: int) -> Change:
    """Change one value of an array, or replace the array."""

    def change(arrays: Arrays) -> None:
        if place:
            arrays[name] = arrays[name].copy()
            arrays[name][place] = value
        else:
            arrays[name] = value

    return change


def become(name: str, how: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Replace an array by the result of a function."""
    return lambda arrays: arrays.__setitem__(name, how(arrays[name]))


def without(name: str) -> Change:
    return lambda arrays: arrays.pop(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("train_y", 7, 3), "train_y holds 7 at [3], at most 2 is needed"),
        (put("test_y", -1, 0), "test_y holds -1 at [0], at least 0 is needed"),
        (put("auxiliary_x", np.nan, 2, 1), "auxiliary_x holds nan at [2, 1], finite values are needed"),
        (put("test_x", np.inf, 2, 1), "test_x holds inf at [2, 1], finite"),
        (without("validation_y"), "the array validation_y is missing; there are: auxiliary_x"),
        (become("train_y", lambda y: y[:-1]), "train_y has shape [29], [30] is needed"),
        (become("train_y", lambda y: y.astype(np.int32)), "train_y is of type int32, int64 is needed"),
        (become("train_y", lambda y: y.astype(np.float64)), "train_y is of type float64, int64 is needed"),
        (become("train_x", lambda x: x.astype(np.float64)), "train_x is of type float64, float32 is needed"),
        (become("test_x", lambda x: x[:, :1]), "test_x has shape [12, 1], [any, 2] is needed"),
        (become("test_x", lambda x: x[:, 0]), "test_x has shape [12], rows of a table or of images"),
        (put("test_x", np.zeros((0, 2), np.float32)), "test_x has shape [0, 2], rows of a table or of images"),
    ],
)
def test_rows_whose_arrays_are_not_as_they_must_be(change: Change, said: str, tmp_path: Path) -> None:
    assert said in spoilt(rows(), tmp_path, change)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (put("labels", ["u", "v"]), "y holds 2 at"),
        (put("labels", "uvw"), "labels in about.json holds 'uvw': Input should be a valid list"),
        (put("labels", ["u", "u", "w"]), "labels in about.json repeat: u, u, w"),
        (put("features", ["a"]), "there are 1 features in about.json for rows of shape [2]"),
        (put("features", ["a", 3]), "features in about.json holds 3: Input should be a valid string"),
        (put("one_class", 1), "one_class in about.json holds 1: Input should be a valid boolean"),
        (put("one_class", True), "a one-class split needs the labels normal and anomaly"),
        (without("notes"), "notes is missing in about.json"),
    ],
)
def test_rows_of_which_something_wrong_is_told(about: Change, said: str, tmp_path: Path) -> None:
    assert said in spoilt(rows(), tmp_path, about=about)


def test_anomalies_are_in_the_test_alone(tmp_path: Path) -> None:
    assert "validation_y holds anomalies" in spoilt(one_class(), tmp_path, put("validation_y", 1, 0))
    assert "and both of them in test_y" in spoilt(one_class(), tmp_path, become("test_y", np.zeros_like))


def test_a_file_that_is_no_object_is_told(tmp_path: Path) -> None:
    data = rows()
    data.prepare(tmp_path)
    for content, said in (("[1, 2]", "about.json holds [1, 2], an object is needed"), ("{", "Expecting property name")):
        (tmp_path / "about.json").write_text(content)
        with pytest.raises(UserError, match="is damaged") as refused:
            data.load(tmp_path)
        assert said in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (become("probe.images", lambda x: x.astype(np.float32)), "probe.images is of type float32, uint8 is needed"),
        (become("probe.images", lambda x: x[..., :7]), "probe.images has shape"),
        (become("train.images", lambda x: x[:, 0]), "train.images has shape [20, 8, 8], [any, 1, any, any] is needed"),
        (put("train.images", np.zeros((0, 1, 8, 8), np.uint8)), "train.images is empty"),
        (put("train.identities", -4, 0), "train.identities holds -4 at [0], at least 0 is needed"),
        (put("train.attribute_kind", 2, 5), "train.attribute_kind holds 2 at [5], at most 1 is needed"),
        (without("probe.attribute_kind"), "the array probe.attribute_kind is missing"),
        (put("probe.attribute_age", np.zeros(3, np.int64)), "probe.attribute_age has no words in about.json"),
        (put("probe.identities", 99, 0), "probe.identities holds 99, which is not enrolled"),
        (become("enrolment.impressions", lambda n: n[1:]), "enrolment.impressions has shape [2], [3] is needed"),
    ],
)
def test_identities_whose_arrays_are_not_as_they_must_be(change: Change, said: str, tmp_path: Path) -> None:
    assert said in spoilt(identities(), tmp_path, change)


@pytest.mark.parametrize(("one", "other"), [("train", "auxiliary"), ("train", "enrolment"), ("auxiliary", "enrolment")])
def test_nobody_is_in_two_parts(one: str, other: str, tmp_path: Path) -> None:
    def mixed(arrays: Arrays) -> None:
        arrays[f"{one}.identities"] = arrays[f"{one}.identities"].copy()
        arrays[f"{one}.identities"][0] = arrays[f"{other}.identities"][0]

    assert f"is both in {one}.identities and in {other}.identities" in spoilt(identities(), tmp_path, mixed)


def test_words_of_attributes_are_lists_of_words(tmp_path: Path) -> None:
    assert "labels in about.json holds ['p', 'q']" in spoilt(identities(), tmp_path, about=put("labels", ["p", "q"]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("train_tokens", 52, 0, 0), "train_tokens holds 52 at [0, 0], at most 51 is needed"),
        (put("train_tokens", -1, 0, 0), "train_tokens holds -1 at [0, 0], at least 0 is needed"),
        (become("test_tokens", lambda t: t[:, :2]), "test_tokens has shape [20, 2], [any, 4] is needed"),
        (become("test_tokens", lambda t: t.astype(np.int64)), "test_tokens is of type int64, int32 is needed"),
        (put("test_labels", 2, 0), "test_labels holds 2 at [0], at most 1 is needed"),
        (become("test_topics", lambda t: t[:3]), "test_topics has shape [3], [20] is needed"),
        (become("clients", lambda c: c[1:]), "clients has shape [159], [160] is needed"),
        (put("clients", -1, 0), "clients holds -1 at [0], at least 0"),
        (become("rare", lambda r: r[1:]), "rare has shape [201], [202] is needed"),
        (become("lexicon", lambda w: w[:-1]), "a line break is needed"),
        (put("lexicon", 255, 0), "can't decode byte 0xff"),
        (put("vocabulary_buckets", np.array([0])), "a vocabulary has words or buckets, got 0 words, 0 buckets"),
        (put("vocabulary_buckets", np.array([9.5])), "vocabulary_buckets is of type float64, int64 is needed"),
        (put("vocabulary_buckets", np.array([10])), "at most 11 is needed"),
    ],
)
def test_mails_whose_arrays_are_not_as_they_must_be(change: Change, said: str, tmp_path: Path) -> None:
    assert said in spoilt(mails(), tmp_path, change)


def test_what_is_told_of_mails_is_words(tmp_path: Path) -> None:
    said = spoilt(mails("clients"), tmp_path, about=put("vocabulary_from", 3))
    assert "vocabulary_from in about.json holds 3: Input should be a valid string" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ".txt is empty"),
        (b"ab{c", ".txt: character '{' at position 2 is outside the alphabet"),
        (b"ab\nc", ".txt: character '\\n' at position 2 is outside"),
        ("abü".encode(), "at position 2 is outside the alphabet"),
    ],
)
def test_texts_that_are_none(content: bytes, said: str, tmp_path: Path) -> None:
    data = TextData((20, 20), docstrings=False)
    data.prepare(tmp_path)
    for part in PARTS:
        whole = (tmp_path / f"{part}.txt").read_bytes()
        (tmp_path / f"{part}.txt").write_bytes(content)
        with pytest.raises(UserError, match="is damaged") as refused:
            data.load(tmp_path)
        assert f"{part}.txt" in str(refused.value)
        assert said in str(refused.value)
        (tmp_path / f"{part}.txt").write_bytes(whole)
    data.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("000000", 2, 0, 0, 0), "000000 holds 2.0 at [0, 0, 0], at most 1 is needed"),
        (put("000000", np.zeros((3, 9, 9), np.float32)), "000000 has shape [3, 9, 9], [1, any, any] is needed"),
        (put("000001", np.zeros((1, 9, 9), np.float32)), "there are 1 names in about.json for 2 arrays"),
    ],
)
def test_whole_images_that_do_not_fit_their_patches(change: Change, said: str, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "b.txt").write_text("no image")
    folder = str(tmp_path / "images")
    data = PhotographsData(PatchFolder(folder, 8, grey=True), WholeImages(folder, True), [0.7, 0.1, 0.1, 0.1])
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    data.prepare(prepared)
    assert data.load(prepared).notes[-1] == "images: 1 files such as b.txt are no images and left out"
    file = prepared / "wholes" / "rows.safetensors"
    arrays = dict(load_file(file))
    change(arrays)
    save_file(arrays, file)
    with pytest.raises(UserError, match="wholes is damaged") as refused:
        data.load(prepared)
    assert said in str(refused.value)


def test_a_field_is_converted_to_nothing() -> None:
    assert field({"a": ["x"]}, "a", list[str]) == ["x"]
    with pytest.raises(ValueError, match=r"a in about\.json holds '1': Input should be a valid integer"):
        field({"a": "1"}, "a", int)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"labels": np.array([0, 1, 2.5])}, "labels of shape (3,) and type float64 for 3 mails"),
        ({"topics": np.array([0, -1, 1])}, "a whole number from 0 for each is needed"),
        ({"topics": np.array([0, 1])}, "topics of shape (2,)"),
    ],
)
def test_mails_without_a_label_and_a_topic_each_are_refused_before_they_are_written(
    spoil: dict[str, np.ndarray], said: str, tmp_path: Path
) -> None:
    raw = RawMails(**{"texts": ["a", "b", "c"], "labels": np.zeros(3, int), "topics": np.zeros(3, int), **spoil})  # type: ignore[arg-type]
    with pytest.raises(UserError) as refused:
        MailData(Given(raw), Tokeniser(), EqualClients(1)).prepare(tmp_path)
    assert said in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_of_several_wrong_entries_the_first_is_named() -> None:
    with pytest.raises(ValueError, match=r"a in about\.json holds 'first'"):
        field({"a": [1, "first", "second"]}, "a", list[int])
    with pytest.raises(ValueError, match=r"a is missing in about\.json"):
        field({"b": 1}, "a", int)
