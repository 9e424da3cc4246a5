"""Training of a denoiser: it learns, its schedule is the one described, and an interruption changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.modules.denoising import Denoising
from veilbench.families.autoencoders.schemes.denoiser import Denoiser
from veilbench.training.resumable import Resumable


@pytest.fixture(scope="module")
def patches() -> Rows:
    """Step edges at random places."""
    rng = np.random.default_rng(0)
    x = (np.arange(16) > rng.uniform(2, 14, (120, 1, 16, 1)).mean(2, keepdims=True)).astype(np.float32)
    x = 0.2 + 0.6 * np.broadcast_to(x, (120, 1, 16, 16)).copy() + rng.uniform(-0.1, 0.1, (120, 1, 1, 1))
    parts = [Part(x[i::4].astype(np.float32), np.zeros(30, np.int64)) for i in range(4)]
    return Rows(*parts, [], ["all"], False, [])


def make_module(**settings: object) -> Denoising:
    defaults = {"channels": [4, 6], "crop": 12, "learning_rate": 0.01, "warm_up": 2, "average": 0.8}
    return Denoising(**{**defaults, **settings})  # type: ignore[arg-type]


def train(folder: Path, rows: Rows, steps: int, state: str = "state", **settings: object) -> Denoiser:
    folder.mkdir(exist_ok=True)
    trainer = Accelerator("cpu", precision=str(settings.pop("precision", "32-true")))
    training = Resumable(str(folder / state), steps, 8, 4)
    model, _ = training.fit(make_module(**settings), rows, trainer, np.random.SeedSequence(3), folder)
    assert isinstance(model, Denoiser)
    return model


def interrupt(folder: Path, rows: Rows, steps: int, at: int) -> None:
    class Killed(Exception):
        pass

    def watch(step: int, curves: dict[str, float]) -> None:
        if step > at:
            raise Killed

    training = Resumable(str(folder / "state"), steps, 8, 4)
    training.watch = watch
    with pytest.raises(Killed):
        training.fit(make_module(), rows, Accelerator("cpu"), np.random.SeedSequence(3), folder)


def test_it_learns_to_denoise(tmp_path: Path, patches: Rows) -> None:
    model = train(tmp_path, patches, 300)
    clean = patches.test.x
    noisy = (clean + np.random.default_rng(1).normal(0, 0.1, clean.shape)).astype(np.float32)
    told = Denoiser(model.net, sigma=0.1)
    assert np.square(told.restore_rows(noisy) - clean).mean() < 0.4 * np.square(noisy - clean).mean()


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path: Path, patches: Rows) -> None:
    whole = train(tmp_path / "whole", patches, 22)
    (tmp_path / "cut").mkdir()
    for at in (5, 14):  # twice, the first time in the middle of the second call
        interrupt(tmp_path / "cut", patches, 22, at)
    module, state = make_module(), tmp_path / "cut" / "state.ckpt"
    training = Resumable(str(state.with_suffix("")), 22, 8, 4)
    model, findings = training.fit(module, patches, Accelerator("cpu"), np.random.SeedSequence(3), tmp_path / "cut")
    for name, array in whole.arrays().items():
        assert np.array_equal(model.arrays()[name], array), name
    assert module.steps == 22
    assert [len(figure.curves[0].x) for figure in findings.figures] == [6, 6]  # also those before the interruption
    assert state.exists()
    training.forget()
    assert not state.exists()
    other = train(tmp_path / "other", patches, 21)
    assert any(not np.array_equal(other.arrays()[name], array) for name, array in whole.arrays().items())


def test_it_may_end_early_or_late(tmp_path: Path, patches: Rows) -> None:
    interrupt(tmp_path, patches, 1000, 9)
    saved = torch.load(tmp_path / "state.ckpt", weights_only=True)
    assert saved["progress"]["steps"] == 8
    early = train(tmp_path, patches, 12)
    assert not np.array_equal(early.arrays()["head.weight"], saved["state_dict"]["net.head.weight"].half().numpy())


def test_states_that_cannot_be_used_are_one_line(tmp_path: Path, patches: Rows) -> None:
    interrupt(tmp_path, patches, 1000, 9)
    with pytest.raises(UserError, match=r"training\.max_steps=8 is not allowed: .* is after 8"):
        train(tmp_path, patches, 8)
    with pytest.raises(UserError, match="belongs to another training"):
        train(tmp_path, patches, 20, channels=[4, 8])
    with pytest.raises(UserError, match="belongs to another training"):
        train(tmp_path, replace(patches, train=patches.test), 20)
    with pytest.raises(UserError, match="belongs to another training"):
        Resumable(str(tmp_path / "state"), 20, 9, 4).fit(
            make_module(), patches, Accelerator("cpu"), np.random.SeedSequence(3), tmp_path
        )
    (tmp_path / "text.ckpt").write_text("nothing")
    with pytest.raises(UserError, match=r"holds no checkpoint of a training"):
        train(tmp_path, patches, 20, "text")
    with pytest.raises(UserError, match=r"cannot write training\.state="):
        train(tmp_path, patches, 20, "text.ckpt/inner/state")


def test_the_learning_rate_rises_stays_and_falls() -> None:
    module = make_module(learning_rate=1.0, warm_up=9, fall=0.2)
    module.planned_steps = 100
    assert [module.rate(step) for step in (0, 4, 9, 79)] == pytest.approx([0.1, 0.5, 1, 1])
    assert [module.rate(step) for step in (80, 90, 99)] == pytest.approx([1, 0.5, 0.05])


def test_crops_first_and_whole_patches_at_the_end(patches: Rows, tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []

    class Watched(Denoising):
        def loss(self, net: torch.nn.Module, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            if net is self.net:
                seen.append(tuple(clean.shape[1:]))
            return super().loss(net, clean, generator)

    module = Watched([4], crop=12, whole=0.25)
    Resumable(str(tmp_path / "x"), 8, 8, 4).fit(
        module, patches, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path
    )
    assert seen == [(1, 12, 12)] * 6 + [(1, 16, 16)] * 2


def test_the_model_has_the_moving_average_of_weights_and_gradients_are_clipped(tmp_path: Path, patches: Rows) -> None:
    weights: list[torch.Tensor] = []

    class Watched(Denoising):
        def loss(self, net: torch.nn.Module, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            if net is self.net:
                weights.append(self.net.tail.weight.detach().clone())
            return super().loss(net, clean, generator)

    module = Watched([4], crop=12, average=0.7, largest_norm=1e-3)
    training = Resumable(str(tmp_path / "x"), 5, 8, 5)
    model, _ = training.fit(module, patches, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
    average = weights[1]  # after the first step; the average begins there
    for later in (*weights[2:], module.net.tail.weight.detach()):
        average = 0.7 * average + 0.3 * later
    np.testing.assert_array_equal(model.arrays()["tail.weight"], average.half().numpy())
    assert not np.array_equal(model.arrays()["tail.weight"], module.net.tail.weight.detach().half().numpy())
    norm = torch.stack([weight.grad.norm() for weight in module.net.parameters() if weight.grad is not None]).norm()
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)


def test_the_levels_are_drawn_between_the_bounds(patches: Rows) -> None:
    module, levels, spreads = make_module(lowest=0.1, highest=0.3), [], []

    def net(noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        levels.append(sigma)
        spreads.append(noisy.std((1, 2, 3)))
        return noisy

    lost = module.loss(net, torch.full((400, 1, 32, 32), 0.5), torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    assert 0.1 <= levels[0].min() < 0.11
    assert 0.29 < levels[0].max() <= 0.3
    torch.testing.assert_close(spreads[0], levels[0], rtol=0.15, atol=0)
    assert lost == pytest.approx(0.2, rel=0.03)  # the mean of the levels, if nothing is restored


def test_mixed_precision_uses_the_weights_of_every_step(tmp_path: Path, patches: Rows) -> None:
    """One call of many steps learns as many calls of one step: no weights stay in autocast's memory."""
    models = []
    for calls in (1, 6):
        folder = tmp_path / str(calls)
        folder.mkdir()
        training = Resumable(str(folder / "state"), 6, 8, 6 // calls)
        trainer, seeds = Accelerator("cpu", precision="bf16-mixed"), np.random.SeedSequence(3)
        models.append(training.fit(make_module(), patches, trainer, seeds, folder)[0])
    for name, array in models[0].arrays().items():
        assert np.array_equal(models[1].arrays()[name], array), name


def test_it_may_start_from_a_trained_denoiser(tmp_path: Path, patches: Rows) -> None:
    train(tmp_path / "first", patches, 20).save(tmp_path)
    module = make_module(initial=str(tmp_path))
    module.start(patches, np.random.SeedSequence(9))
    model = load_trained_model(tmp_path)
    assert isinstance(model, Denoiser)
    for name, weight in model.net.state_dict().items():
        assert torch.equal(module.net.state_dict()[name], weight)
        assert torch.equal(module.averaged.module.state_dict()[name], weight)
    with pytest.raises(UserError, match=r"holds {'channels': \[4, 6\], .* to train has {'channels': \[4, 8\]"):
        make_module(initial=str(tmp_path), channels=[4, 8]).start(patches, np.random.SeedSequence(9))
    with pytest.raises(UserError, match="holds no trained model"):
        make_module(initial=str(tmp_path / "none")).start(patches, np.random.SeedSequence(9))


def test_patches_that_do_not_fit_are_refused(patches: Rows) -> None:
    with pytest.raises(UserError, match=r"model.crop=17 needs square images of that size or larger"):
        make_module(crop=17).start(patches, np.random.SeedSequence(0))
    with pytest.raises(ValueError, match=r"lowest=0.3 must be at most highest=0.2"):
        make_module(lowest=0.3, highest=0.2)
