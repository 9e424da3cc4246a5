from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.nets.autoencoder_net import AutoencoderNet
from veilbench.families.autoencoders.schemes.autoencoder import CodedRows, Score
from veilbench.nets.convolutional import FullyConvolutional
from veilbench.nets.dense import Dense

ROWS = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
SCORES: list[Score] = ["error", "whitened", "mahalanobis", "combined"]


def model(score: Score = "error") -> CodedRows:
    torch.manual_seed(0)
    return CodedRows.fit_score(AutoencoderNet(Dense(2, 1, [5]), (6,)), score, ROWS)


@pytest.mark.parametrize("score", SCORES)
def test_saved_and_loaded_it_is_the_same(tmp_path: Path, score: Score) -> None:
    made = model(score)
    made.save(tmp_path)
    loaded = load_trained_model(tmp_path)
    assert isinstance(loaded, CodedRows)
    assert np.array_equal(loaded.score(ROWS), made.score(ROWS))
    assert np.array_equal(loaded.encode(ROWS), made.encode(ROWS))


@pytest.mark.parametrize("score", SCORES)
def test_the_tensor_s_score_is_the_score_and_has_a_gradient(score: Score) -> None:
    made, rows = model(score), torch.from_numpy(ROWS[:9]).requires_grad_()
    scores = made.score_tensor(rows)
    np.testing.assert_allclose(scores.detach().numpy(), made.score(ROWS[:9]), rtol=1e-5)
    scores.sum().backward()
    assert rows.grad is not None
    assert float(rows.grad.abs().min(1).values.max()) > 0


class OneDevice(TorchDispatchMode):
    """Refuses operations on tensors of different devices, as a GPU does; copies between devices are allowed."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor) and one.dim()]
        if len({one.device for one in tensors}) > 1 and "copy" not in func.name():
            raise RuntimeError(f"{func.name()} of tensors on different devices")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("score", SCORES)
def test_rows_on_another_device_are_scored_there(score: Score) -> None:
    with OneDevice():
        assert model(score).score_tensor(torch.empty(9, 6, device="meta")).device.type == "meta"


def test_error_is_the_mean_squared_error_and_its_parts_add_up() -> None:
    made = model()
    errors = ((made.reconstruct(ROWS) - ROWS) ** 2).mean(1)
    np.testing.assert_allclose(made.score(ROWS), errors, rtol=1e-5)
    np.testing.assert_allclose(made.feature_scores(ROWS).sum(1), errors, rtol=1e-5)


def test_whitened_weighs_places_by_what_is_usual_in_them() -> None:
    made = model("whitened")
    squared = (made.reconstruct(ROWS) - ROWS) ** 2
    np.testing.assert_allclose(made.score(ROWS), (squared / squared.mean(0)).mean(1), rtol=1e-4)


def test_mahalanobis_is_scikit_learn_s_distance() -> None:
    made = model("mahalanobis")
    both = np.hstack([made.encode(ROWS), ROWS - made.reconstruct(ROWS)]).astype(float)
    standard = both / (both.std(0) + 1e-6)
    np.testing.assert_allclose(made.score(ROWS), LedoitWolf().fit(standard).mahalanobis(standard) / 6, rtol=1e-3)
    with pytest.raises(NotImplementedError, match="parts"):
        made.feature_scores(ROWS)


def test_combined_is_the_geometric_mean_of_error_and_mahalanobis() -> None:
    error, mahalanobis = model("error").score(ROWS), model("mahalanobis").score(ROWS)
    np.testing.assert_allclose(model("combined").score(ROWS), np.sqrt(error * mahalanobis), rtol=1e-4)


def test_combined_is_shared_out_by_the_error_of_each_feature() -> None:
    made = model("combined")
    parts, squares = made.feature_scores(ROWS), (made.reconstruct(ROWS) - ROWS) ** 2
    np.testing.assert_allclose(parts.sum(1), made.score(ROWS), rtol=1e-5)
    np.testing.assert_allclose(parts / parts.sum(1)[:, None], squares / squares.sum(1)[:, None], rtol=1e-4)


def test_combined_of_a_row_given_back_exactly_is_finite_with_a_finite_gradient() -> None:
    net = AutoencoderNet(Dense(6, 0), (6,))
    with torch.no_grad():
        for layer in (net.encoder[1], net.decoder[0]):
            layer.weight.copy_(torch.eye(6))
            layer.bias.zero_()
    made, rows = CodedRows.fit_score(net, "combined", ROWS), torch.from_numpy(ROWS[:4]).requires_grad_()
    made.score_tensor(rows).sum().backward()
    assert np.isfinite(made.score(ROWS)).all()
    assert rows.grad is not None
    assert bool(rows.grad.isfinite().all())


def test_many_rows_are_worked_on_in_parts_with_the_same_answer() -> None:
    made, many = model(), np.tile(ROWS, (8, 1))
    np.testing.assert_allclose(made.score(many), np.tile(made.score(ROWS), 8), rtol=1e-5)
    assert made.score(ROWS[:0]).shape == (0,)


def test_a_score_is_fitted_to_rows_from_all_over_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilbench.families.autoencoders.schemes.autoencoder.FITTED_TO", 100)
    torch.manual_seed(0)
    net, thrice = AutoencoderNet(Dense(2, 1, [5]), (6,)), np.repeat(ROWS[:100], 3, axis=0)
    few, many = (CodedRows.fit_score(net, "mahalanobis", rows) for rows in (ROWS[:100], thrice))
    np.testing.assert_allclose(few.score(ROWS), many.score(ROWS), rtol=1e-5)


def test_a_net_without_bottleneck_restores_but_does_not_decode() -> None:
    made = CodedRows.fit_score(
        AutoencoderNet(FullyConvolutional(2, 3), (1, 8, 8), residual=True), "error", np.zeros((2, 1, 8, 8), np.float32)
    )
    assert made.restore_rows(np.zeros((1, 1, 30, 20), np.float32)).shape == (1, 1, 30, 20)
    with pytest.raises(NotImplementedError, match="bottleneck"):
        made.decode(np.zeros((1, 192), np.float32))
