"""Loaders of identities, on files made here, on real ones where they are, and on files that cannot be used."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from veilbench.bench.errors import UserError
from veilbench.families.templates.data.identities import IdentitiesData
from veilbench.families.templates.data.loaders.identity_npz import IdentityNpz
from veilbench.families.templates.data.loaders.image_folder import ImageFolder
from veilbench.families.templates.data.loaders.sklearn_faces import SklearnFaces
from veilbench.images.image_file import SUFFIXES

SHARED = Path(os.environ.get("VEILBENCH_SHARED_DATA") or Path(__file__).parents[5].parent / "shared" / "data")


def some(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def folder_of(root: Path, people: dict[str, list[str]], size: tuple[int, int] = (12, 10)) -> Path:
    for who, names in people.items():
        (root / who).mkdir(parents=True)
        for number, name in enumerate(names):
            Image.fromarray(some(size, number)).save(root / who / name)
    return root


def test_a_folder_is_read_in_natural_order_and_what_is_no_image_is_passed_by(tmp_path: Path) -> None:
    folder_of(tmp_path, {"s10": ["1.png", "10.png", "2.png"], "s2": ["a.bmp", "b.tif", "c.pgm"], ".hidden": ["1.png"]})
    (tmp_path / "README.txt").write_text("not an image")
    (tmp_path / "s2" / "notes.txt").write_text("not an image")
    raw = ImageFolder(str(tmp_path)).read()
    assert raw.identities.tolist() == [0, 0, 0, 1, 1, 1]
    assert raw.impressions.tolist() == [0, 1, 2] * 2
    assert (raw.samples[0, 0] == some((12, 10), 0)).all()  # s2/a.bmp
    assert (raw.samples[4, 0] == some((12, 10), 2)).all()  # s10/2.png comes before s10/10.png
    assert (raw.samples[5, 0] == some((12, 10), 1)).all()


def test_subfolders_and_a_file_under_two_people_are_noted(tmp_path: Path) -> None:
    folder_of(tmp_path, {"a": ["1.png"], "b": ["x.png", "y.png"], "a/older": ["1.png"]})
    notes = ImageFolder(str(tmp_path)).read().notes
    assert "a: 1 subfolders such as older are not read" in notes
    assert "a/1.png and b/x.png are the same image, under two people" in notes
    assert not any("y.png" in note for note in notes)


def test_a_blank_image_is_named_by_its_file(tmp_path: Path) -> None:
    folder_of(tmp_path / "images", {"a": ["1.png", "2.png"], "b": ["1.png"]})
    Image.fromarray(np.full((12, 10), 7, np.uint8)).save(tmp_path / "images" / "b" / "blank.png")
    with pytest.raises(UserError, match=r"1 images are blank; the first is .*b.blank\.png"):
        IdentitiesData(ImageFolder(str(tmp_path / "images"))).prepare(tmp_path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    smooth = np.add.outer(np.arange(32), np.arange(24)).astype(np.uint8) * 3
    (tmp_path / "who").mkdir()
    Image.fromarray(smooth).save(tmp_path / "who" / f"one{suffix}")
    read = ImageFolder(str(tmp_path)).read().samples[0, 0]
    assert np.abs(read.astype(int) - smooth).max() <= (4 if "jp" in suffix else 0)


def test_colour_and_sixteen_bits_become_grey(tmp_path: Path) -> None:
    (tmp_path / "who").mkdir()
    Image.fromarray(np.full((9, 9, 3), (255, 0, 0), np.uint8)).save(tmp_path / "who" / "1_red.png")
    Image.fromarray(np.full((9, 9), 65535, np.uint16)).save(tmp_path / "who" / "2_deep.png")
    red, deep = ImageFolder(str(tmp_path)).read().samples
    assert (red == 76).all()  # 0.299 * 255, ITU-R BT.601
    assert (deep == 255).all()


def test_images_of_several_sizes_need_a_size(tmp_path: Path) -> None:
    folder_of(tmp_path, {"a": ["1.png"]})
    folder_of(tmp_path, {"b": ["1.png"]}, (20, 20))
    with pytest.raises(UserError, match=r"set data\.source\.size, as \[height"):
        ImageFolder(str(tmp_path)).read()
    assert ImageFolder(str(tmp_path), (16, 14)).read().samples.shape == (2, 1, 16, 14)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\nbroken"])
def test_a_file_that_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    folder_of(tmp_path, {"a": ["1.png"]})
    (tmp_path / "a" / "2.png").write_bytes(content)
    with pytest.raises(UserError, match=r"2\.png cannot be read: "):
        ImageFolder(str(tmp_path)).read()


def test_a_cut_off_image_is_named(tmp_path: Path) -> None:
    folder_of(tmp_path, {"a": ["1.png"]}, (64, 64))
    whole = (tmp_path / "a" / "1.png").read_bytes()
    (tmp_path / "a" / "1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"1\.png cannot be read: "):
        ImageFolder(str(tmp_path)).read()


def test_a_folder_that_is_empty_or_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no images"):
        ImageFolder(str(tmp_path)).read()
    with pytest.raises(UserError, match="there is no such folder"):
        ImageFolder(str(tmp_path / "absent")).read()


def test_an_npz_file_is_read_by_the_names_of_its_arrays(tmp_path: Path) -> None:
    images, who = some((6, 9, 8)), np.array(["b", "a", "b", "a", "c", "c"])
    np.savez(tmp_path / "x.npz", X=images, y=who, n=np.arange(6))
    raw = IdentityNpz(str(tmp_path / "x.npz"), "X", "y").read()
    assert (raw.samples[:, 0] == images).all()
    assert raw.identities.tolist() == [1, 0, 1, 0, 2, 2]
    assert raw.impressions.tolist() == [0, 0, 1, 1, 0, 1]
    assert IdentityNpz(str(tmp_path / "x.npz"), "X", "y", "n").read().impressions.tolist() == list(range(6))
    np.savez(tmp_path / "floats.npz", X=images[:, None] / 255, y=who)
    assert (IdentityNpz(str(tmp_path / "floats.npz"), "X", "y").read().samples == raw.samples).all()


def test_an_npz_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with pytest.raises(UserError, match="no file"):
        IdentityNpz(str(path)).read()
    path.write_bytes(b"no zip")
    with pytest.raises(UserError, match="cannot be read"):
        IdentityNpz(str(path)).read()
    with zipfile.ZipFile(path, "w") as file:  # a header that ends within a bracket
        for name in ("images.npy", "identities.npy"):
            file.writestr(name, b"\x93NUMPY\x01\x00" + (32).to_bytes(2, "little") + b"{'descr': ('<f8'".ljust(32))
    with pytest.raises(UserError, match="cannot be read"):
        IdentityNpz(str(path)).read()
    for arrays, said in [
        ({"images": some((3, 9, 9))}, "no array identities; it has: images"),
        ({"images": some((3, 9, 9)), "identities": np.arange(2)}, "identities has shape"),
        ({"images": some((3, 9, 9, 3)), "identities": np.arange(3)}, "images have shape"),
        ({"images": some((3, 9, 9)) * 1.0, "identities": np.arange(3)}, "uint8, or floats in"),
        ({"images": np.array([{}] * 3), "identities": np.arange(3)}, "cannot be read"),  # would be unpickled
    ]:
        np.savez(path, **arrays)
        with pytest.raises(UserError, match=said):
            IdentityNpz(str(path)).read()


def test_names_with_blanks_are_one_identity_and_those_that_differ_in_case_are_noted(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", images=some((4, 9, 9)), identities=np.array(["eve", "eve ", "Ida", "ida"]))
    raw = IdentityNpz(str(tmp_path / "f.npz")).read()
    assert raw.identities.tolist() == [1, 1, 0, 2]
    assert raw.impressions.tolist() == [0, 1, 0, 0]
    assert "whitespace around 1 texts was removed" in raw.notes[0]
    assert raw.notes[1] == "the identities 'Ida' and 'ida' count as different ones"


def test_identities_and_impressions_must_be_whole_numbers_or_words(tmp_path: Path) -> None:
    for identities, numbers, said in [
        (np.array([1.0, np.nan, 2.0]), np.arange(3), "identities does not hold classes but numbers such as nan"),
        (np.array([1.5, 1.5, 2.0]), np.arange(3), "numbers such as 1.5"),
        (np.arange(3), np.array([0.5, 1.0, 2.0]), "n of type float64 must hold only integers"),
        (np.arange(3), np.array([np.nan, 1.0, 2.0]), "n of type float64 must hold only integers"),
    ]:
        np.savez(tmp_path / "f.npz", images=some((3, 9, 9)), identities=identities, n=numbers)
        with pytest.raises(UserError, match=said):
            IdentityNpz(str(tmp_path / "f.npz"), impressions="n").read()


@pytest.mark.parametrize(
    ("file", "names", "people", "each", "size"),
    [
        ("faces_orl/orl.npz", ("X", "y", None), 40, 10, (112, 92)),
        ("fingerprints/fvc2000_db1_b.npz", ("X", "finger", "impression"), 10, 8, (300, 300)),
    ],
)
def test_the_real_sets_are_read_whole(
    file: str, names: tuple[str, str, str | None], people: int, each: int, size: tuple[int, int]
) -> None:
    if not (SHARED / file).is_file():
        pytest.skip(f"{SHARED / file} is absent")
    raw = IdentityNpz(str(SHARED / file), *names).read()
    assert raw.samples.shape == (people * each, 1, *size)
    assert np.bincount(raw.identities).tolist() == [each] * people
    assert len(set(zip(raw.identities.tolist(), raw.impressions.tolist(), strict=True))) == people * each


@pytest.mark.parametrize("name", ["olivetti", "lfw"])
def test_faces_that_cannot_be_fetched_are_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr("urllib.request.urlretrieve", unreachable)
    monkeypatch.setattr("sklearn.datasets._base.urlretrieve", unreachable, raising=False)
    with pytest.raises(UserError, match=f"the faces {name} are not on this machine"):
        SklearnFaces(name, str(tmp_path)).read()  # type: ignore[arg-type]


def test_fetched_faces_become_identities(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.utils import Bunch

    images, people = some((4, 64, 64)) / np.float32(255), np.array([3, 3, 5, 5])
    asked: dict[str, object] = {}

    def fetched(**settings: object) -> Bunch:
        asked.update(settings)
        return Bunch(images=images, target=people)

    monkeypatch.setattr("sklearn.datasets.fetch_lfw_people", fetched)
    raw = SklearnFaces("lfw", fewest=7, shrink=0.4).read()
    assert (raw.samples[:, 0] == some((4, 64, 64))).all()
    assert raw.impressions.tolist() == [0, 1, 0, 1]
    assert asked["min_faces_per_person"] == 7
    assert asked["resize"] == 0.4
