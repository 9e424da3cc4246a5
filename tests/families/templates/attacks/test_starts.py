"""Starts of an impersonation: the closest own image, intervals with the threshold's, and the stronger start's gain."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from veilbench.attack_methods.evasion_task import Search
from veilbench.attack_methods.pgd import Score
from veilbench.bench.findings import BudgetCurve, Findings, Metric
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.templates.attacks.best_own_print import move_best_own_images, report_best_own_images
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.starts import (
    EACH,
    Start,
    move_any,
    reach_scores,
    report_starts,
    share_by_scores,
    strongest,
)
from veilbench.families.templates.attacks.system import TemplateSystem, enrol_victims
from veilbench.families.templates.attacks.template_task import TemplateTask
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.metrics.intervals import proportion


@pytest.fixture
def system(people: Identities) -> TemplateSystem:
    scheme = RandomProjection(ImageExtractor("pixels", 20), 20).fit(people, np.random.default_rng(0))
    return enrol_victims(scheme, people, OperatingPoint([0.01], 0.01, 30), np.random.default_rng(0))


def make_task(system: TemplateSystem, people: Identities, own: int) -> TemplateTask:
    rows = people.auxiliary.images[:30]
    return TemplateTask(rows, np.ones(30, np.float32), system, -1, 1, False, starts=people.auxiliary.images[:own])


def make_start(moved: int, n: int, chance: float, gain: tuple[float, float, float], label: str = "here") -> Start:
    curve = BudgetCurve("steps", [1, 2], [0.0, gain[0]])
    return Start(label, np.arange(n) < moved, np.full(n, chance), Metric(*gain, n), curve)


def test_the_closest_own_image_has_the_highest_score_of_all(system: TemplateSystem, people: Identities) -> None:
    closest = make_task(system, people, 20).from_closest()
    assert closest is not None
    every = np.stack([system.score(np.repeat(image[None], 30, 0)) for image in people.auxiliary.images[:20]], 1)
    rejecting = every.max(1) < system.threshold
    assert 0 < rejecting.sum() < 30
    np.testing.assert_array_equal(closest.rows, people.auxiliary.images[every.argmax(1)[rejecting]])
    np.testing.assert_allclose(closest.system.score(closest.rows), every.max(1)[rejecting], atol=1e-5)
    assert not closest.succeeded(closest.rows).any()


def test_without_a_victim_who_rejects_there_is_no_closest_start(system: TemplateSystem, people: Identities) -> None:
    lenient = replace(system, thresholds={0.01: -2.0})
    assert make_task(lenient, people, 20).from_closest() is None


def test_the_interval_is_that_of_redrawn_thresholds(system: TemplateSystem) -> None:
    scores = system.threshold + np.linspace(-0.1, 0.1, 30)
    accepted = scores >= system.threshold
    found, plain = share_by_scores(system, scores)(accepted), proportion(int(accepted.sum()), 30, EACH)
    assert found == system.share_accepted(scores, confidence=EACH)
    assert "bootstrap of the threshold" in found.interval
    assert found.low <= plain.low < found.value < plain.high <= found.high
    assert (found.low, found.high) != (plain.low, plain.high)
    assert pytest.approx((1 - CONFIDENCE) / 2) == 1 - EACH


def test_a_decision_counts_more_than_the_score_of_a_repeated_search(system: TemplateSystem) -> None:
    accepted = np.arange(30) < 12
    assert share_by_scores(system, np.full(30, system.threshold - 1))(accepted).value == pytest.approx(0.4)
    assert share_by_scores(system, np.full(30, system.threshold + 1))(accepted).value == pytest.approx(0.4)


def test_the_best_of_several_searches_counts(system: TemplateSystem, people: Identities) -> None:
    victims = torch.from_numpy(system.victims.images)
    searches: dict[str, Search] = {
        "nothing": lambda score, rows, radii, draw: rows,
        "copy": lambda score, rows, radii, draw: victims,
    }
    task, rng = make_task(system, people, 20), np.random.default_rng(0)
    np.testing.assert_allclose(reach_scores(task, searches, 0.1, torch.device("cpu"), rng), 1, atol=1e-5)


def test_a_search_moves_what_those_before_it_left_and_all_of_them_count(
    system: TemplateSystem, people: Identities
) -> None:
    images = system.victims.images
    task = replace(
        make_task(system, people, 20), rows=np.arange(30, dtype=np.float32)[:, None, None, None] + 0 * images
    )
    asked: list[list[float]] = []

    def copy(share: float) -> Search:
        """Copy the first victims, at a budget of 1 all of them; a row's value is its victim's index."""

        def search(score: Score, rows: Tensor, radii: Tensor, draw: torch.Generator) -> Tensor:
            own = rows[:, 0, 0, 0].numpy()
            asked.append(own.tolist())
            copied = (own < 30 * share) | (radii[0].item() == 1)
            return torch.from_numpy(np.where(copied[:, None, None, None], images[own.astype(int)], 1))

        return search

    few, more = copy(0.2), copy(0.5)
    curve = move_any(task, {"few": few, "more": more}, [0.1, 1.0], torch.device("cpu"), np.random.default_rng(0))
    np.testing.assert_array_equal(curve, [np.arange(30) < 15, np.ones(30, bool)])
    assert asked == [list(range(30)), list(range(6, 30)), list(range(15, 30))]


def test_the_search_called_surrogate_follows_the_surrogate(system: TemplateSystem, people: Identities) -> None:
    task, images = make_task(system, people, 20), torch.from_numpy(system.victims.images)

    class Followed(TemplateTask):
        """A task whose surrogate has the victims' own images as rows."""

        def surrogate(self) -> TemplateTask:
            return replace(task, rows=system.victims.images)

    asked = []

    def stay(score: Score, rows: Tensor, radii: Tensor, draw: torch.Generator) -> Tensor:
        asked.append(rows)
        return rows

    followed = Followed(*(getattr(task, field.name) for field in fields(task)))
    inputs = [0.5], torch.device("cpu"), np.random.default_rng(0)
    assert move_any(followed, {"surrogate": stay}, *inputs).all()
    assert not move_any(followed, {"search": stay}, *inputs).any()
    assert not move_any(task, {"surrogate": stay}, *inputs).any()
    assert [torch.equal(rows, images) for rows in asked] == [True, False]


def test_the_stronger_start_counts_and_the_upper_end_is_that_of_both() -> None:
    weak, strong = make_start(5, 50, 0.0, (0.1, 0.02, 0.3)), make_start(40, 50, 0.0, (0.8, 0.6, 0.9), "there")
    for starts in ([weak, strong], [strong, weak]):
        best, gain = strongest(starts, 0.5)
        assert best is strong
        assert (gain.value, gain.low, gain.high) == (0.8, 0.6, 0.9)
    wide = make_start(0, 40, 0.0, (0.0, -0.1, 0.4))
    assert strongest([weak, wide], 0.5)[1].high == 0.4
    found = Findings("Tried")
    report_starts(found, [weak, strong], 0.5)
    assert [row[0] for row in found.tables[0].rows] == ["here", "there"]
    assert found.budget is strong.budget
    assert found.metrics["impersonated_from_closest"].value == 0.8


@pytest.mark.parametrize(("chance", "counts"), [(0.2, True), (0.75, False), (1.0, False)])
def test_a_start_that_noise_is_accepted_from_is_not_counted(chance: float, counts: bool) -> None:
    first, other = make_start(5, 50, 0.0, (0.1, 0.02, 0.3)), make_start(50, 50, chance, (1.0, 0.7, 1.0))
    assert other.decides(0.5) is counts
    assert (strongest([first, other], 0.5)[0] is other) is counts
    found = Findings("Tried")
    report_starts(found, [first, other], 0.5)
    assert any(note.startswith("Not counted") for note in found.notes) is not counts


def test_the_best_of_all_own_images_is_accepted_as_a_plain_loop_says(
    system: TemplateSystem, people: Identities
) -> None:
    """The search moves every image by its whole radius towards the victim's own image, so success grows with budget."""
    own, victims = people.auxiliary.images[:40], torch.from_numpy(system.victims.images)
    every = np.stack([system.score(np.repeat(image[None], 30, 0)) for image in own], 1)
    met = every.max(1) >= system.threshold
    places = {image.tobytes(): i for i, image in enumerate(system.victims.images[~met])}

    def towards(score: Score, rows: Tensor, radii: Tensor, draw: torch.Generator) -> Tensor:
        goals = victims[torch.from_numpy(~met)][torch.from_numpy(now["left"])]
        return rows + radii[:, None, None, None] * (goals - rows)

    now = {"left": np.ones(int((~met).sum()), bool)}
    task = make_task(system, people, 20)

    class Recorder(TemplateTask):
        """Remembers which victims are left, for the search."""

        def subset(self, rows: np.ndarray) -> Recorder:
            found = super().subset(rows)
            left = [places[image.tobytes()] for image in found.system.victims.images if image.tobytes() in places]
            now["left"] = np.isin(np.arange(len(places)), left)
            return found

    recorder = Recorder(*(getattr(task, field.name) for field in fields(task)))
    budgets = [0.3, 1.0]
    success = move_best_own_images(
        recorder, own, {"towards": towards}, budgets, torch.device("cpu"), np.random.default_rng(0)
    )
    assert 0 < met.sum() < 30
    assert (success[0] == met).all()
    best = own[every.argmax(1)]
    moved = best + 0.3 * (system.victims.images - best)
    assert (success[1] == (met | system.accepts(moved))).all()
    assert success[2].all()
    found = Findings("")
    report_best_own_images(found, success, len(own), budgets)
    assert found.metrics["met_by_best_own_image"] == proportion(int(met.sum()), 30)
    assert found.metrics["impersonated_from_best_own_image_at_0.3"] == proportion(int(success[1].sum()), 30)
    assert found.metrics["impersonated_from_best_own_image"].value == 1


def test_nothing_is_moved_if_all_victims_accept_an_own_image(system: TemplateSystem, people: Identities) -> None:
    lenient = replace(system, thresholds={0.01: -2.0})
    success = move_best_own_images(
        make_task(lenient, people, 20), people.auxiliary.images[:3], {}, [0.1], torch.device("cpu"),
        np.random.default_rng(0),
    )  # fmt: skip
    assert success.shape == (2, 30)
    assert success.all()
