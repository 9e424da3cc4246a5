"""Evasion: closed forms, another library's PGD, both controls, masked gradients."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from veilbench.attack_methods.evasion_gain import gain_above_noise
from veilbench.attack_methods.evasion_settings import EvasionSearch, Perturbations
from veilbench.attack_methods.evasion_task import success_curve
from veilbench.attack_methods.gradient_checks import zero_gradients
from veilbench.attack_methods.pgd import Score
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.autoencoders.attacks.detector_tasks import build_tasks, value_bounds
from veilbench.families.autoencoders.attacks.evasion import Evasion
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.baselines.known_anomalies import KnownAnomalies
from veilbench.families.autoencoders.baselines.minor_component import MinorComponent
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.schemes.base import Detector
from veilbench.metrics.nearest import Norm

THREAT = ThreatModel(weights=True, score_queries=True)


def dealt(far: float = 3.0, features: int = 12, one_class: bool = True) -> Rows:
    """Normal rows near a plane of three dimensions; anomalies anywhere."""
    rng = np.random.default_rng(0)
    plane = rng.standard_normal((3, features))

    def normal(n: int) -> np.ndarray:
        return (rng.standard_normal((n, 3)) @ plane + 0.3 * rng.standard_normal((n, features))).astype(np.float32)

    def part(n: int) -> Part:
        return Part(normal(n), np.zeros(n, np.int64))

    odd = (far * rng.standard_normal((150, features))).astype(np.float32)
    test = Part(np.vstack([normal(100), odd]), np.repeat([0, 1], [100, 150]))
    names = [f"f{i}" for i in range(features)]
    return Rows(part(400), part(200), part(200), test, names, ["normal", "anomaly"], one_class, [])


class Stairs(Pca):
    """A score whose gradient was destroyed by rounding."""

    def score(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(np.floor(20 * super().score(rows)) / 20)

    def score_tensor(self, rows: Tensor) -> Tensor:
        return torch.floor(20 * super().score_tensor(rows)) / 20


class Decision(Pca):
    """The score is the decision: it tells nobody which way to go."""

    def score(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(super().score(rows) > self["mean"].size * 0.02, np.float64)

    def score_tensor(self, rows: Tensor) -> Tensor:
        return (super().score_tensor(rows) > self["mean"].size * 0.02).to(rows.dtype)


class Constant(InputNorm):
    """All rows have one score."""

    def score(self, rows: np.ndarray) -> np.ndarray:
        return np.ones(len(rows))


class Opaque(Detector):
    """The same scores as another detector, without a gradient."""

    def __init__(self, inner: Detector) -> None:
        self.inner = inner

    def score(self, rows: np.ndarray) -> np.ndarray:
        return self.inner.score(rows)

    def settings(self) -> dict[str, Any]:
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Opaque:
        raise NotImplementedError


@pytest.fixture(scope="module")
def rows() -> Rows:
    return dealt()


@pytest.fixture(scope="module")
def pca(rows: Rows) -> Pca:
    return Pca(3).fit(rows, np.random.default_rng(0))


@pytest.fixture(scope="module")
def stairs(pca: Pca) -> Stairs:
    return Stairs.restore(pca.settings(), pca.arrays())


def small(
    threat: ThreatModel = THREAT,
    budgets: Sequence[float] = (0.2, 0.95, 2.0),
    reference: float = 0.95,
    norm: Norm = "l2",
    most_rows: int = 100,
    **search: int,
) -> Evasion:
    moved, searched = Perturbations(norm, budgets, reference), EvasionSearch(**{"steps": 40, "queries": 250} | search)
    return Evasion(threat, InputNorm(), None, moved, searched, most_rows=most_rows)


def examined(attack: Evasion, target: Detector, rows: Rows, folder: Path, key: str | None = None) -> Findings:
    place = Accelerator("cpu", workers=1)
    return attack.examine(target, rows, place, np.random.SeedSequence(1), ControlMemory(folder, key))


@pytest.fixture(scope="module")
def found(pca: Pca, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return examined(small(), pca, rows, tmp_path_factory.mktemp("controls"))


def run(attack: Evasion, target: Detector, rows: Rows, seed: int = 0) -> Findings:
    return attack.run(target, rows, Accelerator("cpu"), np.random.default_rng(seed), control=False)


def test_the_reconstruction_error_is_evaded_with_both_controls_passed(found: Findings) -> None:
    assert [(c.kind, c.name, c.passed) for c in found.controls] == [
        ("positive", "InputNorm", True),
        ("negative", "Pca met with noise", True),
    ]
    assert found.verdict is Verdict.BROKEN
    assert found.metrics["hidden_by_gradient"].value > 0.95
    assert found.metrics["hidden_by_noise"].value < 0.05
    assert found.notes == []
    assert found.metrics["hidden_half_at"].value == 0.95


def test_the_curves_rise_to_everything_and_the_gain_is_what_noise_does_not_do(found: Findings) -> None:
    for figure in found.figures:
        gradient, _, walk, noise = figure.curves
        assert walk.y[0] < walk.y[-1] == 1  # the way to the nearest row of the other side
        assert list(gradient.x) == list(noise.x) == [0.2, 0.95, 2.0]
        assert list(gradient.y) == sorted(gradient.y)
        assert gradient.y[-1] == 1
        assert figure.control_curves == [noise.name]
    _, search, _, noise = found.figures[0].curves
    assert search.y[1] > 0.3 > noise.y[1]
    hidden, noise_share = found.metrics["hidden"].value, found.metrics["hidden_by_noise"].value
    assert found.gain is not None
    assert found.gain.value == pytest.approx((hidden - noise_share) / (1 - noise_share))
    assert found.metrics["alarms_at_largest_budget"].value == 1


def test_the_share_hidden_from_the_input_norm_is_the_closed_form(rows: Rows) -> None:
    """The nearest accepted place lies on the way to the mean, as far away as the score exceeds the threshold."""
    norm = InputNorm().fit(rows, np.random.default_rng(0))
    attack = small(budgets=[0.3, 0.4, 0.5, 0.6], reference=0.5, most_rows=1000)
    task, _ = build_tasks(norm, rows, attack.quantile, "l2", 1000, np.random.default_rng(0))
    needed = (norm.score(task.rows) - task.threshold) / task.distance_to_boundary
    wanted = [float((needed < budget).mean()) for budget in attack.perturbations.budgets]
    assert 0 < wanted[1] < wanted[2] < 1
    by_gradient = run(attack, norm, rows).figures[0].curves[0]
    np.testing.assert_allclose(by_gradient.y, wanted, atol=0.011)


def test_the_share_hidden_from_principal_components_is_the_closed_form(pca: Pca, rows: Rows) -> None:
    """The score is a squared distance from a plane; the way to the threshold is straight towards the plane."""
    attack = small(budgets=[0.8, 0.85, 0.9, 0.95], reference=0.9, steps=100, queries=1, most_rows=1000)
    task, _ = build_tasks(pca, rows, attack.quantile, "l2", 1000, np.random.default_rng(0))
    needed = (np.sqrt(12 * pca.score(task.rows)) - np.sqrt(12 * task.threshold)) / task.distance_to_boundary
    wanted = [float((needed < budget).mean()) for budget in attack.perturbations.budgets]
    assert 0 < wanted[0] < wanted[2] <= 1
    by_gradient = run(attack, pca, rows).figures[0].curves[0]
    assert all(made <= most + 1e-9 for made, most in zip(by_gradient.y, wanted, strict=True))  # nobody can do better
    np.testing.assert_allclose(by_gradient.y, wanted, atol=0.01)


def test_the_same_seed_gives_the_same_findings(pca: Pca, rows: Rows) -> None:
    attack = small(steps=3, queries=5)
    one, again, other = (run(attack, pca, rows, seed).as_dict() for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_masked_gradients_are_flagged(stairs: Stairs, rows: Rows, pca: Pca) -> None:
    notes = " ".join(run(small(), stairs, rows).notes)
    assert "masked gradients: the gradient is zero at 100% of the rows" in notes
    assert "masked gradients: the search without gradients moved" in notes
    assert "more steps help no more" in notes
    task, _ = build_tasks(pca, rows, 0.95, "l2", 100, np.random.default_rng(0))
    assert zero_gradients(task, torch.device("cpu")) == 0


def test_too_few_steps_are_flagged(pca: Pca, rows: Rows) -> None:
    notes = run(small(norm="linf", steps=20, restarts=1), pca, rows).notes
    assert any("not converged" in note for note in notes)
    assert any("too few steps or masked gradients" in note for note in notes)


def test_a_failed_search_within_reach_is_flagged(stairs: Stairs, rows: Rows) -> None:
    notes = run(small(queries=1, restarts=1), stairs, rows).notes
    assert any("the other side is within reach" in note for note in notes)


def test_without_a_gradient_or_weights_the_search_remains(pca: Pca, rows: Rows) -> None:
    for attack, target in ((small(), Opaque(pca)), (small(ThreatModel(score_queries=True)), pca)):
        result = run(attack, target, rows)
        assert any("Search without gradients only" in note for note in result.notes)
        assert "hidden_by_gradient" not in result.metrics
        assert result.metrics["hidden"].value == result.metrics["hidden_without_gradient"].value > 0.3


def test_the_own_control_is_made_for_each_subject_and_the_other_remembered(
    pca: Pca, rows: Rows, tmp_path: Path
) -> None:
    attack = small(steps=2, queries=2)
    for target in (pca, Pca(2).fit(rows, np.random.default_rng(0))):
        examined(attack, target, rows, tmp_path, "key")
    assert [path.name for path in tmp_path.iterdir()] == ["key-positive-gradient.json"]


def test_a_control_that_cannot_be_broken_makes_it_inconclusive(pca: Pca, rows: Rows, tmp_path: Path) -> None:
    found = examined(small(budgets=[0.01], reference=0.01, steps=2, queries=2), pca, rows, tmp_path)
    assert found.verdict is Verdict.INCONCLUSIVE


def test_linf_moves_rows_too(pca: Pca, rows: Rows) -> None:
    result = run(small(norm="linf"), pca, rows)
    assert result.title == "Evasion (linf)"
    assert result.metrics["hidden_by_gradient"].value > 0.9
    assert result.metrics["hidden_by_noise"].value < 0.3


def test_scores_and_one_class_data_are_needed(pca: Pca, rows: Rows) -> None:
    with pytest.raises(UserError, match="does not grant score_queries"):
        run(small(ThreatModel(weights=True)), pca, rows)
    with pytest.raises(UserError, match="needs one-class data"):
        run(small(), pca, dealt(one_class=False))
    with pytest.raises(UserError, match="no test anomaly is caught"):
        run(small(), pca, dealt(far=1e-3))


def test_a_reference_off_the_curve_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reference_budget=0.7 must be one of budgets=\[0.2, 0.95, 2.0\]"):
        small(reference=0.7)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"quantile": 1.0}, r"quantile=1.0 must be in \(0, 1\)"),
        ({"broken_threshold": 0.0}, "broken_threshold=0.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Evasion(THREAT, InputNorm(), **settings)


def half_way(threat: ThreatModel = THREAT, budgets: Sequence[float] = (0.25, 0.5, 2.0), **search: int) -> Evasion:
    controls, searched = (MinorComponent(), KnownAnomalies()), EvasionSearch(**{"steps": 40, "queries": 200} | search)
    return Evasion(threat, *controls, Perturbations("l2", budgets, 0.5), searched, most_rows=100)


def test_the_oracle_holds(rows: Rows, tmp_path: Path) -> None:
    found = examined(half_way(), KnownAnomalies().fit(rows, np.random.default_rng(0)), rows, tmp_path)
    assert found.verdict is Verdict.HOLDS
    assert found.doubt == ""
    assert found.controls[0].path == "gradient"


@pytest.mark.parametrize("threat", [THREAT, ThreatModel(score_queries=True)])
@pytest.mark.parametrize("budgets", [(0.5,), (0.25, 0.5, 2.0)])
def test_a_score_that_gives_a_search_nothing_to_follow_never_holds(
    rows: Rows, pca: Pca, threat: ThreatModel, budgets: Sequence[float], tmp_path: Path
) -> None:
    """The score is the decision alone: nobody hides an anomaly, and nobody has shown that nobody can."""
    target = Decision.restore(pca.settings(), pca.arrays())
    found = examined(half_way(threat, budgets), target, rows, tmp_path)
    assert found.gain is not None
    assert found.gain.value < 0.1
    assert found.gain.high == 1
    assert found.verdict is Verdict.INCONCLUSIVE
    assert any("nothing to follow" in note for note in found.notes)


@pytest.mark.parametrize("budgets", [(0.5,), (0.25, 0.5, 2.0)])
def test_descent_alone_on_rounded_scores_never_holds(
    rows: Rows, stairs: Stairs, budgets: Sequence[float], tmp_path: Path
) -> None:
    found = examined(half_way(budgets=budgets, queries=1), stairs, rows, tmp_path)
    assert found.metrics["hidden"].value == 0
    assert found.controls[0].passed
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_constant_score_is_refused(rows: Rows, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no test anomaly is caught"):
        examined(half_way(), Constant().fit(rows, np.random.default_rng(0)), rows, tmp_path)


def test_a_target_without_gradients_wants_a_control_without_gradients(pca: Pca, rows: Rows, tmp_path: Path) -> None:
    few = examined(half_way(queries=1, steps=40), Opaque(pca), rows, tmp_path)
    assert (few.controls[0].path, few.controls[0].passed) == ("search without gradients", False)
    assert few.verdict is Verdict.INCONCLUSIVE
    many = examined(half_way(queries=400), Opaque(pca), rows, tmp_path)
    assert many.controls[0].passed
    assert any("lower bound" in note for note in many.notes)
    assert many.budget is not None
    assert (many.budget.setting, list(many.budget.budgets)) == ("queries", [200, 400])


def test_too_few_steps_or_queries_are_in_doubt(pca: Pca, rows: Rows, tmp_path: Path) -> None:
    found = examined(small(norm="linf", steps=20, restarts=1), pca, rows, tmp_path)
    assert found.doubt.startswith("budget in doubt: the last doubling of steps")
    assert found.budget is not None
    assert found.gain is not None
    assert found.budget.gains[-1] == found.gain.value > found.budget.gains[0]


def test_a_noise_that_moves_everything_decides_nothing() -> None:
    made = gain_above_noise(np.ones(200, bool), np.ones(200))
    assert (made.low, made.value, made.high) == (0, 0, 1)


def test_unknown_rows_count_for_the_upper_end_alone() -> None:
    moved, unknown = np.arange(200) < 20, np.arange(200) >= 150
    plain, wide = gain_above_noise(moved, np.zeros(200)), gain_above_noise(moved, np.zeros(200), unknown=unknown)
    assert (wide.value, wide.low) == (plain.value, plain.low)
    assert wide.high == pytest.approx(gain_above_noise(moved | unknown, np.zeros(200)).high)
    assert "50 rows unknown" in wide.interval


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_half_way_one_direction_falls_and_the_oracle_holds_and_at_the_end_it_falls_too(
    rows: Rows, pca: Pca, norm: Norm, tmp_path: Path
) -> None:
    controls, moved = (MinorComponent(), KnownAnomalies(norm)), Perturbations(norm, [0.25, 0.5, 1.0])
    attack = Evasion(THREAT, *controls, moved, EvasionSearch(40, restarts=1, queries=50), most_rows=80)
    found = examined(attack, pca, rows, tmp_path)
    positive, negative = found.controls
    assert positive.passed
    assert positive.gain.value > 0.7
    assert negative.passed
    assert negative.gain.value == 0
    oracle = run(attack, attack.negative.fit(rows, np.random.default_rng(0)), rows)  # type: ignore[union-attr]
    by_gradient = oracle.figures[0].curves[0].y
    assert list(by_gradient[:2]) == [0, 0]
    assert by_gradient[2] > 0.9  # the search does work on it: it stands at the nearest normal row


def test_half_of_the_rows_need_what_the_plain_count_says(found: Findings, pca: Pca, rows: Rows) -> None:
    task, _ = build_tasks(pca, rows, 0.95, "l2", 100, np.random.default_rng(0))
    pairs = [float(np.linalg.norm(a - b)) for a, b in combinations(np.vstack([rows.train.x, rows.validation.x]), 2)]
    assert task.spacing == pytest.approx(np.median(pairs), rel=1e-5)
    share, over = found.metrics["hidden_half_at"], found.metrics["hidden_half_over_spacing"]
    assert share.value in (0.2, 0.95)
    nearest_first, farthest = np.sort(task.distance_to_boundary)[[0, -1]] / task.spacing
    assert share.value * nearest_first < over.value < share.value * farthest


def test_rows_that_are_across_are_not_moved_again(pca: Pca, rows: Rows) -> None:
    task, _ = build_tasks(pca, rows, 0.95, "l2", 100, np.random.default_rng(0))
    asked: list[int] = []

    def jump(score: Score, moved: Tensor, radii: Tensor, generator: torch.Generator) -> Tensor:
        asked.append(len(moved))
        return torch.zeros_like(moved) if len(asked) > 1 else torch.cat([torch.zeros_like(moved[:60]), moved[60:]])

    across = success_curve(task, jump, [0.1, 0.2, 0.3], torch.device("cpu"), np.random.default_rng(0))
    assert asked == [100, 40]
    assert across.sum(1).tolist() == [60, 100, 100]
    assert across[0, :60].all()


def test_noise_that_moves_many_rows_is_no_gain_of_the_negative_control(rows: Rows, tmp_path: Path) -> None:
    """A detector that a large ball of noise often crosses: against its own chance noise wins nothing."""
    norm = InputNorm().fit(rows, np.random.default_rng(0))
    attack = small(budgets=[0.5], reference=0.5, steps=1, queries=1, restarts=60)
    found = examined(attack, norm, rows, tmp_path)
    by_noise = found.metrics["hidden_by_noise"].value
    assert 0.1 < by_noise < 0.9
    negative = found.controls[1]
    assert negative.passed
    assert negative.gain.high > 0 > negative.gain.low
    assert abs(negative.gain.value) < 0.1


def test_caught_anomalies_are_to_hide_and_accepted_normal_rows_to_raise_the_alarm() -> None:
    rows = dealt(far=0.5)  # near enough that some anomalies are not caught
    pca = Pca(3).fit(rows, np.random.default_rng(0))
    hide, alarm = build_tasks(pca, rows, 0.9, "l2", 10_000, np.random.default_rng(0))
    threshold = np.quantile(pca.score(rows.validation.x), 0.9)
    over = [float(score) > threshold for score in pca.score(rows.test.x)]
    caught = [row for row, high, y in zip(rows.test.x, over, rows.test.y, strict=True) if high and y == 1]
    passed = [row for row, high, y in zip(rows.test.x, over, rows.test.y, strict=True) if not high and y == 0]
    assert 0 < len(caught) < 150
    assert 0 < len(passed) < 100
    np.testing.assert_array_equal(hide.rows, caught)
    np.testing.assert_array_equal(alarm.rows, passed)
    assert (hide.threshold, hide.sign, alarm.sign) == (pytest.approx(threshold), 1, -1)
    assert hide.succeeded(hide.goals).all()
    assert alarm.succeeded(alarm.goals).all()
    few, _ = build_tasks(pca, rows, 0.9, "l2", 7, np.random.default_rng(0))
    assert len(few.rows) == 7


@pytest.mark.parametrize(
    ("shape", "train", "test", "bounds"),
    [
        ((1, 2, 2), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0)),
        ((1, 2, 2), (0.3, 0.6), (0.2, 0.7), (0.0, 1.0)),
        ((1, 2, 2), (-0.01, 1.0), (0.0, 1.0), None),
        ((1, 2, 2), (0.0, 1.0), (-0.01, 1.0), None),
        ((1, 2, 2), (0.0, 1.01), (0.0, 1.0), None),
        ((1, 2, 2), (0.0, 1.0), (0.0, 1.01), None),
        ((4,), (0.0, 1.0), (0.0, 1.0), None),
    ],
)
def test_only_images_that_lie_between_zero_and_one_have_to_stay_there(
    shape: tuple[int, ...],
    train: tuple[float, float],
    test: tuple[float, float],
    bounds: tuple[float, float] | None,
) -> None:
    def part(ends: tuple[float, float]) -> Part:
        values = np.full((3, *shape), np.mean(ends), np.float32)
        values[0, ..., 0], values[1, ..., -1] = ends
        return Part(values, np.zeros(3, np.int64))

    inner = part((0.5, 0.5))
    assert value_bounds(Rows(part(train), inner, inner, part(test), [], ["normal", "anomaly"], True, [])) == bounds


def test_the_straight_path_goes_a_share_of_the_way_to_the_nearest_normal_row(rows: Rows, pca: Pca) -> None:
    task, _ = build_tasks(pca, rows, 0.95, "l2", 30, np.random.default_rng(0))
    normal = np.concatenate([rows.train.x, rows.validation.x])
    passing = [row for row, score in zip(normal, pca.score(normal), strict=True) if score <= task.threshold]
    for row, goal, far in zip(task.rows, task.goals, task.distance_to_boundary, strict=True):
        distances = [float(np.linalg.norm(row.astype(float) - other)) for other in passing]
        np.testing.assert_array_equal(goal, passing[int(np.argmin(distances))])
        assert far == pytest.approx(min(distances))
    for budget in (0.0, 0.4, 0.9, 1.0, 3.0):
        there = [row + min(budget, 1) * (goal - row) for row, goal in zip(task.rows, task.goals, strict=True)]
        np.testing.assert_array_equal(task.straight_path(budget), pca.score(np.array(there)) <= task.threshold)
    assert not task.straight_path(0.0).any()
    assert task.straight_path(1.0).all()


class FirstColumn(Opaque):
    def score(self, rows: np.ndarray) -> np.ndarray:
        return rows[:, 0]


@pytest.mark.parametrize(
    ("normal", "odd", "said"),
    [(0.0, 0.5, "no test anomaly is caught at the 0.5 quantile"), (3.0, 3.0, "no test row is let pass at the 0.5")],
)
def test_a_side_without_rows_is_named(normal: float, odd: float, said: str, pca: Pca) -> None:
    passing = Part(np.linspace(0, 2, 10, dtype=np.float32)[:, None], np.zeros(10, np.int64))  # the threshold is 1
    test = Part(np.array([[normal], [odd]], np.float32), np.array([0, 1]))
    made = Rows(passing, passing, passing, test, ["f"], ["normal", "anomaly"], True, [])
    with pytest.raises(UserError, match=said):
        build_tasks(FirstColumn(pca), made, 0.5, "l2", 10, np.random.default_rng(0))
