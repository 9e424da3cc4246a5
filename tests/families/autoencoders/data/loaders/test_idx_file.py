"""Files in the idx format: written byte by byte, cut anywhere, and MNIST's own."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from veilbench.families.autoencoders.data.loaders.idx_file import IdxFiles
from veilbench.families.autoencoders.data.raw import Raw, Source

Refusal = Callable[[Source], str]
Reading = Callable[[Source], Raw]
IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 3, 2) * 10
LABELS = np.array([7, 1, 7, 9], np.uint8)


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + bytes(array.reshape(-1).tolist())


def written(folder: Path, images: bytes, labels: bytes) -> IdxFiles:
    (folder / "images").write_bytes(images)
    (folder / "labels").write_bytes(labels)
    return IdxFiles(str(folder / "images"), str(folder / "labels"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_images_and_labels_are_read_plain_or_gzipped(
    pack: Callable[[bytes], bytes], tmp_path: Path, reading: Reading
) -> None:
    raw = reading(written(tmp_path, pack(idx(IMAGES)), pack(idx(LABELS))))
    assert raw.x.shape == (4, 1, 3, 2)
    assert np.allclose(raw.x[:, 0] * 255, IMAGES)
    assert (raw.labels, raw.y.tolist()) == (["1", "7", "9"], [1, 0, 1, 2])
    assert reading(IdxFiles(str(tmp_path / "images"))).labels == ["all"]


def test_a_file_cut_anywhere_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    whole = idx(IMAGES)
    for length in range(len(whole)):
        said = refusal(written(tmp_path, whole[:length], idx(LABELS)))
        assert ("begins with" if length < 4 else "is cut short" if length < 16 else "says (4, 3, 2)") in said


def test_a_gzip_cut_anywhere_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    whole = gzip.compress(idx(IMAGES))
    for length in range(2, len(whole)):
        assert "is a damaged gzip file" in refusal(written(tmp_path, whole[:length], idx(LABELS)))


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (idx(IMAGES) + b"x", idx(LABELS), "says (4, 3, 2), 40 bytes with its head, but has 41"),
        (idx(LABELS), idx(IMAGES), "begins with 00 00 08 01; an idx file of unsigned bytes with 3 axes begins with"),
        (b"\x00\x00\x0d\x03" + idx(IMAGES)[4:], idx(LABELS), "begins with 00 00 0d 03"),
        (b"P5 3 2 255 ", idx(LABELS), "begins with 50 35 20 33"),
        (b"", idx(LABELS), "begins with nothing"),
        (idx(IMAGES), idx(LABELS[:3]), "holds 4 images"),
        (idx(IMAGES[:0]), idx(LABELS[:0]), "x of shape (0, 1, 3, 2)"),
    ],
)
def test_wrong_files_are_refused(images: bytes, labels: bytes, said: str, tmp_path: Path, refusal: Refusal) -> None:
    assert said in refusal(written(tmp_path, images, labels))


def test_a_missing_file_is_named(tmp_path: Path, refusal: Refusal) -> None:
    assert "images: there is no such file" in refusal(IdxFiles(str(tmp_path / "images")))


def test_mnist_is_read(shared: Path, reading: Reading) -> None:
    folder = shared / "mnist"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    names = [str(folder / f"t10k-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1")]
    raw = reading(IdxFiles(*names))
    assert raw.x.shape == (10000, 1, 28, 28)
    assert raw.labels == list("0123456789")
    assert np.bincount(raw.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
