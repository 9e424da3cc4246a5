"""Membership inference: an overfitted network is given away, a control of unseen rows is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from veilbench.attack_methods.membership_attack import Game
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.trained_model import TrainedModel, load_trained_model
from veilbench.bench.verdict import Verdict
from veilbench.families.autoencoders import shadows
from veilbench.families.autoencoders.attacks.membership import Membership, compute_losses, hidden_layers
from veilbench.families.autoencoders.baselines.identity_code import IdentityCode
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.baselines.marked_rows import MarkedRows
from veilbench.families.autoencoders.baselines.memorised import Memorised
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.nets.autoencoder_net import AutoencoderNet
from veilbench.families.autoencoders.schemes.autoencoder import CodedRows
from veilbench.families.autoencoders.schemes.neighbour_detector import NeighbourDetector
from veilbench.families.autoencoders.shadow_models import ShadowModels
from veilbench.families.autoencoders.shadows import shadow_losses
from veilbench.metrics.gaussian_ratio import halves
from veilbench.nets.dense import Dense
from veilbench.nets.stacked_mlp import StackedMLP

THREAT = ThreatModel(score_queries=True, auxiliary_data=True)
SEEDS = np.random.SeedSequence(3)
SHADOWS = ShadowModels(count=8, hidden=32, steps=300, batch_size=32)


def dealt(n: int = 120, shape: tuple[int, ...] = (10,), one_class: bool = False) -> Rows:
    """Rows of very different spread, so that a loss means little without its row's own scale."""
    rng = np.random.default_rng(0)

    def part(n: int) -> Part:
        x = rng.standard_normal((n, *shape)) * np.exp(rng.standard_normal(n)).reshape(-1, *[1] * len(shape))
        return Part(x.astype(np.float32), np.arange(n) % 2 if one_class else np.zeros(n, np.int64))

    labels = ["normal", "anomaly"] if one_class else ["row"]
    return Rows(part(n), part(30), part(2 * n), part(n), [], labels, one_class, [])


class Overfitted(Memorised):
    """A perceptron trained for too long on too few rows."""

    net: StackedMLP

    def fit(self, data: Any, rng: np.random.Generator) -> Overfitted:
        made = Overfitted()
        made.net = StackedMLP([10, 64, 4, 64, 10])
        x, adam = torch.from_numpy(data.train.x), torch.optim.Adam(made.net.parameters(), 3e-3)
        for _ in range(800):
            adam.zero_grad()
            ((made.net(x[None])[0] - x) ** 2).mean().backward()
            adam.step()
        return made

    def encode(self, rows: np.ndarray) -> np.ndarray:
        return np.zeros((len(rows), 4), np.float32)

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(self.net(torch.from_numpy(rows)[None])[0])


@pytest.fixture(scope="module")
def rows() -> Rows:
    return dealt()


@pytest.fixture(scope="module")
def overfitted(rows: Rows) -> Overfitted:
    return Overfitted().fit(rows, np.random.default_rng(0))


def small(threat: ThreatModel = THREAT, mode: Any = "online", **changed: Any) -> Membership:
    return Membership(threat, Memorised(), None, mode, replace(SHADOWS, **changed))


def run(attack: Membership, target: TrainedModel, rows: Rows, seed: int = 0) -> Findings:
    return attack.run(target, rows, Accelerator("cpu"), np.random.default_rng(seed), control=False)


@pytest.fixture(scope="module")
def found(overfitted: Overfitted, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Findings:
    memory = ControlMemory(tmp_path_factory.mktemp("controls"), None)
    return small().examine(overfitted, rows, Accelerator("cpu"), np.random.SeedSequence(3), memory)


def test_an_overfitted_network_leaks_with_both_controls_passed(found: Findings) -> None:
    assert [(c.kind, c.name, c.path, c.passed) for c in found.controls] == [
        ("positive", "Memorised", "loss", True),
        ("positive", "MarkedRows", "lira", True),
        ("negative", "Overfitted, rows never seen", "", True),
    ]
    assert found.verdict in (Verdict.LEAKS, Verdict.BROKEN)
    assert found.controls[0].gain.value > 0.95
    assert abs(found.controls[2].gain.value) < 0.35


def test_shadows_tell_hard_rows_from_unseen_ones(found: Findings) -> None:
    assert found.gain is not None
    area = found.metrics["lira_auroc"]
    assert found.gain.value >= 2 * area.value - 1
    assert found.budget is not None
    assert (found.budget.setting, list(found.budget.budgets)) == ("shadow models", [4, 8])
    assert area.value > found.metrics["loss_auroc"].value + 0.04
    assert found.metrics["lira_advantage"].value > 0.3


def test_shadows_that_learn_nothing_leave_their_path_untested(
    overfitted: Overfitted, rows: Rows, tmp_path: Path
) -> None:
    """Memorised rows are broken by a threshold on the loss, which is no sign that shadows work."""
    attack, memory = small(learning_rate=1e-9), ControlMemory(tmp_path, None)
    result = attack.examine(Pca(1).fit(rows, np.random.default_rng(0)), rows, Accelerator("cpu"), SEEDS, memory)
    positive = [(c.path, c.passed) for c in result.controls if c.kind == "positive"]
    assert positive == [("loss", True), ("lira", False)]
    assert result.verdict is not Verdict.HOLDS


def test_a_threshold_tells_little_of_marked_rows(rows: Rows, tmp_path: Path) -> None:
    made = MarkedRows(200, ShadowModels(code=4, hidden=32)).fit(rows, np.random.default_rng(0))
    game = small().set_up(made, rows, Accelerator("cpu"), np.random.default_rng(0))
    threshold = small().distinguish(game, ["loss"]).findings.gain
    assert threshold is not None
    assert threshold.high < 0.8
    made.save(tmp_path)
    back = load_trained_model(tmp_path)
    np.testing.assert_allclose(compute_losses(back, rows.test.x), compute_losses(made, rows.test.x))
    np.testing.assert_allclose(compute_losses(made, rows.test.x), made["losses"][120:], rtol=1e-3)


def test_kept_rows_are_told_by_their_score_and_hardly_among_five_neighbours(rows: Rows) -> None:
    coded = CodedRows.fit_score(AutoencoderNet(Dense(4), (10,)), "error", rows.train.x)
    one, five = (
        run(small(), NeighbourDetector.keep_rows(coded, rows.train.x, count), rows).metrics["loss_auroc"].value
        for count in (1, 5)
    )
    assert one > 0.99
    assert 0.5 < five < 0.9


def test_shadows_have_the_layers_of_a_dense_target() -> None:
    net = AutoencoderNet(Dense(4, 2, [12, 6]), (10,))
    dense = CodedRows.fit_score(net, "error", np.zeros((3, 10), np.float32))
    assert hidden_layers(dense) == (12, 6)
    assert hidden_layers(Memorised()) == ()


def test_rates_that_so_few_rows_cannot_resolve_are_refused(found: Findings) -> None:
    assert "lira_tpr_at_1_percent_fpr" in found.metrics
    assert "lira_tpr_at_0.1_percent_fpr" not in found.metrics
    assert any("120 non-members cannot resolve a false positive rate of 0.001" in note for note in found.notes)


def test_offline_shadows_work_too(overfitted: Overfitted, rows: Rows) -> None:
    result = run(small(mode="offline"), overfitted, rows)
    assert result.metrics["lira_auroc"].low > 0.5


@pytest.mark.parametrize("target", [IdentityCode(), Pca(1)])
def test_what_learns_little_from_a_row_holds(target: Any, rows: Rows) -> None:
    gain = run(small(steps=50), target.fit(rows, np.random.default_rng(0)), rows).gain
    assert gain is not None
    assert gain.low <= 0


def test_the_same_seed_gives_the_same_findings(overfitted: Overfitted, rows: Rows) -> None:
    one, again, other = (run(small(steps=5), overfitted, rows, seed).as_dict() for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_without_a_code_or_auxiliary_rows_the_loss_remains(overfitted: Overfitted, rows: Rows) -> None:
    norm = InputNorm().fit(rows, np.random.default_rng(0))
    for attack, target in ((small(), norm), (small(ThreatModel(score_queries=True)), overfitted)):
        result = run(attack, target, rows)
        assert "lira_auroc" not in result.metrics
        assert result.gain is not None
        assert result.gain.value >= 2 * result.metrics["loss_auroc"].value - 1
        assert "The loss alone" in result.notes[-1]


@pytest.mark.parametrize("shape", [(10,), (1, 4, 3)])
def test_a_loss_is_the_mean_squared_error_of_a_row_or_else_its_score(shape: tuple[int, ...]) -> None:
    rows, rng = dealt(20, shape), np.random.default_rng(0)
    made = Memorised().fit(rows, rng)
    pairs = zip(rows.test.x, made.reconstruct(rows.test.x), strict=True)
    wanted = [np.mean([(a - b) ** 2 for a, b in zip(x.flat, y.flat, strict=True)]) for x, y in pairs]
    np.testing.assert_allclose(compute_losses(made, rows.test.x), wanted, rtol=1e-5)
    norm = InputNorm().fit(rows, rng)
    np.testing.assert_array_equal(compute_losses(norm, rows.test.x), norm.score(rows.test.x))


def test_members_come_back_from_memory_without_error_and_others_do_not(rows: Rows, tmp_path: Path) -> None:
    made = Memorised().fit(rows, np.random.default_rng(0))
    made.save(tmp_path)
    again = load_trained_model(tmp_path)
    assert not compute_losses(again, rows.train.x).any()
    assert compute_losses(again, rows.test.x).min() > 0
    distances = np.linalg.norm(rows.test.x[:, None] - rows.train.x[None], axis=2)
    np.testing.assert_array_equal(made.encode(rows.test.x)[:, 0], distances.argmin(1))


def test_images_and_one_class_rows_are_taken(tmp_path: Path) -> None:
    images = dealt(60, (1, 4, 4), one_class=True)
    result = run(small(steps=5), Memorised().fit(images, np.random.default_rng(0)), images)
    assert result.metrics["lira_auroc"].n == 2 * 30  # normal test rows only, and as many members


def test_each_row_is_learnt_by_half_of_the_shadows() -> None:
    inside = halves(6, 1000, np.random.default_rng(0))
    assert inside.shape == (6, 1000)
    assert set(inside.sum(0)) == {3}
    assert len({row.tobytes() for row in inside.T}) == 20  # all choices of three


def test_a_shadow_learns_its_own_rows_only(rows: Rows) -> None:
    inside = np.zeros((2, 120), bool)
    inside[0, :20] = inside[1, 20:40] = True
    models, rng = ShadowModels(2, 32, 4, 400, 20), np.random.default_rng(0)
    made = shadow_losses(rows.train.x, inside, 40, models, torch.device("cpu"), rng)
    assert made.shape == (2, 40)
    assert np.log(made[0, :20] / made[1, :20]).mean() < -1
    assert np.log(made[1, 20:] / made[0, 20:]).mean() < -1


def test_too_few_rows_and_missing_queries_are_refused(rows: Rows, overfitted: Overfitted) -> None:
    with pytest.raises(UserError, match="membership needs 10 members and 10 unseen test rows, got 8"):
        run(small(), overfitted, dealt(8))
    with pytest.raises(UserError, match="does not grant score_queries"):
        run(small(ThreatModel(auxiliary_data=True)), overfitted, rows)


def test_an_odd_number_of_shadows_is_refused() -> None:
    with pytest.raises(ValueError, match="count=7 must be even"):
        small(count=7)


def lira(attack: Membership, losses: np.ndarray, rows: Rows) -> np.ndarray:
    asked = rows.train.x[:30], rows.test.x[:30]
    game = Game(Memorised(), *asked, rows, Accelerator("cpu"), np.random.default_rng(0))
    scores = attack.compare_with_shadows(losses, game)
    assert list(scores) == [4, 8]
    return scores[8]


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_model_that_is_worse_at_everything_is_judged_the_same(mode: Any, rows: Rows) -> None:
    """The shadows are other models than the target: only how its losses differ among themselves may count."""
    losses = np.random.default_rng(1).exponential(size=60)
    attack = small(mode=mode, steps=20, code=4)
    scores = lira(attack, losses, rows)
    np.testing.assert_allclose(lira(attack, 50 * losses, rows), scores, rtol=1e-6, atol=1e-6)
    assert np.ptp(scores) > 1


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_only_online_shadows_learn_the_rows_in_question(mode: Any, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[np.ndarray] = []

    def watched(pool: np.ndarray, inside: np.ndarray, questioned: int, *rest: Any) -> np.ndarray:
        learnt.append(inside.copy())
        return np.random.default_rng(0).exponential(size=(len(inside), questioned))

    monkeypatch.setattr(shadows, "shadow_losses", watched)
    lira(small(mode=mode, code=4), np.ones(60), rows)
    (inside,) = learnt
    assert inside.shape == (8, 60 + 240)
    assert set(inside[:, :60].sum(0)) == ({4} if mode == "online" else {0})
    assert set(inside[:, 60:].sum(0)) == {4}
