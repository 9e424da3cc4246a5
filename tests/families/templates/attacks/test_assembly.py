"""Assembled images: the properties of cells, the regression against scikit-learn's, and what the search gains."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from veilbench.bench.accelerator import Accelerator
from veilbench.families.templates.attacks import assembly
from veilbench.families.templates.attacks.assembly import (
    Assembler,
    Pieces,
    describe_cells,
    draw_weights,
    factor_covariance,
)
from veilbench.families.templates.attacks.decoders import Decoders, fit_decoder
from veilbench.families.templates.attacks.recombination import RecombinationSearch, blend_best


def stripes(angle: float, size: tuple[int, int] = (36, 48)) -> np.ndarray:
    """An image of waves whose gradient points in a direction, shape (1, h, w)."""
    down, right = np.mgrid[: size[0], : size[1]]
    return np.asarray(0.5 + 0.5 * np.sin(0.8 * (np.cos(angle) * right + np.sin(angle) * down)), np.float32)[None]


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.2, 2.5])
def test_the_direction_of_a_cell_is_that_of_its_edges(angle: float) -> None:
    found = describe_cells(stripes(angle)[None], 3)[0, 1, 1]
    assert np.arctan2(found[1], found[0]) % (2 * np.pi) == pytest.approx(2 * angle % (2 * np.pi), abs=0.1)
    assert np.hypot(found[0], found[1]) == pytest.approx(1, abs=0.1)


def test_a_flat_image_has_a_brightness_and_no_direction() -> None:
    flat = np.full((1, 2, 7, 9), 0.75, np.float32)
    np.testing.assert_allclose(describe_cells(flat, 3), np.broadcast_to([0, 0, 0.25], (1, 3, 3, 3)), atol=1e-6)


def test_cells_average_all_pixels_where_sides_do_not_divide() -> None:
    images = np.random.default_rng(0).random((2, 1, 7, 10), np.float32)
    found = describe_cells(images, 3)[..., 2] + 0.5
    rows, columns = ([range(side * cell // 3, side * (cell + 1) // 3) for cell in range(3)] for side in (7, 10))
    for image in range(2):
        for down, row in enumerate(rows):
            for right, column in enumerate(columns):
                assert found[image, down, right] == pytest.approx(
                    images[image, 0][np.ix_(row, column)].mean(), abs=1e-5
                )


@pytest.mark.parametrize("properties", [20, 90])
def test_the_estimate_is_the_ridge_regression_with_the_best_leave_one_out_error(properties: int) -> None:
    rng = np.random.default_rng(0)
    described = rng.normal(size=(60, properties))
    scores = described @ rng.normal(size=properties) + rng.normal(size=60)
    squares = np.linalg.svd(described - described.mean(0), compute_uv=False) ** 2

    def error(penalty: float) -> float:
        left_out = [
            scores[one] - Ridge(penalty).fit(*(np.delete(part, one, 0) for part in (described, scores))).predict(
                described[[one]]
            )[0]
            for one in range(60)
        ]  # fmt: skip
        return float(np.mean(np.square(left_out)))

    penalty = min(assembly.PENALTIES * squares.sum() / min(described.shape), key=error)
    (found,) = draw_weights(described, scores, 1, rng)
    np.testing.assert_allclose(found, Ridge(penalty).fit(described, scores).coef_, rtol=1e-6)


def test_weights_are_drawn_around_the_estimate_and_closer_with_more_scores() -> None:
    rng, truth = np.random.default_rng(0), np.linspace(-1, 1, 8)
    spreads = []
    for count in (30, 3000):
        described = rng.normal(size=(count, 8))
        drawn = draw_weights(described, described @ truth + rng.normal(size=count), 4000, rng)
        np.testing.assert_allclose(drawn[1:].mean(0), drawn[0], atol=0.01)
        spreads.append(drawn[1:].std(0).mean())
    assert spreads[1] == pytest.approx(assembly.SPREAD / np.sqrt(3000), rel=0.1)  # sigma / sqrt(n) for unit variances
    assert spreads[0] > 5 * spreads[1]


def test_weights_vary_as_their_posterior_does_where_scores_are_few() -> None:
    """The variance along each axis falls with the squares seen along it, and what was not seen is not drawn."""
    rng = np.random.default_rng(0)
    described = rng.normal(size=(10, 25))
    scores = described @ rng.normal(size=25) + rng.normal(size=10)
    drawn = draw_weights(described, scores, 20000, rng)
    _, lengths, axes = np.linalg.svd(described - described.mean(0), full_matrices=False)
    squares, axes = lengths[:9] ** 2, axes[:9]
    np.testing.assert_allclose(drawn, drawn @ axes.T @ axes, atol=1e-9)

    def distance(penalty: float) -> float:
        return float(np.linalg.norm(Ridge(penalty).fit(described, scores).coef_ - drawn[0]))

    penalty = min(assembly.PENALTIES * squares.sum() / 10, key=distance)
    assert distance(penalty) == pytest.approx(0, abs=1e-6)
    variances = (drawn[1:] @ axes.T).var(0) * (squares + penalty)
    np.testing.assert_allclose(variances, variances.mean(), rtol=0.05)


def test_equal_scores_say_nothing() -> None:
    drawn = draw_weights(np.random.default_rng(0).normal(size=(9, 4)), np.ones(9), 3, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn, 0)


def test_an_image_is_assembled_from_the_pieces_that_are_worth_most() -> None:
    own = np.stack([np.full((1, 32, 32), shade, np.float32) for shade in (0.0, 0.5, 1.0)])
    weights = np.zeros((1, 2, 2, 3))
    weights[0, :, 0, 2], weights[0, :, 1, 2] = 1, -1  # bright on the left, dark on the right
    (image,) = Pieces(own, 2).assemble(weights)
    assert image.dtype == np.float32
    assert image[0, :, 2].min() > 0.9
    assert image[0, :, -3].max() < 0.1
    assert (np.diff(image[0, 16]) <= 1e-6).all()


def test_assembled_images_reach_scores_that_blends_alone_do_not() -> None:
    rng = np.random.default_rng(0)
    fields = rng.uniform(0, np.pi, (162, 4))
    quarters = [[stripes(angle, (16, 16)) for angle in field] for field in fields]
    images = np.stack([np.block([[a, b], [c, d]]) for a, b, c, d in quarters])
    own, victims = images[:132], describe_cells(images[132:], 2)

    def score(presented: np.ndarray) -> np.ndarray:
        n, p = presented.shape[:2]
        described = describe_cells(presented.reshape(n * p, *presented.shape[2:]), 2).reshape(n, p, -1)
        return np.einsum("npd,nd->np", described, victims.reshape(n, -1))

    start = score(np.broadcast_to(own[:30], (30, 30, *own.shape[1:])))
    reached = {
        share: score(
            blend_best(score, own, start, 40, RecombinationSearch(8, 8, assembled=share, cells=2), rng)[:, None]
        )
        for share in (0, 0.5)
    }
    assert (reached[0.5] > reached[0]).mean() > 0.7
    assert (reached[0.5] >= start.max(1)[:, None]).all()


def test_what_was_asked_is_learned() -> None:
    rng = np.random.default_rng(0)
    own = rng.random((12, 1, 8, 8), np.float32)
    assembler = Assembler(own, rng.random((3, 5)), 2)
    images, scores = rng.random((3, 4, 1, 8, 8), np.float32), rng.random((3, 4))
    assembler.learn(images, scores)
    np.testing.assert_array_equal(assembler._scores[:, 5:], scores)
    root = factor_covariance(describe_cells(own, 2).reshape(12, -1))
    described = describe_cells(images[1], 2).reshape(4, -1)
    np.testing.assert_allclose(assembler._asked[1, 5:], described @ root, rtol=1e-3, atol=1e-5)
    drawn = np.full((3, 6, 1, 8, 8), np.nan, np.float32)
    assembler.draw(drawn, rng)
    assert ((drawn >= 0) & (drawn <= 1)).all()


def test_pieces_overlap_smoothly_and_add_up() -> None:
    """Pieces of one image give that image, where sides do not divide and where cells end inside it."""
    own = np.random.default_rng(0).random((1, 2, 21, 50), np.float32)
    (image,) = Pieces(own, 8).assemble(np.zeros((1, 8, 8, 3)))
    np.testing.assert_allclose(image, own[0], atol=1e-6)


def test_a_decoder_that_assembles_images_keeps_the_edges_that_a_regression_blurs() -> None:
    """Codes are the double angles of the waves in four quarters; images are shifted by chance, which no code tells."""
    rng = np.random.default_rng(0)
    angles = rng.uniform(0, np.pi, (420, 2, 2))
    codes = np.stack([np.cos(2 * angles), np.sin(2 * angles)], -1).reshape(420, 8).astype(np.float32)
    down, right = np.mgrid[:24, :24]
    field = angles[:, down // 12, right // 12]
    phase = rng.uniform(0, 2 * np.pi, (420, 1, 1))
    images = (0.5 + 0.5 * np.sin(0.9 * (np.cos(field) * right + np.sin(field) * down) + phase))[:, None]
    images = images.astype(np.float32)
    pairs = codes[:300], images[:300], codes[300:360], images[300:360]
    settings, truth = Decoders(cells=2), describe_cells(images[360:], 2)[..., :2]
    likeness, contrast = {}, {}
    for kind in ("linear", "assembled"):
        decoder = fit_decoder(kind, pairs, settings, Accelerator("cpu"), rng)
        made = decoder.inverse(codes[360:])
        assert made.shape == (60, 1, 24, 24)
        found = describe_cells(made, 2)[..., :2]
        norms = np.linalg.norm(found, axis=-1) * np.linalg.norm(truth, axis=-1)
        likeness[kind], contrast[kind] = ((found * truth).sum(-1) / norms).mean(), made.std((1, 2, 3)).mean()
        assert (decoder.curve.setting, list(decoder.curve.budgets)) == ("auxiliary impressions", [150, 300])
    assert likeness["assembled"] > 0.9 > 0.6 > likeness["linear"]
    assert contrast["assembled"] > 3 * contrast["linear"]


def test_what_own_images_have_in_common_makes_few_scores_go_further() -> None:
    """Properties that vary together are learned together: the estimate from 12 scores of 60 properties is nearer."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(5, 60))
    own, truth, described = (rng.normal(size=(n, 5)) @ mixed for n in (400, 1, 12))
    root = factor_covariance(own)
    covariance = np.cov(own.T)
    floor = assembly.NOISE_FLOOR * np.trace(covariance) / 60
    np.testing.assert_allclose(root @ root.T, covariance + floor * np.eye(60), atol=1e-6)
    described = described + 2 * rng.normal(size=described.shape)
    scores = described @ truth[0]

    def likeness(found: np.ndarray) -> float:
        return float(found @ truth[0] / np.linalg.norm(found) / np.linalg.norm(truth[0]))

    with_prior = root @ draw_weights(described @ root, scores, 1, rng)[0]
    assert likeness(with_prior) > 0.9
    assert likeness(with_prior) > likeness(draw_weights(described, scores, 1, rng)[0]) + 0.05
