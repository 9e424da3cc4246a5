"""Search against plain loops; keys and fingerprints."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import pytest
from desk import dataset

from veilbench.bench.errors import UserError
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.iom_grp import IomGrp
from veilbench.families.templates.schemes.lattice_fuzzy_extractor import LatticeFuzzyExtractor
from veilbench.families.templates.schemes.polyprotect import Polyprotect
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.store import user_key
from veilbench.families.templates.store.fingerprint import fingerprint
from veilbench.families.templates.store.gallery import Gallery
from veilbench.families.templates.store.packing import Packing
from veilbench.families.templates.store.recognition import rank_people
from veilbench.families.templates.store.template_store import TemplateStore

PCA = ImageExtractor("pixels", 32)
SCHEMES: dict[str, TemplateScheme] = {
    "biohash": Biohash(PCA, 29),
    "biohash_words": Biohash(ImageExtractor("pixels", 64), 64),
    "iom": IomGrp(PCA, 50, 8),
    "random_projection": RandomProjection(PCA, 24),
    "polyprotect": Polyprotect(PCA),
    "lattice": LatticeFuzzyExtractor(PCA, 2.0),
}


def made(scheme: TemplateScheme) -> tuple[TemplateScheme, np.ndarray, np.ndarray]:
    """A fitted scheme, templates of 80 images and of 7 probes."""
    data = dataset()
    fitted = scheme.fit(data, np.random.default_rng(0))
    images = np.concatenate([data.enrolment.images, data.probe.images])
    probes = np.clip(images[:7] + np.random.default_rng(1).normal(0, 0.05, images[:7].shape), 0, 1).astype(np.float32)
    return fitted, *(fitted.enroll(some, np.full(len(some), 5, np.uint64)) for some in (images, probes))


@pytest.mark.parametrize("library", ["faiss", "numpy"])
@pytest.mark.parametrize("name", SCHEMES)
def test_search_is_that_of_a_loop(name: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if library == "numpy":
        monkeypatch.setitem(sys.modules, "faiss", None)
    elif name.startswith("biohash"):
        pytest.importorskip("faiss")
    monkeypatch.setattr("veilbench.families.templates.store.gallery.AT_ONCE", 33)
    scheme, enrolled, probes = made(SCHEMES[name])
    packing = Packing.of(scheme, enrolled)
    np.testing.assert_array_equal(packing.unpack(packing.pack(enrolled)), enrolled)
    gallery = Gallery(scheme, packing, packing.pack(enrolled))
    assert (gallery.index is not None) == (packing.bits and library == "faiss")
    likeness, places = gallery.nearest(packing.pack(probes), 9)
    assert likeness.shape == places.shape == (7, 9)
    for probe, likest, found in zip(probes, likeness, places, strict=True):
        loop = np.array([scheme.compare(probe[None], row[None])[0] for row in enrolled])
        np.testing.assert_allclose(likest, np.sort(loop)[::-1][:9], atol=1e-6)
        np.testing.assert_allclose(loop[found], likest, atol=1e-6)
        assert len(set(found.tolist())) == 9
    assert gallery.nearest(packing.pack(probes), 1000)[1].shape == (7, 80)


@pytest.mark.parametrize("top", [1, 3, 100])
def test_people_are_ranked_by_their_best_template(top: int) -> None:
    scheme, enrolled, probes = made(SCHEMES["random_projection"])
    packing = Packing.of(scheme, enrolled)
    rng = np.random.default_rng(4)
    owners = rng.integers(0, 12, len(enrolled))
    store = TemplateStore.empty("", "", (24, 24), packing, "")
    for row, owner in zip(enrolled, owners, strict=True):
        store = store.with_template(f"person {owner}", "", row)
    rows = np.flatnonzero(rng.random(len(enrolled)) < 0.8)
    loop = []
    for probe in probes:
        best: dict[str, float] = {}
        for row in rows:
            name, likeness = f"person {owners[row]}", float(scheme.compare(probe[None], enrolled[row][None])[0])
            best[name] = max(likeness, best.get(name, -1.0))
        loop.append(sorted(best.items(), key=lambda pair: -pair[1])[:top])
    found = list(rank_people(scheme, store, rows, probes, top))
    assert [[name for name, _ in people] for people in found] == [[name for name, _ in people] for people in loop]
    np.testing.assert_allclose(
        [likeness for people in found for _, likeness in people],
        [likeness for people in loop for _, likeness in people],
        atol=1e-6,
    )


def test_the_fingerprint_is_of_all_that_templates_depend_on() -> None:
    data = dataset()
    scheme = Biohash(PCA, 29).fit(data, np.random.default_rng(0))
    again = type(scheme).restore(scheme.settings(), {name: array.copy() for name, array in scheme.arrays().items()})
    assert fingerprint(again) == fingerprint(scheme)
    other = scheme.arrays()["basis"].copy()
    other[3, 2] = np.nextafter(other[3, 2], np.float32(9))
    changed = type(scheme).restore(scheme.settings(), {**scheme.arrays(), "basis": other})
    fewer = Biohash(scheme.extractor, 28)
    assert len({fingerprint(one) for one in (scheme, changed, fewer)}) == 3


def test_half_a_key_is_not_left_in_the_way(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write .*key: File too large"):
            user_key.create(tmp_path / "key")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
    user_key.create(tmp_path / "key")


def test_what_is_derived_from_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    user_key.create(path)
    one, other = user_key.read(path), user_key.UserKey(bytes(32))
    assert user_key.read(path) == one
    assert one.secret.hex() not in repr(one)
    assert len({one.number(), other.number()}) == 2
    prints = [key.fingerprint(store) for key in (one, other) for store in ("a", "b")]
    assert len(set(prints)) == 4, "the same key is not recognised from one store to the other"
    assert not any(f"{int(key.number()):016x}"[:12] in mark for key in (one, other) for mark in prints)
    with pytest.raises(UserError, match="never overwritten"):
        user_key.create(path)
