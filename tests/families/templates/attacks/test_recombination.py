"""The recombination search: blends of the best images beat every image of the dictionary."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.families.templates.attacks.recombination import RecombinationSearch, blend_best, draw_masks


def quilt(dictionary: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Images of four quadrants, each from the dictionary image that `parts`, shape (n, 4), names."""
    half = dictionary.shape[-1] // 2
    made = np.empty((len(parts), *dictionary.shape[1:]), np.float32)
    for quadrant in range(4):
        down, right = (slice(half * side, half * side + half) for side in divmod(quadrant, 2))
        made[:, :, down, right] = dictionary[parts[:, quadrant], :, down, right]
    return made


@pytest.fixture
def dictionary() -> np.ndarray:
    return np.random.default_rng(1).random((60, 1, 16, 16), np.float32)


def test_blends_beat_the_best_image_of_the_dictionary(dictionary: np.ndarray) -> None:
    targets = quilt(dictionary, np.random.default_rng(2).permuted(np.tile(np.arange(60), (5, 1)), axis=1)[:, :4])
    asked = []

    def nearness(images: np.ndarray) -> np.ndarray:
        asked.append(images.shape[1])
        return np.asarray(-((images - targets[:, None]) ** 2).sum((2, 3, 4)))

    scores = nearness(np.broadcast_to(dictionary, (5, *dictionary.shape)))
    asked.clear()
    made = blend_best(nearness, dictionary, scores, 405, RecombinationSearch(20, assembled=0), np.random.default_rng(0))
    assert asked == [20] * 20
    assert made.shape == targets.shape
    reached, start = nearness(made[:, None])[:, 0], scores.max(1)
    assert (reached > start / 2).all()  # the squared distance is less than half
    assert made.min() >= 0
    assert made.max() <= 1


def test_the_best_image_is_kept_where_answers_say_nothing(dictionary: np.ndarray) -> None:
    scores = np.zeros((3, 60))
    scores[np.arange(3), [4, 7, 9]] = 1

    def nothing(images: np.ndarray) -> np.ndarray:
        return np.zeros(images.shape[:2])

    made = blend_best(nothing, dictionary, scores, 200, RecombinationSearch(20), np.random.default_rng(0))
    np.testing.assert_array_equal(made, dictionary[[4, 7, 9]])


def test_one_parent_is_no_obstacle(dictionary: np.ndarray) -> None:
    made = blend_best(
        lambda images: images.mean((2, 3, 4)), dictionary[:1], np.zeros((2, 1)), 40, RecombinationSearch(20),
        np.random.default_rng(0),
    )  # fmt: skip
    np.testing.assert_allclose(made, dictionary[[0, 0]], atol=1e-6)


def test_masks_are_gaussian_functions() -> None:
    masks = draw_masks((4000,), (12, 20), (0.2, 0.2), np.random.default_rng(0))
    assert masks.shape == (4000, 12, 20)
    assert masks.dtype == np.float32
    assert 0 <= masks.min() <= masks.max() <= 1
    logs = np.log(masks)  # a parabola, whose second difference is -1 / (spread in pixels)^2
    np.testing.assert_allclose(np.diff(logs, 2, axis=1), -1 / (0.2 * 12) ** 2, atol=1e-4)
    np.testing.assert_allclose(np.diff(logs, 2, axis=2), -1 / (0.2 * 20) ** 2, atol=1e-4)
    centres = (masks.reshape(4000, -1).argmax(1) // 20 + 0.5) / 12
    assert np.quantile(centres, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.06)
    spreads = 1 / np.sqrt(
        -np.diff(np.log(draw_masks((4000,), (12, 20), (0.1, 0.3), np.random.default_rng(0))), 2, axis=1)
    )
    assert spreads[:, 5].min() / 12 == pytest.approx(0.1, abs=0.01)
    assert spreads[:, 5].max() / 12 == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("widths", [(0.3, 0.1), (0.1,), (0.1, 0.2, 0.3)])
def test_bad_widths_are_named(widths: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must be two numbers, the smaller one first"):
        RecombinationSearch(widths=widths)
