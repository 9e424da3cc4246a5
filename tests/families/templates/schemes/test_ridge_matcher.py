"""The matcher of ridges: maps against ideal waves, alignments that are undone, twins, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from sklearn.metrics import roc_auc_score

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.templates.data.prints.generator import Prints
from veilbench.families.templates.data.prints.sensor import Sensor
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.families.templates.schemes.ridge_alignment import Aligner, correlate_locally
from veilbench.families.templates.schemes.ridge_extractor import RidgeExtractor
from veilbench.families.templates.schemes.ridge_kernels import keep_strongest, sample_moved
from veilbench.families.templates.schemes.ridge_maps import enhance_ridges
from veilbench.families.templates.schemes.ridge_matcher import RidgeMatcher, unfold_maps

SIDE = 96
MATCHER = RidgeMatcher(RidgeExtractor())
PRINTS = Prints(Sensor(), identities=24, impressions=2, seed=11, twins=2)
PEOPLE = np.arange(24)


def images(samples: np.ndarray) -> np.ndarray:
    return samples.astype(np.float32) / 255


@pytest.fixture(scope="module")
def enrolled() -> np.ndarray:
    return MATCHER.features(images(PRINTS.read().samples[::2]))


@pytest.fixture(scope="module")
def probes() -> np.ndarray:
    return MATCHER.features(images(PRINTS.read().samples[1::2]))


@pytest.mark.parametrize(("period", "degrees"), [(5.6, 20), (7.4, 75), (6.5, 140)])
def test_a_plane_wave_is_found_whatever_its_contrast(period: float, degrees: float) -> None:
    """The map is the cosine of the wave's phase, although the image is faint, uneven and noisy."""
    down, right = np.mgrid[:SIDE, :SIDE].astype(float)
    angle = np.deg2rad(degrees)
    wave = np.cos(2 * np.pi * (right * np.cos(angle) + down * np.sin(angle)) / period)
    noise = np.random.default_rng(0).normal(0, 0.02, wave.shape)
    image = 0.5 + 0.3 * down / SIDE + (0.05 + 0.1 * right / SIDE) * wave + noise
    (found,) = enhance_ridges(image[None].astype(np.float32), (5.6, 7.4))
    inner = slice(12, -12), slice(12, -12)
    assert np.corrcoef(found[inner].ravel(), wave[inner].ravel())[0, 1] > 0.97
    assert found[inner].std() == pytest.approx(np.sqrt(0.5), abs=0.05)


def test_there_are_no_ridges_beside_a_print() -> None:
    image = images(PRINTS.read().samples[:1])[:, 0]
    image[:, :, :40] = 1 - np.random.default_rng(0).random((SIDE, 40)).astype(np.float32) / 50
    (found,) = enhance_ridges(image, (5.6, 7.4))
    assert not found[:, :28].any()
    assert found[30:60, 50:80].any()


def test_samples_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    image, places = rng.random((20, 20), np.float32), np.arange(4, 16, 3, dtype=np.float32)
    moves = np.array([[0, 0, 0], [0.3, 1.5, -2.25], [-0.2, -3, 2.5]], np.float32)
    out = np.empty((3, len(places) ** 2), np.float32)
    sample_moved(image, moves, places, out)
    for (angle, down, right), row in zip(moves.astype(float), out, strict=True):
        grid = np.stack(np.meshgrid(places, places, indexing="ij")).reshape(2, -1) - 9.5
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        wanted = map_coordinates(image, turn @ (grid + np.array([[down], [right]])) + 9.5, order=1, cval=0)
        assert row == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(("angle", "down", "right"), [(12, 6, -8), (-8, -4, 10), (0, 0, 0)])
def test_a_rotation_and_shift_is_found_and_undone(
    angle: float, down: float, right: float, enrolled: np.ndarray
) -> None:
    (ridges,) = unfold_maps(enrolled[:1])
    move = np.array([np.deg2rad(angle), down, right], np.float32)
    moved = np.empty((1, SIDE * SIDE), np.float32)
    sample_moved(ridges, move[None], np.arange(SIDE, dtype=np.float32), moved)
    found = Aligner(ridges).find(moved.reshape(1, SIDE, SIDE), 3)[0]
    assert np.abs(found - move).max(1).min() < 0.01
    assert correlate_locally(moved.reshape(SIDE, SIDE), ridges, move) > 0.8
    assert MATCHER.compare(moved, enrolled[:1])[0] > 0.8
    assert correlate_locally(moved.reshape(SIDE, SIDE), ridges, move + np.array([0.5, 0, 0], np.float32)) < 0.6


@pytest.mark.slow
def test_all_moves_of_the_aligner_are_those_of_the_sampler(enrolled: np.ndarray) -> None:
    (ridges,) = unfold_maps(enrolled[:1])
    aligner = Aligner(ridges)
    wanted = np.empty_like(aligner.moved)
    sample_moved(ridges, aligner.moves, aligner.places.astype(np.float32), wanted)
    assert aligner.moved == pytest.approx(wanted, abs=1e-3)


def test_a_smooth_distortion_is_followed(enrolled: np.ndarray) -> None:
    """Skin stretches: shifts of up to 3 pixels, in one direction on the left and in the other on the right."""
    (ridges,) = unfold_maps(enrolled[:1])
    down, right = np.mgrid[:SIDE, :SIDE].astype(float)
    stretch = 3 * np.sin(np.pi * (right - SIDE / 2) / SIDE)
    stretched = map_coordinates(ridges, [down + stretch, right], order=1).astype(np.float32)
    plain = (ridges * stretched).sum() / ((ridges != 0) & (stretched != 0)).sum()
    assert plain < 0.6
    assert correlate_locally(stretched, ridges, np.zeros(3, np.float32)) > 0.75


def test_local_correlations_are_those_of_a_plain_loop(enrolled: np.ndarray, probes: np.ndarray) -> None:
    one, other = unfold_maps(probes[:1])[0], unfold_maps(enrolled[:1])[0]
    pixels, total, weight = np.arange(0, SIDE, 2), 0.0, 0.0
    padded = np.pad(other, 3)
    overlap = ((one != 0) & (other != 0))[::2, ::2]
    areas = [np.exp(-((pixels - centre) ** 2) / (2 * 7.0**2)).sum() for centre in range(4, SIDE, 8)]
    for top in range(4, SIDE, 8):
        for left in range(4, SIDE, 8):
            window = np.exp(-((pixels[:, None] - top) ** 2 + (pixels - left) ** 2) / (2 * 7.0**2)) / max(areas) ** 2
            share = (window * overlap).sum()
            if share <= 0.3:
                continue
            best = -1.0
            for down in range(-3, 4):
                for right in range(-3, 4):
                    if down**2 + right**2 <= 10:
                        shifted = padded[3 + down :, 3 + right :][:SIDE, :SIDE][::2, ::2]
                        likeness = (window * one[::2, ::2] * shifted).sum() / share
                        best = max(best, likeness - 0.003 * (down**2 + right**2))
            total, weight = total + best * share, weight + share
    assert weight > 8
    assert correlate_locally(one, other, np.zeros(3, np.float32)) == pytest.approx(total / weight, abs=1e-4)


def test_a_small_overlap_is_worth_little(enrolled: np.ndarray) -> None:
    (ridges,) = unfold_maps(enrolled[:1])
    corner = np.zeros_like(ridges)
    corner[40:56, 40:56] = ridges[40:56, 40:56]
    assert correlate_locally(ridges, ridges, np.zeros(3, np.float32)) > 0.9
    assert 0 < correlate_locally(corner, ridges, np.zeros(3, np.float32)) < 0.5


def test_a_few_pixels_do_not_decide_the_alignment(enrolled: np.ndarray) -> None:
    """Two parts of a print share one column of the compared pixels, which agree perfectly where they are."""
    (ridges,) = unfold_maps(enrolled[1:2])
    left = np.where(np.arange(SIDE) < 32, ridges, 0)
    aligner = Aligner(np.where(np.arange(SIDE) >= 28, ridges, 0))
    (move,) = aligner.find(left[None], 1)[0]
    (which,) = np.flatnonzero((aligner.moves == move).all(1))
    rows = left[aligner.places][:, aligner.places].reshape(-1)
    assert ((rows != 0) & (aligner.moved[which] != 0)).sum() > 40


def test_alignments_differ_and_more_of_them_never_lower_the_similarity(
    enrolled: np.ndarray, probes: np.ndarray
) -> None:
    maps = unfold_maps(probes[:6])
    moves = Aligner(unfold_maps(enrolled[:1])[0]).find(maps, 4)
    for some in moves:
        apart = np.abs(some[:, None] - some) / [np.deg2rad(4), 2, 2]
        assert (apart.max(-1)[~np.eye(4, dtype=bool)] > 1.5).all()
    few, many = (RidgeMatcher(RidgeExtractor(), n).compare_all(probes[:6], enrolled[:6]) for n in (1, 4))
    assert (many >= few).all()
    assert (many > few).any()


def test_rows_and_pairs_give_the_same_similarity(enrolled: np.ndarray, probes: np.ndarray) -> None:
    every = MATCHER.compare_all(probes[:5], enrolled[:5])
    assert MATCHER.compare(probes[:5], enrolled[:5]) == pytest.approx(np.diag(every), abs=1e-6)
    assert MATCHER.compare_all(probes[:3], enrolled[:0]).shape == (3, 0)
    assert MATCHER.compare(probes[:0], enrolled[:0]).shape == (0,)


def test_fingers_are_told_apart_and_twins_better_than_by_directions(enrolled: np.ndarray, probes: np.ndarray) -> None:
    twins = PRINTS.generate_twins(PEOPLE)
    assert twins is not None
    raw = PRINTS.read().samples
    directions = RawTemplate(ImageExtractor("orientation", None))
    coarse = [directions.features(images(some)) for some in (raw[1::2], raw[::2], twins.samples)]
    fine = [probes, enrolled, MATCHER.features(images(twins.samples))]
    areas = {}
    for name, scheme, (probe, own, twin) in (("fine", MATCHER, fine), ("coarse", directions, coarse)):
        matrix, impostors = scheme.compare_all(probe, own), scheme.compare(twin, own[twins.identities])
        mated, others = np.diag(matrix), matrix[~np.eye(24, dtype=bool)]
        areas[name] = [
            roc_auc_score(np.r_[np.ones(len(mated)), np.zeros(len(some))], np.r_[mated, some])
            for some in (others, impostors)
        ]
    print(areas)
    assert areas["fine"][0] > 0.93
    assert areas["fine"][1] > 0.72
    assert areas["coarse"][1] < 0.68


def test_what_was_saved_is_restored(tmp_path: Path, enrolled: np.ndarray, probes: np.ndarray) -> None:
    scheme = RidgeMatcher(RidgeExtractor([6.0]), 2)
    scheme.save(tmp_path)
    again = load_trained_model(tmp_path)
    assert isinstance(again, RidgeMatcher)
    assert (again.alignments, again.extractor.settings()) == (2, {"periods": [6.0]})
    assert (again.compare_all(probes[:2], enrolled[:2]) == scheme.compare_all(probes[:2], enrolled[:2])).all()


@pytest.mark.parametrize("shape", [(96, 64), (24, 24)])
def test_other_shapes_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(UserError, match=f"{shape[0]} x {shape[1]} pixels: square images of at least 32 x 32"):
        MATCHER.features(np.zeros((1, 1, *shape), np.float32))


def test_the_strongest_response_is_kept_at_each_pixel() -> None:
    parts = np.random.default_rng(0).standard_normal((2, 3, 5, 4, 6), np.float32)
    responses, kept = (parts[0] + 1j * parts[1]).astype(np.complex64), np.empty((3, 4, 6), np.complex64)
    keep_strongest(responses, kept)
    strongest = np.abs(responses).argmax(1)[:, None]
    np.testing.assert_array_equal(kept, np.take_along_axis(responses, strongest, 1)[:, 0])
