"""Baselines on rows: the interfaces that all of them keep, and what each one shares with an independent reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from scipy import stats
from sklearn import covariance, decomposition, ensemble
from sklearn.datasets import load_digits

from veilbench.bench.defaults import fill
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build, check
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.baselines.diffusion_time import DiffusionTime
from veilbench.families.autoencoders.baselines.fitted import Fitted
from veilbench.families.autoencoders.baselines.gaussian_mixture import GaussianMixture
from veilbench.families.autoencoders.baselines.identity_code import IdentityCode
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.baselines.isolation_forest import IsolationForest, mean_search_depth
from veilbench.families.autoencoders.baselines.mahalanobis import Mahalanobis
from veilbench.families.autoencoders.baselines.minor_component import MinorComponent
from veilbench.families.autoencoders.baselines.nearest_neighbours import NearestNeighbours
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.baselines.probabilistic_pca import ProbabilisticPca
from veilbench.families.autoencoders.baselines.random_code import RandomCode
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.schemes.base import Detector, DifferentiableDetector, Representation

CODES = [Pca(5), RandomCode(5), IdentityCode()]
DETECTORS = [Pca(5), InputNorm(), Mahalanobis(), MinorComponent(), NearestNeighbours(3), IsolationForest(20)]
DETECTORS += [ProbabilisticPca(), GaussianMixture(), DiffusionTime(3)]
ALL: list[Fitted] = [*DETECTORS, *CODES[1:]]
CONF = Path(__file__).parents[4] / "conf" / "model"


def by_name(model: object) -> str:
    return type(model).__name__


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def dealt(x: np.ndarray, y: np.ndarray | None = None) -> Rows:
    """Rows in four parts of one size."""
    y = np.zeros(len(x), np.int64) if y is None else y
    parts = [Part(x[i::4], y[i::4]) for i in range(4)]
    names = [f"f{i}" for i in range(x.shape[1])] if x.ndim == 2 else []
    return Rows(*parts, names, [str(i) for i in range(int(y.max()) + 1)], False, [])


@pytest.fixture(scope="module", params=["table", "images"])
def rows(request: pytest.FixtureRequest) -> Rows:
    if request.param == "images":
        digits = load_digits()
        return dealt((digits.images[:, None] / 16).astype(np.float32), digits.target.astype(np.int64))
    mixed = rng(4).normal(size=(900, 7)) @ rng(5).normal(size=(7, 7)) + 2
    return dealt(mixed.astype(np.float32))


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_what_is_saved_answers_the_same(model: Fitted, rows: Rows, tmp_path: Path) -> None:
    fitted = model.fit(rows, rng())
    fitted.save(tmp_path)
    back = load_trained_model(tmp_path)
    assert type(back) is type(model)
    assert back.settings() == model.settings()
    if isinstance(fitted, Detector) and isinstance(back, Detector):
        np.testing.assert_array_equal(back.score(rows.test.x), fitted.score(rows.test.x))
    if isinstance(fitted, Representation) and isinstance(back, Representation):
        np.testing.assert_array_equal(back.encode(rows.test.x), fitted.encode(rows.test.x))
        np.testing.assert_array_equal(back.reconstruct(rows.test.x), fitted.reconstruct(rows.test.x))


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_the_same_seed_fits_the_same_and_the_unfitted_one_stays_so(model: Fitted, rows: Rows) -> None:
    one, again = model.fit(rows, rng(1)), model.fit(rows, rng(1))
    assert one.arrays().keys() == {*model.array_names, "row"}
    for name in model.array_names:
        np.testing.assert_array_equal(one[name], again[name])
        with pytest.raises(ValueError, match=f"{type(model).__name__} is not fitted"):
            model[name]


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_only_the_training_part_is_learned_from(model: Fitted, rows: Rows) -> None:
    other = Rows(rows.train, rows.test, rows.test, rows.validation, rows.features, rows.labels, False, [])
    usual = model.fit(rows, rng()).arrays()
    for name, array in model.fit(other, rng()).arrays().items():
        np.testing.assert_array_equal(array, usual[name])


@pytest.mark.parametrize("model", DETECTORS, ids=by_name)
def test_scores_are_one_number_a_row_that_does_not_depend_on_the_others(model: Any, rows: Rows) -> None:
    fitted = model.fit(rows, rng())
    scores = fitted.score(rows.test.x)
    assert scores.shape == (len(rows.test),)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > 50
    np.testing.assert_allclose(fitted.score(rows.test.x[::-1])[::-1], scores, rtol=1e-9)
    far = rows.test.x[:5] + 20
    assert fitted.score(far).min() > np.quantile(scores, 0.9)


@pytest.mark.parametrize("model", [Pca(5), InputNorm(), Mahalanobis()], ids=by_name)
def test_parts_add_up_to_the_score_and_name_the_feature_that_was_moved(model: Any, rows: Rows) -> None:
    fitted = model.fit(rows, rng())
    parts = fitted.feature_scores(rows.test.x)
    assert parts.shape == rows.test.x.shape
    np.testing.assert_allclose(parts.reshape(len(parts), -1).sum(1), fitted.score(rows.test.x), rtol=1e-6)
    moved = rows.test.x.reshape(len(parts), -1).copy()
    moved[:, 3] += 60
    blamed = fitted.feature_scores(moved.reshape(rows.test.x.shape)).reshape(len(parts), -1).argmax(1)
    assert (blamed == 3).mean() > (0.9 if len(rows.shape) == 3 else 0.5)


@pytest.mark.parametrize("model", [NearestNeighbours(), IsolationForest(10)], ids=by_name)
def test_a_score_without_parts_says_so(model: Detector, rows: Rows) -> None:
    with pytest.raises(NotImplementedError, match=f"the score of {type(model).__name__} is not made"):
        model.feature_scores(rows.test.x)


@pytest.mark.parametrize("model", [Pca(5), InputNorm(), Mahalanobis()], ids=by_name)
def test_the_score_on_tensors_is_the_score_and_its_gradient_is_right(model: Any, rows: Rows) -> None:
    fitted = model.fit(rows, rng())
    assert isinstance(fitted, DifferentiableDetector)
    x = torch.from_numpy(rows.test.x[:6]).double().requires_grad_()
    np.testing.assert_allclose(fitted.score_tensor(x).detach().numpy(), fitted.score(rows.test.x[:6]), rtol=1e-5)
    assert torch.autograd.gradcheck(fitted.score_tensor, x)
    assert fitted.score_tensor(x.float()).dtype == torch.float32


def test_the_norm_has_a_gradient_at_zero(rows: Rows) -> None:
    x = torch.zeros(2, *rows.shape, requires_grad=True)
    InputNorm().score_tensor(x).sum().backward()
    assert x.grad is not None
    assert (x.grad == 0).all()
    assert (InputNorm().feature_scores(np.zeros((2, *rows.shape), np.float32)) == 0).all()


def test_pca_is_scikit_learns(rows: Rows) -> None:
    fitted, x = Pca(5).fit(rows, rng()), rows.train.x.reshape(len(rows.train), -1)
    reference = decomposition.PCA(5, svd_solver="full").fit(x.astype(float))
    flat = rows.test.x.reshape(len(rows.test), -1)
    codes, wanted = fitted.encode(rows.test.x), reference.transform(flat)
    np.testing.assert_allclose(np.abs(codes), np.abs(wanted), atol=1e-4)
    back = fitted.reconstruct(rows.test.x)
    assert (back.dtype, back.shape) == (np.float32, rows.test.x.shape)
    np.testing.assert_allclose(back.reshape(flat.shape), reference.inverse_transform(wanted), atol=1e-4)
    errors = ((flat - reference.inverse_transform(wanted)) ** 2).mean(1)
    np.testing.assert_allclose(fitted.score(rows.test.x), errors, rtol=1e-4, atol=1e-9)


def test_pca_with_all_components_gives_everything_back() -> None:
    data = dealt(rng().normal(size=(80, 4)).astype(np.float32))
    np.testing.assert_allclose(Pca(4).fit(data, rng()).reconstruct(data.test.x), data.test.x, atol=1e-5)


def test_mahalanobis_is_scikit_learns(rows: Rows) -> None:
    flat = rows.test.x.reshape(len(rows.test), -1).astype(float)
    reference = covariance.LedoitWolf().fit(rows.train.x.reshape(len(rows.train), -1).astype(float))
    wanted = reference.mahalanobis(flat)
    np.testing.assert_allclose(Mahalanobis().fit(rows, rng()).score(rows.test.x), wanted, rtol=1e-8)


def test_mahalanobis_scores_of_a_normal_law_are_chi_squared() -> None:
    data = dealt((rng(3).normal(size=(8000, 4)) @ (np.eye(4) + 0.2)).astype(np.float32))  # hardly shrunk
    scores = Mahalanobis().fit(data, rng()).score(data.test.x)
    assert stats.kstest(scores, stats.chi2(4).cdf).pvalue > 0.01


def test_nearest_neighbours_are_a_plain_loops(rows: Rows) -> None:
    fitted = NearestNeighbours(3).fit(rows, rng())
    flat, train = (part.x.reshape(len(part), -1).astype(float) for part in (rows.test, rows.train))
    wanted = [sorted(np.linalg.norm(train - one, axis=1))[2] for one in flat[:40]]
    np.testing.assert_allclose(fitted.score(rows.test.x[:40]), wanted, rtol=1e-6)
    own = NearestNeighbours(1).fit(rows, rng()).score(rows.train.x)
    np.testing.assert_allclose(own, 0, atol=1e-5)  # a training row is its own neighbour
    np.testing.assert_array_equal(fitted["rows"], rows.train.x)  # and can be read from the model


def test_diffusion_time_is_the_mode_of_the_posterior_of_the_noise_s_variance(rows: Rows) -> None:
    flat, train = (part.x.reshape(len(part), -1).astype(float) for part in (rows.test, rows.train))
    variances, scores = np.geomspace(1e-4, 1e3, 20_000), DiffusionTime(3).fit(rows, rng()).score(rows.test.x[:20])
    for one, score in zip(flat, scores, strict=False):
        scale = np.sort(np.linalg.norm(train - one, axis=1))[:3].mean() ** 2 / 2
        posterior = stats.invgamma.logpdf(variances, train.shape[1] / 2 - 1, scale=scale)
        np.testing.assert_allclose(score, variances[posterior.argmax()], rtol=2e-3)


def test_the_isolation_forest_is_scikit_learns(rows: Rows) -> None:
    fitted, seed = IsolationForest(20).fit(rows, rng(7)), int(rng(7).integers(2**31))
    reference = ensemble.IsolationForest(n_estimators=20, random_state=seed)
    reference.fit(rows.train.x.reshape(len(rows.train), -1))
    wanted = -reference.score_samples(rows.test.x.reshape(len(rows.test), -1))
    np.testing.assert_allclose(fitted.score(rows.test.x), wanted, rtol=1e-9)


def test_the_depth_of_an_unsuccessful_search_is_its_harmonic_sum() -> None:
    exact = [2 * sum(1 / i for i in range(1, n)) - 2 * (n - 1) / n for n in (50, 256, 1000)]
    np.testing.assert_allclose(mean_search_depth(np.array([50, 256, 1000])), exact, rtol=5e-3)
    np.testing.assert_array_equal(mean_search_depth(np.array([1, 2])), [0, 1])


def test_a_forest_of_one_row_is_no_division_by_zero() -> None:
    data = dealt(rng().normal(size=(4, 3)).astype(np.float32))
    assert np.isfinite(IsolationForest(2).fit(data, rng()).score(data.test.x)).all()


def test_the_random_code_is_standard_normal_and_knows_nothing_of_the_row() -> None:
    data = dealt(rng(1).normal(size=(8000, 4)).astype(np.float32))
    codes = RandomCode(6).fit(data, rng(2)).encode(data.train.x)
    assert (codes.shape, codes.dtype) == ((2000, 6), np.float32)
    assert min(stats.kstest(column, "norm").pvalue for column in codes.T) > 1e-3
    together = np.corrcoef(codes.T, data.train.x.T) - np.eye(10)
    assert np.abs(together).max() < 5 / 2000**0.5
    explained = np.linalg.lstsq(np.c_[codes, np.ones(2000)], data.train.x, rcond=None)[0]
    left = data.train.x - np.c_[codes, np.ones(2000)] @ explained
    assert left.var() > 0.99 * data.train.x.var()


def test_the_random_code_of_a_row_stays_and_a_small_change_changes_all(rows: Rows) -> None:
    fitted = RandomCode(6).fit(rows, rng(2))
    codes = fitted.encode(rows.test.x)
    np.testing.assert_array_equal(fitted.encode(rows.test.x[3:9]), codes[3:9])
    assert np.abs(np.corrcoef(fitted.encode(rows.test.x + 1e-3).ravel(), codes.ravel())[0, 1]) < 0.1
    assert not np.array_equal(RandomCode(6).fit(rows, rng(3)).encode(rows.test.x), codes)
    np.testing.assert_allclose(fitted.decode(codes)[0], rows.train.x.mean(0), rtol=1e-6)


def test_the_identity_code_is_the_row(rows: Rows) -> None:
    fitted = IdentityCode().fit(rows, rng())
    np.testing.assert_array_equal(fitted.encode(rows.test.x), rows.test.x.reshape(len(rows.test), -1))
    np.testing.assert_array_equal(fitted.reconstruct(rows.test.x), rows.test.x)


@pytest.mark.parametrize(
    ("model", "said"),
    [(Pca(8), "code=8 is too large: 225 training rows of 7"), (NearestNeighbours(226), "k=226 neighbours need")],
)
def test_what_cannot_be_fitted_is_named(model: Fitted, said: str) -> None:
    with pytest.raises(UserError, match=said):
        model.fit(dealt(np.ones((900, 7), np.float32)), rng())


def test_data_that_are_no_rows_are_named() -> None:
    wrong: Any = "text"
    with pytest.raises(UserError, match="Pca works on rows of numbers, not on str"):
        Pca().fit(wrong, rng())


def test_a_damaged_file_is_refused(rows: Rows, tmp_path: Path) -> None:
    Pca(3).fit(rows, rng()).save(tmp_path)
    head = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(
        json.dumps(head | {"class": "veilbench.families.autoencoders.baselines.mahalanobis.Mahalanobis"})
    )
    with pytest.raises(UserError, match="damaged"):
        load_trained_model(tmp_path)


@pytest.mark.parametrize("model", [*ALL], ids=by_name)
def test_the_config_leaves_every_argument_at_its_default(model: Fitted) -> None:
    home = type(model).__module__.rpartition(".")[2]
    node = fill(yaml.safe_load((CONF / f"{home}.yaml").read_text()))
    check(node, "model")
    built = build(node)
    assert type(built) is type(model)
    assert built.settings() == {key: value for key, value in node.items() if key != "_target_"}
    assert built.settings() == type(model)().settings()


def test_the_minor_component_is_scikit_learns_last_that_varies(rows: Rows) -> None:
    flat = rows.train.x.reshape(len(rows.train), -1).astype(np.float64)
    found = decomposition.PCA().fit(flat)
    last = np.flatnonzero(found.explained_variance_ > 1e-6 * found.explained_variance_[0])[-1]
    wanted = np.abs(found.transform(rows.test.x.reshape(len(rows.test), -1))[:, last])
    np.testing.assert_allclose(MinorComponent().fit(rows, rng()).score(rows.test.x), wanted, rtol=1e-5, atol=1e-7)


def test_rows_that_do_not_vary_have_no_minor_component() -> None:
    with pytest.raises(UserError, match="the training rows do not vary"):
        MinorComponent().fit(dealt(np.ones((8, 3), np.float32)), rng())


def test_the_gaussian_mixture_is_the_likelihood_of_its_parts_and_finds_two_of_them() -> None:
    """Two round clouds: the density of the held-out rows is highest for two components, and scipy gives its values."""
    draw = rng(1)
    x = draw.normal(size=(1200, 3)) + 8 * draw.integers(0, 2, (1200, 1))
    rows = dealt(x.astype(np.float32))
    fitted = GaussianMixture().fit(rows, rng())
    assert len(fitted["weights"]) == 2
    assert sorted(np.round(fitted["means"].mean(1) / 8)) == [0, 1]
    parts = zip(fitted["weights"], fitted["means"], fitted["factors"], strict=True)
    density = sum(w * stats.multivariate_normal(m, np.linalg.inv(f @ f.T)).pdf(rows.test.x) for w, m, f in parts)
    np.testing.assert_allclose(fitted.score(rows.test.x), -np.log(density), rtol=1e-6)
    between = fitted.score(np.full((1, 3), 4, np.float32))
    assert between[0] > np.quantile(fitted.score(rows.test.x), 0.99)  # the middle of both is where nobody is


def test_probabilistic_components_are_a_mahalanobis_distance_under_scikit_learns_covariance() -> None:
    draw = rng(2)
    x = draw.normal(size=(1600, 4)) @ draw.normal(size=(4, 9)) * 2 + 0.3 * draw.normal(size=(1600, 9)) + 1
    rows = dealt(x.astype(np.float32))
    fitted = ProbabilisticPca().fit(rows, rng())
    assert len(fitted["components"]) == 4  # as many as were mixed
    theirs = decomposition.PCA(4).fit(rows.train.x.astype(np.float64))
    centred = rows.test.x - theirs.mean_
    wanted = (centred * (centred @ np.linalg.inv(theirs.get_covariance()))).sum(1)
    np.testing.assert_allclose(fitted.score(rows.test.x), wanted, rtol=1e-3)
    far = (theirs.mean_ + 10 * np.sqrt(theirs.explained_variance_[0]) * theirs.components_[:1]).astype(np.float32)
    assert fitted.score(far)[0] == pytest.approx(100, rel=0.01)  # along a component, where plain PCA sees no error
    assert Pca(4).fit(rows, rng()).score(far)[0] < 1e-3
    with pytest.raises(UserError, match="needs 2 features"):
        ProbabilisticPca().fit(dealt(x[:, :1].astype(np.float32)), rng())
