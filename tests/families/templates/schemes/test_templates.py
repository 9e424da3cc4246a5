"""Template schemes: each formula against a plain loop, keys that matter, what is saved and read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.image_extractor import ImageExtractor, compute_orientations
from veilbench.families.templates.schemes.iom_grp import IomGrp
from veilbench.families.templates.schemes.iom_urp import IomUrp
from veilbench.families.templates.schemes.lattice_fuzzy_extractor import (
    MODULUS,
    LatticeFuzzyExtractor,
    nearest_points,
)
from veilbench.families.templates.schemes.mlp_hash import MlpHash
from veilbench.families.templates.schemes.orthonormal import draw_orthonormal
from veilbench.families.templates.schemes.pca_template import PcaTemplate
from veilbench.families.templates.schemes.polyprotect import Polyprotect
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.families.templates.schemes.slerp_face import SlerpFace

PCA = ImageExtractor("pixels", 32)
SCHEMES: dict[str, TemplateScheme] = {
    "raw": RawTemplate(ImageExtractor("pixels", None)),
    "pca": PcaTemplate(PCA),
    "random_projection": RandomProjection(PCA, 24),
    "biohash": Biohash(PCA, 32),
    "iom_grp": IomGrp(PCA, 100, 8),
    "iom_urp": IomUrp(PCA, 100, 20, 2),
    "mlp_hash": MlpHash(PCA, [48, 40], 64),
    "polyprotect": Polyprotect(PCA, 5, 2),
    "slerp_face": SlerpFace(PCA, 0.8, 0.25, 8),
    "lattice_fuzzy_extractor": LatticeFuzzyExtractor(PCA, 2.0),
}
KEYED = [name for name, scheme in SCHEMES.items() if scheme.keyed]
KEY = np.uint64(2**63 + 11)


def part(people: int, each: int, seed: int) -> Impressions:
    """Smooth random images, the same for a person but for noise."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), each)
    faces = rng.normal(0, 0.2, (people, 1, 6, 6)).repeat(3, 2).repeat(3, 3)
    images = np.clip(0.5 + faces[who] + rng.normal(0, 0.05, (len(who), 1, 18, 18)), 0, 1).astype(np.float32)
    return Impressions(images, who, np.tile(np.arange(each), people), {})


@pytest.fixture(scope="module")
def data() -> Identities:
    test = part(30, 2, 3)
    parts = (part(40, 3, 1), part(10, 3, 2), test.subset(test.impressions == 0), test.subset(test.impressions == 1))
    return Identities(*parts, {}, [])


@pytest.fixture(scope="module")
def schemes(data: Identities) -> dict[str, TemplateScheme]:
    return {name: scheme.fit(data, np.random.default_rng(0)) for name, scheme in SCHEMES.items()}


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    rows = np.random.default_rng(5).normal(0, 1, (7, 32)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def made(scheme: TemplateScheme, features: np.ndarray) -> tuple[np.ndarray, np.random.Generator]:
    """Templates under KEY, and the generator that they come from."""
    return scheme.protect(features, np.full(len(features), KEY)), np.random.default_rng(int(KEY))


def test_random_projection_is_a_scaled_gaussian_matrix(features: np.ndarray) -> None:
    templates, rng = made(SCHEMES["random_projection"], features)
    matrix = rng.standard_normal((32, 24), np.float32)
    for row, template in zip(features, templates, strict=True):
        for i in range(24):
            assert template[i] == pytest.approx(sum(row[j] * matrix[j, i] for j in range(32)) / 24**0.5, abs=1e-5)
    wide = RandomProjection(PCA, 20_000).protect(features, np.full(7, KEY))
    assert wide @ wide.T == pytest.approx(features @ features.T, abs=0.05)  # lengths and angles are kept


def gram_schmidt(vectors: np.ndarray) -> np.ndarray:
    done: list[np.ndarray] = []
    for vector in vectors.T:
        for other in done:
            vector = vector - (vector @ other) * other
        done.append(vector / np.linalg.norm(vector))
    return np.array(done)


def test_biohash_is_signs_on_an_orthonormal_basis(features: np.ndarray) -> None:
    scheme = Biohash(PCA, 20, threshold=0.05)
    templates, rng = made(scheme, features)
    basis = gram_schmidt(rng.standard_normal((32, 20)))
    assert templates.shape == (7, 20)
    for row, template in zip(features, templates, strict=True):
        for i in range(20):
            assert template[i] == (row @ basis[i] > 0.05)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (20, 20)])
def test_orthonormal_matrices_are_so(shape: tuple[int, int]) -> None:
    q = draw_orthonormal(*shape, np.random.default_rng(0))
    short = q.T @ q if shape[0] >= shape[1] else q @ q.T
    assert q.shape == shape
    assert short == pytest.approx(np.eye(min(shape)), abs=1e-5)


def test_iom_grp_is_the_index_of_the_largest_product(features: np.ndarray) -> None:
    templates, rng = made(SCHEMES["iom_grp"], features)
    matrix = rng.standard_normal((32, 800), np.float32)
    for row, template in zip(features, templates, strict=True):
        for i in range(100):
            products = [float(row @ matrix[:, i * 8 + q]) for q in range(8)]
            assert template[i] == products.index(max(products))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_iom_urp_is_the_index_of_the_largest_product_of_permuted_features(order: int, features: np.ndarray) -> None:
    templates, rng = made(IomUrp(PCA, 40, 20, order), features)
    permutations = rng.permuted(np.tile(np.arange(32), (40 * order, 1)), axis=1)
    for row, template in zip(features, templates, strict=True):
        for i in range(40):
            window = []
            for k in range(20):
                product = np.float32(1)
                for p in range(order):
                    product *= row[permutations[i * order + p, k]]
                window.append(product)
            assert template[i] == window.index(max(window))


def test_mlp_hash_is_a_perceptron_and_signs(features: np.ndarray) -> None:
    templates, rng = made(MlpHash(PCA, [48, 16], 64, gain=1.5, threshold=0.1), features)
    weights = [draw_orthonormal(a, b, rng) for a, b in ((32, 48), (48, 16), (16, 64))]
    for row, template in zip(features, templates, strict=True):
        for matrix in weights[:2]:
            row = row @ matrix
            row = np.tanh(1.5 * row / np.sqrt(np.mean(row**2)))
        assert (template == (row @ weights[2] > 0.1)).all()


@pytest.mark.parametrize(("overlap", "sets"), [(0, 7), (2, 10), (4, 28)])
def test_polyprotect_is_its_polynomial(overlap: int, sets: int, features: np.ndarray) -> None:
    templates, rng = made(Polyprotect(PCA, 5, overlap, 50, scale=2.0), features)
    coefficients = rng.choice([c for c in range(-50, 51) if c], 5, replace=False)
    exponents = rng.permutation(5) + 1
    assert sorted(exponents) == [1, 2, 3, 4, 5]
    assert templates.shape == (7, sets)
    for row, template in zip(features, templates, strict=True):
        filled = [2.0 * float(v) for v in row] + [0.0] * 5
        for i in range(sets):
            start = i * (5 - overlap)
            terms = [c * v**e for c, v, e in zip(coefficients, filled[start : start + 5], exponents, strict=True)]
            assert template[i] == pytest.approx(sum(terms), abs=1e-4)


def test_slerp_face_turns_each_group_along_the_arc_to_the_noise(features: np.ndarray) -> None:
    """The rotated group lies in the plane of group and noise, alpha of the angle away; what is kept has length 1."""
    scheme = SlerpFace(PCA, alpha=0.7, dropped=0.25, group=8)
    templates, rng = made(scheme, features)
    noise = rng.standard_normal((4, 8))
    order = rng.permuted(np.tile(np.arange(8), (4, 1)), axis=1)
    assert templates.shape == (7, 4 * 6)
    for row, template in zip(features, templates, strict=True):
        for g in range(4):
            z = np.array([row[i] for i in range(32) if i % 4 == g], np.float64)
            z, k = z / np.linalg.norm(z), noise[g] / np.linalg.norm(noise[g])
            angle = np.arccos(z @ k)
            away = k - (z @ k) * z
            turned = np.cos(0.7 * angle) * z + np.sin(0.7 * angle) * away / np.linalg.norm(away)
            kept = turned[sorted(order[g, :6])]
            assert template[6 * g : 6 * g + 6] == pytest.approx(kept / np.linalg.norm(kept), abs=1e-5)


def test_slerp_face_scores_the_mean_cosine_of_the_groups(features: np.ndarray) -> None:
    scheme = SlerpFace(PCA, group=8)
    templates = scheme.protect(features, np.full(7, KEY)).reshape(7, 4, 4)
    wanted = [np.mean([templates[i, g] @ templates[i - 1, g] for g in range(4)]) for i in range(7)]
    flat = templates.reshape(7, -1)
    assert scheme.compare(flat, np.roll(flat, 1, 0)) == pytest.approx(np.array(wanted), abs=1e-5)


def test_slerp_face_refuses_groups_that_do_not_fit(features: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"model\.group=7 must divide 32"):
        made(SlerpFace(PCA, group=7), features)
    with pytest.raises(ValueError, match=r"dropped=0\.9 must leave two values or more of group=4"):
        SlerpFace(PCA, dropped=0.9, group=4)


def test_points_of_the_lattice_are_the_nearest_of_all_around() -> None:
    """Among every way to round to integers or to halves, those with an even sum."""
    corners = np.stack(np.meshgrid(*[[0, 1]] * 8, indexing="ij"), -1).reshape(-1, 8)
    for block in np.random.default_rng(0).normal(0, 2, (60, 8)):
        around = np.concatenate([np.floor(block) + corners, np.floor(block - 0.5) + corners + 0.5])
        allowed = around[around.sum(1) % 2 == 0]
        nearest = ((allowed - block) ** 2).sum(1).min()
        point = nearest_points(block)
        assert ((point - block) ** 2).sum() == pytest.approx(nearest)
        assert (allowed == point).all(1).any()


def test_a_lattice_fuzzy_extractor_reproduces_what_is_near_and_nothing_else(features: np.ndarray) -> None:
    """Compared with the two algorithms of a fuzzy extractor, which see the probe itself and the enrolled template."""
    scheme = LatticeFuzzyExtractor(PCA, scale=6.0, residues=2)
    templates, rng = made(scheme, features)
    rotation = draw_orthonormal(32, 32, rng).astype(np.float64)
    coefficients = np.random.default_rng(0).integers(0, MODULUS, (4, 8, 2))

    def hashed(point: np.ndarray, block: int) -> list[int]:
        return [
            sum(int(2 * p) * int(c) for p, c in zip(point, coefficients[block, :, r], strict=True)) % MODULUS
            for r in range(2)
        ]

    probes = features + np.random.default_rng(6).normal(0, 0.05, features.shape).astype(np.float32)
    seen = scheme.protect(probes, np.full(7, KEY))
    shares = scheme.compare(seen, templates)
    for row, probe, template, share in zip(features, probes, templates, shares, strict=True):
        same = 0
        for block in range(4):
            x, near = (6.0 * (one @ rotation)[8 * block : 8 * block + 8] for one in (row, probe))
            stored = template[10 * block : 10 * block + 10]
            assert stored[:8] == pytest.approx(x - nearest_points(x), abs=1e-4)
            assert list(stored[8:]) == hashed(nearest_points(x), block)
            reproduced = hashed(nearest_points(near - stored[:8]), block) == list(stored[8:])
            assert reproduced or np.linalg.norm(near - x) > 0.5**0.5
            same += reproduced
        assert share == pytest.approx(same / 4)
    assert 0.2 < shares.mean() < 0.95
    assert scheme.compare_all(seen, templates) == pytest.approx(
        np.stack([scheme.compare(np.repeat(row[None], 7, 0), templates) for row in seen])
    )


def test_a_lattice_fuzzy_extractor_refuses_blocks_that_are_not_whole(data: Identities) -> None:
    with pytest.raises(UserError, match="the number of features, 12, must be a multiple of 8"):
        LatticeFuzzyExtractor(ImageExtractor("pixels", 12)).fit(data, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["raw", "pca"])
def test_without_protection_the_template_is_the_features(
    name: str, schemes: dict[str, TemplateScheme], data: Identities
) -> None:
    scheme = schemes[name]
    features = scheme.features(data.probe.images)
    assert (scheme.enroll(data.probe.images, np.arange(30, dtype=np.uint64)) == features).all()
    assert np.linalg.norm(features, axis=1) == pytest.approx(1, abs=1e-5)


def test_pca_features_are_scikit_learns(schemes: dict[str, TemplateScheme], data: Identities) -> None:
    from sklearn.decomposition import PCA as Reference

    flat = data.train.images.reshape(len(data.train), -1)
    reference = Reference(32, svd_solver="full").fit(flat)
    projected = reference.transform(data.probe.images.reshape(30, -1))
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    features = schemes["pca"].features(data.probe.images)
    assert features @ features.T == pytest.approx(projected @ projected.T, abs=0.02)


def test_whitened_features_have_no_favourite_directions(data: Identities) -> None:
    flat = data.train.images.reshape(len(data.train), -1)
    fitted = ImageExtractor("pixels", 8, whiten=True).fit(data.train.images, np.random.default_rng(0))
    projected = (flat - fitted.fitted_arrays["mean"]) @ fitted.fitted_arrays["basis"]
    assert projected.std(0, ddof=1) == pytest.approx(1, rel=0.01)


def test_whitened_templates_are_scikit_learns(data: Identities) -> None:
    from sklearn.decomposition import PCA as Reference

    flat = data.train.images.reshape(len(data.train), -1)
    reference = Reference(8, whiten=True, svd_solver="full").fit(flat)
    projected = reference.transform(data.probe.images.reshape(30, -1))
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    scheme = PcaTemplate(ImageExtractor("pixels", 8, whiten=True)).fit(data, np.random.default_rng(0))
    templates = scheme.enroll(data.probe.images, np.zeros(30, np.uint64))
    np.testing.assert_allclose(templates @ templates.T, projected @ projected.T, atol=0.02)
    plain = PcaTemplate(ImageExtractor("pixels", 8)).fit(data, np.random.default_rng(0))
    assert np.abs(plain.enroll(data.probe.images, np.zeros(30, np.uint64)) - templates).max() > 0.05


@pytest.mark.parametrize("name", SCHEMES)
def test_people_are_told_apart(name: str, schemes: dict[str, TemplateScheme], data: Identities) -> None:
    """Each user with a key of the user's own, and all with the same key: the stolen one."""
    scheme = schemes[name]
    for keys in (np.arange(30, dtype=np.uint64), np.full(30, KEY)):
        enrolled, probes = scheme.enroll(data.enrolment.images, keys), scheme.enroll(data.probe.images, keys)
        scores = scheme.compare_all(probes, enrolled)
        assert (scores.argmax(1) == np.arange(30)).mean() > 0.8
        assert scheme.compare(probes, enrolled) == pytest.approx(np.diag(scores), abs=1e-5)


@pytest.mark.parametrize("name", KEYED)
def test_another_key_makes_an_unrelated_template(
    name: str, schemes: dict[str, TemplateScheme], data: Identities
) -> None:
    """The same images under two keys are as unlike as two people's under two keys."""
    scheme = schemes[name]
    images = data.enrolment.images
    old, new = (scheme.enroll(images, np.arange(30, dtype=np.uint64) + start) for start in (0, 1000))
    scores = scheme.compare_all(old, new)
    mated, others = np.diag(scores), scores[~np.eye(30, dtype=bool)]
    spread = others.std()
    assert abs(mated.mean() - others.mean()) < 4 * spread / 30**0.5
    same_key = scheme.compare(old, scheme.enroll(data.probe.images, np.arange(30, dtype=np.uint64)))
    assert same_key.mean() > mated.mean() + 3 * spread


@pytest.mark.parametrize("name", SCHEMES)
def test_the_same_key_makes_the_same_template_wherever_the_row_stands(
    name: str, schemes: dict[str, TemplateScheme], data: Identities
) -> None:
    scheme, rng = schemes[name], np.random.default_rng(1)
    keys = rng.integers(0, 2**64, 5, dtype=np.uint64)[rng.integers(0, 5, 30)]
    order = rng.permutation(30)
    features = scheme.features(data.probe.images)
    together = scheme.protect(features, keys)
    shuffled = scheme.protect(features[order], keys[order])
    alone = np.concatenate([scheme.protect(features[i : i + 1], keys[i : i + 1]) for i in range(30)])
    assert together.dtype == (np.uint8 if scheme.binary else together.dtype)
    assert shuffled == pytest.approx(together[order], abs=1e-4)
    assert (alone == pytest.approx(together, abs=1e-4)) or (alone != together).mean() < 1e-3


@pytest.mark.parametrize("name", SCHEMES)
def test_a_saved_scheme_makes_the_same_templates(
    name: str, schemes: dict[str, TemplateScheme], data: Identities, tmp_path: Path
) -> None:
    scheme = schemes[name]
    scheme.save(tmp_path)
    again = load_trained_model(tmp_path)
    assert type(again) is type(scheme)
    assert isinstance(again, TemplateScheme)
    keys = np.arange(30, dtype=np.uint64)
    assert (again.enroll(data.probe.images, keys) == scheme.enroll(data.probe.images, keys)).all()
    assert again.settings() == scheme.settings()


def test_fitting_changes_nothing_of_the_scheme_that_is_fitted(data: Identities) -> None:
    scheme = Biohash(ImageExtractor("pixels", 16), 16)
    fitted = scheme.fit(data, np.random.default_rng(0))
    assert scheme.extractor.fitted_arrays == {}
    assert fitted is not scheme
    with pytest.raises(UserError, match="must be fitted"):
        scheme.features(data.probe.images)
    with pytest.raises(UserError, match="do not fit features made of 324 values"):
        fitted.features(np.zeros((1, 1, 9, 9), np.float32))


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        (Biohash(PCA, 33), "bits=33 must be at most 32"),
        (IomUrp(PCA, 10, 33), "window=33 must be at most 32"),
        (Biohash(ImageExtractor("pixels", 400), 10), "components=400 must be at most 120"),
    ],
)
def test_what_does_not_fit_the_features_is_said_when_fitting(
    scheme: TemplateScheme, said: str, data: Identities
) -> None:
    with pytest.raises(UserError, match=said):
        scheme.fit(data, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (Polyprotect, {"terms": 4, "overlap": 4}, "overlap=4"),
        (Polyprotect, {"terms": 5, "largest": 2}, "terms=5"),
        (MlpHash, {"gain": 0.0}, "gain=0.0"),
    ],
)
def test_bad_settings_are_refused(kind: type[Any], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kind(PCA, **settings)


def test_principal_components_are_needed() -> None:
    with pytest.raises(ValueError, match=r"extractor\.components=None"):
        PcaTemplate(ImageExtractor("pixels", None))


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 150])
def test_orientations_are_those_of_the_lines(degrees: float) -> None:
    """Lines whose normal has this angle to the x axis, y pointing up."""
    x, y = np.meshgrid(np.arange(64), -np.arange(64))
    angle = np.deg2rad(degrees)
    lines = np.sin(x * np.cos(angle) + y * np.sin(angle))
    cells = compute_orientations(
        np.stack([lines, 1 - lines]), 4
    )  # whether lines are dark or bright makes no difference
    expected = [np.cos(2 * angle), -np.sin(2 * angle)]  # rows are counted downwards
    assert cells.shape == (2, 2, 4, 4)
    assert cells[0] == pytest.approx(cells[1], abs=1e-5)
    assert cells[0, :, 1, 2] * 1.1 == pytest.approx(expected, abs=0.1)
    with pytest.raises(UserError, match="grid=65 must be at most 64"):
        compute_orientations(lines[None], 65)


def test_orientations_bear_a_shift_that_pixels_do_not() -> None:
    lines = np.sin(np.add.outer(np.arange(96), 0.3 * np.arange(96)))[None, None] / 2 + 0.5
    shifted = np.roll(lines, 3, 2)
    correlations = {}
    for kind in ("pixels", "orientation"):
        extractor = ImageExtractor(kind, None)  # type: ignore[arg-type]
        correlations[kind] = float(extractor(lines)[0] @ extractor(shifted)[0])
    assert correlations["pixels"] < 0 < 0.95 < correlations["orientation"]


def test_each_row_needs_a_key(features: np.ndarray) -> None:
    with pytest.raises(ValueError, match="for 7 rows"):
        SCHEMES["biohash"].protect(features, np.zeros(3, np.uint64))
