"""Impersonation: open and keyed schemes are moved with gradients, nothing is moved by noise, and masks are flagged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from veilbench.attack_methods.evasion_settings import Perturbations
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.templates.attacks.impersonation import ImpersonationSearch, TemplateImpersonation
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.template_task import TemplateTask
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.nets.print_encoder import PrintEncoder
from veilbench.families.templates.schemes.base import TemplateScheme, cosine_similarity
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.hashmap import HashmapScheme
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.iom_grp import IomGrp
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate

PCA = ImageExtractor("pixels", 20)
WHITE = ThreatModel(weights=True, key=True, auxiliary_data=True, score_queries=True)
BLACK = ThreatModel(auxiliary_data=True, score_queries=True)


class Masked(RandomProjection):
    """Its gradients are zero."""

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        return super().protect_tensor(features.round(decimals=2), keys)


class Noisy(RandomProjection):
    """A little noise on every template, fresh each time."""

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        made = super().protect_tensor(features, keys)
        return made + 0.3 * torch.randn(made.shape, generator=torch.Generator().manual_seed(int(made.sum() * 1e6))) / 5


def small(
    threat: ThreatModel = WHITE,
    norm: Any = "linf",
    budgets: Any = (0.02, 0.2, 1.0),
    reference: float = 0.2,
    **search: int,
) -> TemplateImpersonation:
    moved = Perturbations(norm, budgets, reference)
    searched = ImpersonationSearch(**{"steps": 10, "queries": 40} | search)
    return TemplateImpersonation(threat, RawTemplate(PCA), None, moved, searched, OperatingPoint([0.01], 0.01, 30))


def run(attack: TemplateImpersonation, scheme: TemplateScheme, people: Identities, seed: int = 1) -> Findings:
    fitted = scheme.fit(people, np.random.default_rng(0))
    assert isinstance(fitted, TemplateScheme)
    return attack.run(fitted, people, Accelerator("cpu"), np.random.default_rng(seed), control=False)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_bits_are_moved_straight_through_with_both_controls_passed(
    norm: str, people: Identities, tmp_path: Path
) -> None:
    fitted = Biohash(PCA, 20).fit(people, np.random.default_rng(0))
    assert isinstance(fitted, TemplateScheme)
    memory, seeds = ControlMemory(tmp_path, None), np.random.SeedSequence(1)
    found = small(norm=norm).examine(fitted, people, Accelerator("cpu"), seeds, memory)
    assert [(c.kind, c.passed) for c in found.controls] == [("positive", True), ("negative", True)]
    assert found.verdict is Verdict.BROKEN
    assert found.gain is not None
    assert found.gain.interval.startswith("Clopper-Pearson, widened by a bootstrap of the threshold")
    assert [row[0] for row in found.tables[0].rows] == ["a random image", "the closest of 20 own images"]
    gains = [row[4] for row in found.tables[0].rows if isinstance(row[4], Metric)]
    assert found.gain.low == max(gain.low for gain in gains)
    assert found.budget is not None
    assert list(found.budget.budgets) == [5, 10]
    assert found.metrics["impersonated_at_largest_budget"].value == 1
    assert found.metrics["impersonated_by_noise"].value < 0.1
    assert found.metrics["evaded"].value > 0.5
    with_gradient, without = found.metrics["evaded_by_gradient"], found.metrics["evaded_without_gradient"]
    assert (
        with_gradient.value >= without.value - 1 / without.n
    )  # bits are steps: the gradient may lose one victim to luck


def test_budgets_are_shares_of_the_largest_change(people: Identities) -> None:
    for norm, far in (("linf", 1.0), ("l2", 16.0)):  # images of 16 x 16
        scheme = RawTemplate(PCA).fit(people, np.random.default_rng(0))
        assert isinstance(scheme, RawTemplate)
        task = small(norm=norm).tasks(scheme, people, np.random.default_rng(0))[0]
        np.testing.assert_allclose(task.distance_to_boundary, far)
        assert not task.succeeded(task.rows).any()


@pytest.mark.parametrize("scheme", [IomGrp(PCA, 40, 8), RandomProjection(PCA, 10)], ids=["iom", "no key granted"])
def test_without_gradients_the_search_asks_for_scores(scheme: TemplateScheme, people: Identities) -> None:
    threat = WHITE if isinstance(scheme, IomGrp) else BLACK
    found = run(small(threat, budgets=[1.0], reference=1.0, queries=120), scheme, people)
    assert "impersonated_by_gradient" not in found.metrics
    assert any(note.startswith("Search without gradients only") for note in found.notes)
    noise = found.metrics["impersonated_by_noise"].value
    assert found.metrics["impersonated_at_largest_budget"].value > noise + 0.1


def test_a_closer_start_is_as_good_as_a_random_one_at_a_small_budget(people: Identities) -> None:
    found = run(small(budgets=[0.02], reference=0.02), RandomProjection(PCA, 10), people)
    closest, random = (found.metrics[name].value for name in ("impersonated_from_closest", "impersonated"))
    assert closest > random
    assert any(note == "The gain is that from the closest of 20 own images." for note in found.notes)


def test_zero_gradients_are_flagged(people: Identities) -> None:
    found = run(small(), Masked(PCA, 10), people)
    assert any(
        "accepted as the victim: masked gradients: the gradient is zero at 100% of the rows" in note
        for note in found.notes
    )


def test_noise_is_averaged_over(people: Identities) -> None:
    found = run(small(draws=4), Noisy(PCA, 10), people)
    assert found.metrics["impersonated_by_gradient"].value > 0.5


def test_the_same_seed_gives_the_same_findings(people: Identities) -> None:
    attack = small(budgets=[0.2], steps=3, queries=5)
    one, again, other = (run(attack, RawTemplate(PCA), people, seed).as_dict() for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.mark.parametrize("flag", ["auxiliary_data", "score_queries"])
def test_what_is_not_granted_is_refused(people: Identities, flag: str) -> None:
    granted = {"auxiliary_data": True, "score_queries": True} | {flag: False}
    with pytest.raises(UserError, match=f"does not grant {flag}"):
        run(small(ThreatModel(**granted)), RawTemplate(PCA), people)


def test_a_budget_that_is_not_on_the_curve_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reference_budget=0.3 must be one of budgets=\[0.1\]"):
        Perturbations("linf", [0.1], 0.3)


UNKNOWN_KEY = ThreatModel(weights=True, auxiliary_data=True, score_queries=True)


def keyed(**settings: Any) -> HashmapScheme:
    torch.manual_seed(0)
    return HashmapScheme(PrintEncoder(16, (8, 8)), keyed=True, **settings)


@pytest.mark.parametrize(("binary", "least"), [(False, 0.999), (True, 0.6)])
def test_scores_of_own_images_give_the_code_away_whatever_the_key(
    people: Identities, binary: bool, least: float
) -> None:
    task = small(UNKNOWN_KEY).tasks(keyed(binary=binary), people, np.random.default_rng(0))[0]
    assert isinstance(task, TemplateTask)
    surrogate = task.surrogate()
    assert surrogate is not None
    assert surrogate.fitted_features is not None
    hidden = task.system.scheme.features(task.system.victims.images)
    strangers = cosine_similarity(surrogate.fitted_features, np.roll(hidden - hidden.mean(0), 1, 0))
    assert cosine_similarity(surrogate.fitted_features, hidden - hidden.mean(0)).mean() > max(
        least - 0.3, strangers.mean() + 0.3
    )
    assert binary or cosine_similarity(surrogate.fitted_features, hidden).mean() > least


@pytest.mark.parametrize("threat", [BLACK, WHITE], ids=["no weights", "key known"])
def test_no_surrogate_is_learned_where_it_cannot_be_or_need_not_be(threat: ThreatModel, people: Identities) -> None:
    task = small(threat).tasks(keyed(), people, np.random.default_rng(0))[0]
    assert task.surrogate() is None


def test_a_surrogate_moves_more_than_the_search_without_gradients(people: Identities) -> None:
    found = run_fitted(small(UNKNOWN_KEY, reference=1.0), keyed(), people)
    moved, searched = (found.metrics[f"impersonated_{how}"].value for how in ("by_surrogate", "without_gradient"))
    assert moved > searched
    assert any(note.startswith("Gradients of a surrogate only") for note in found.notes)


def run_fitted(attack: TemplateImpersonation, scheme: TemplateScheme, people: Identities) -> Findings:
    return attack.run(scheme, people, Accelerator("cpu"), np.random.default_rng(1), control=False)
