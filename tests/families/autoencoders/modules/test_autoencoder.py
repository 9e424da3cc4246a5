from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.modules.autoencoder import Autoencoder
from veilbench.families.autoencoders.nets.boltzmann import BoltzmannPretraining
from veilbench.families.autoencoders.regularisers.contractive import Contractive
from veilbench.families.autoencoders.regularisers.sparsity import L1
from veilbench.families.autoencoders.regularisers.variational import Variational
from veilbench.families.autoencoders.schemes.autoencoder import CodedRows
from veilbench.nets.convolutional import Convolutional
from veilbench.nets.dense import Dense
from veilbench.training.central import Central


def digits(rows: int = 600, scale: float = 1.0) -> Rows:
    x = (load_digits().images[:, None] / 16 * scale).astype(np.float32)[: rows + 200]
    y = load_digits().target[: rows + 200]
    ends = [0, rows, rows + 50, rows + 100, rows + 200]
    parts = [Part(x[a:b], y[a:b]) for a, b in pairwise(ends)]
    return Rows(*parts, features=[], labels=list("0123456789"), one_class=False, notes=[])


def fitted(tmp_path: Path, rows: Rows, steps: int = 400, seed: int = 0, **settings: Any) -> tuple[CodedRows, Any]:
    module = Autoencoder(**{"net": Dense(8, 1, [64]), "loss": "mse", **settings})
    training = Central(max_steps=steps, batch_size=64, steps_per_call=100)
    model, found = training.fit(module, rows, Accelerator("cpu"), np.random.SeedSequence(seed), tmp_path)
    assert isinstance(model, CodedRows)
    return model, found


def mse(model: CodedRows, x: np.ndarray) -> float:
    return float(((model.reconstruct(x) - x) ** 2).mean())


def test_the_linear_autoencoder_spans_the_subspace_of_pca(tmp_path: Path) -> None:
    rows = digits()
    model, _ = fitted(tmp_path, rows, 6000, net=Dense(8, 0), learning_rate=0.01)
    flat = rows.train.x.reshape(len(rows.train), -1)
    pca = PCA(8).fit(flat)
    best = float(((pca.inverse_transform(pca.transform(flat)) - flat) ** 2).mean())
    assert best <= mse(model, rows.train.x) * 1.0001  # nothing linear is better
    assert mse(model, rows.train.x) <= 1.01 * best
    decoder = next(weight for name, weight in model.arrays().items() if name == "net.decoder.0.weight")
    cosines = np.linalg.svd(np.linalg.qr(decoder)[0].T @ pca.components_.T, compute_uv=False)  # of the principal angles
    assert cosines.min() > 0.99


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": "bce"},
        {"net": Convolutional(8, [8, 16]), "learning_rate": 0.01},
        {"regulariser": Variational(0.1)},
        {"regulariser": Contractive(1e-4)},
        {
            "net": Dense(16, 1, [32], "sigmoid"),
            "loss": "bce",
            "pretraining": BoltzmannPretraining(epochs=20),
            "learning_rate": 0.01,
        },
    ],
    ids=["undercomplete", "bce", "convolutional", "variational", "contractive", "deep"],
)
def test_every_variant_learns_to_give_rows_back(tmp_path: Path, settings: dict[str, Any]) -> None:
    rows = digits()
    mean_row = float(((rows.test.x - rows.train.x.mean(0)) ** 2).mean())
    model, found = fitted(tmp_path, rows, **settings)
    assert mse(model, rows.test.x) < 0.7 * mean_row
    curve = found.figures[0].curves[0].y
    assert curve[-1] < curve[0]


def test_the_same_seed_gives_the_same_model_and_another_seed_another_one(tmp_path: Path) -> None:
    rows = digits(200)
    one, again, other = (fitted(tmp_path, rows, 100, seed)[0].score(rows.test.x) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.allclose(one, other)


def test_a_sparse_code_has_fewer_active_units_than_a_free_one(tmp_path: Path) -> None:
    rows, net = digits(), Dense(96, 0, [], "relu", "relu")
    free, sparse = (fitted(tmp_path, rows, 600, net=net, regulariser=r)[0] for r in (None, L1(0.1)))
    active = [(s.encode(rows.test.x) > 1e-3).mean() for s in (free, sparse)]
    assert active[1] < 0.6 * active[0]


def test_corruption_is_fresh_at_every_step_and_teaches_to_undo_it(tmp_path: Path) -> None:
    drawn: list[torch.Tensor] = []

    def noise(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        made = torch.randn(images.shape, generator=generator, device=images.device)
        drawn.append(made[0])
        return images + 0.3 * made

    rows = digits()
    model, _ = fitted(tmp_path, rows, 1000, net=Dense(32, 1, [128]), corruption=noise)
    assert not torch.equal(drawn[0], drawn[1])
    noisy = rows.test.x + 0.3 * np.random.default_rng(0).standard_normal(rows.test.x.shape).astype(np.float32)
    assert ((model.restore_rows(noisy) - rows.test.x) ** 2).mean() < 0.4 * ((noisy - rows.test.x) ** 2).mean()


def test_augmentation_is_of_training_rows_alone_and_comes_before_the_corruption(tmp_path: Path) -> None:
    learned: list[torch.Tensor] = []
    spoilt: list[torch.Tensor] = []

    def bright(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        learned.append(images)
        return images + 5

    def watched(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        spoilt.append(images)
        return images

    rows = digits(128)
    fitted(tmp_path, rows, 4, augmentation=bright, corruption=watched)
    assert [len(x) for x in learned] == [64] * 4
    assert [float(x.min()) for x in spoilt] == [5] * 4 + [0]  # the last are the validation rows
    assert torch.equal(spoilt[0], learned[0] + 5)


def test_patience_ends_the_training(tmp_path: Path) -> None:
    """A learning rate near zero: the validation loss moves so little that noise soon fails to better it."""
    rows, settings = digits(200), {"learning_rate": 1e-12}
    _, found = fitted(tmp_path, rows, 2000, patience=3, **settings)
    assert 300 <= found.metrics["steps"].value < 2000


def test_the_best_weights_are_kept_and_not_the_last_ones(tmp_path: Path) -> None:
    rows = digits(200)
    module = Autoencoder(Dense(8, 1, [64]), "mse")
    seeds = np.random.SeedSequence(0)
    model, _ = Central(300, 64, 100).fit(module, rows, Accelerator("cpu"), seeds, tmp_path)
    good = model.score(rows.test.x)
    with torch.no_grad():
        for weight in module.net.parameters():
            weight.requires_grad_().add_(1.0)
    assert module._validate() > 10 * module.best
    assert not np.allclose(CodedRows.fit_score(module.net, "error", rows.train.x).score(rows.test.x), good)
    assert np.array_equal(module.trained_model().score(rows.test.x), good)


def test_bce_on_rows_outside_the_unit_interval_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model.loss=bce needs rows in \[0, 1\], these are in \[0, 2\]"):
        fitted(tmp_path, digits(scale=2.0), loss="bce")
