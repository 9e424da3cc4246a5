"""The score against NumPy, its gradient and parts, its file, and anomalies among the rows that it keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.nets.autoencoder_net import AutoencoderNet
from veilbench.families.autoencoders.schemes.autoencoder import CodedRows
from veilbench.families.autoencoders.schemes.neighbour_detector import NeighbourDetector
from veilbench.nets.convolutional import Convolutional
from veilbench.nets.dense import Dense

TRAIN = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
TEST = np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)


def model(neighbours: int = 5, train: np.ndarray = TRAIN) -> NeighbourDetector:
    torch.manual_seed(0)
    net = AutoencoderNet(Dense(2, 1, [5]), (6,))
    return NeighbourDetector.keep_rows(CodedRows.fit_score(net, "error", train), train, neighbours)


@pytest.mark.parametrize("neighbours", [1, 5])
def test_the_score_is_the_geometric_mean_of_error_and_squared_distance(neighbours: int) -> None:
    made = model(neighbours)
    errors = ((TEST - made.coded.reconstruct(TEST)) ** 2).mean(1)
    squares = np.sort(((TEST[:, None] - TRAIN[None]).astype(float) ** 2).mean(2), axis=1)[:, :neighbours]
    np.testing.assert_allclose(made.score(TEST), np.sqrt(errors * squares.mean(1)), rtol=1e-4)


def test_saved_and_loaded_it_is_the_same_and_holds_the_training_rows(tmp_path: Path) -> None:
    made = model()
    made.save(tmp_path)
    loaded = load_trained_model(tmp_path)
    assert isinstance(loaded, NeighbourDetector)
    np.testing.assert_array_equal(loaded.score(TEST), made.score(TEST))
    np.testing.assert_array_equal(loaded.rows, TRAIN)


def test_the_gradient_is_that_of_finite_differences() -> None:
    made, step = model(), 1e-2
    rows = torch.from_numpy(TEST[:1]).requires_grad_()
    made.score_tensor(rows).sum().backward()
    moved = TEST[:1] + step * np.concatenate([np.eye(6), -np.eye(6)]).astype(np.float32)
    scores = made.score(moved)
    assert rows.grad is not None
    np.testing.assert_allclose(rows.grad[0], (scores[:6] - scores[6:]) / (2 * step), rtol=0.05, atol=2e-3)


def test_parts_add_up_to_the_score_and_name_the_feature_that_was_moved() -> None:
    made, moved = model(), TEST.copy()
    moved[:, 3] += 9
    parts = made.feature_scores(moved)
    np.testing.assert_allclose(parts.sum(1), made.score(moved), rtol=1e-4)
    assert (parts.argmax(1) == 3).all()


def test_images_are_scored_as_rows() -> None:
    images = np.random.default_rng(2).random((20, 1, 6, 6)).astype(np.float32)
    coded = CodedRows.fit_score(AutoencoderNet(Convolutional(2, [2], 3), (1, 6, 6)), "error", images)
    made = NeighbourDetector.keep_rows(coded, images, 2)
    assert made.score(images).shape == (20,)
    np.testing.assert_allclose(made.feature_scores(images).sum((1, 2, 3)), made.score(images), rtol=1e-4)


def test_a_training_row_has_itself_as_its_only_neighbour_if_one_counts() -> None:
    assert model(1).score(TRAIN).max() < 1e-5 < model(5).score(TRAIN).min()


def test_five_neighbours_still_see_an_anomaly_like_one_among_the_training_rows() -> None:
    far = np.full((1, 6), 7, np.float32)
    contaminated, anomaly = np.concatenate([TRAIN, far]), far + 0.01
    one, five = model(1, contaminated), model(5, contaminated)
    assert one.score(anomaly)[0] < np.median(one.score(TEST))
    assert five.score(anomaly)[0] > five.score(TEST).max()


def test_of_many_rows_evenly_spaced_ones_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilbench.families.autoencoders.schemes.neighbour_detector.FITTED_TO", 3)
    np.testing.assert_array_equal(model(2, TRAIN[:5]).rows, TRAIN[[0, 2, 4]])


def test_more_neighbours_than_rows_are_refused() -> None:
    with pytest.raises(UserError, match="neighbours=6 needs at least as many training rows; there are 5"):
        model(6, TRAIN[:5])
