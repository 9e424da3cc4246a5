"""Every accountant: never below 0, finite or said, less with more noise, more with more rounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import check
from veilbench.bench.findings import Findings
from veilbench.families.mail.flower.accountant import OpacusAccountant
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.central_dp import CentralDp
from veilbench.federated.aggregations.client_local_dp import ClientLocalDp
from veilbench.federated.aggregations.equal_dp import EqualDp
from veilbench.federated.aggregations.example_dp import ExampleDp
from veilbench.federated.aggregations.faulty import Faulty
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.releases import Releases
from veilbench.metrics.audit import epsilon_at_least
from veilbench.training.round_history import record_privacy

pytest.importorskip("opacus")
NOISES = [1e-9, 0.1, 0.8, 1.0, 4.0, 100.0, 1e6]
DELTAS = [1e-12, 1e-5, 0.01, 0.3, 0.49]
KINDS: dict[str, Callable[..., Aggregation]] = {
    "central_dp": CentralDp,
    "equal_dp": EqualDp,
    "client_local_dp": ClientLocalDp,
    "example_dp": ExampleDp,
    "faulty": lambda *arguments: Faulty(ClientLocalDp(*arguments), []),
}
SIZES = [300, 250, 1_000]


def epsilons(kind: str, noise: float, delta: float, rounds: int) -> list[float]:
    made = KINDS[kind](1.0, noise, delta)
    both = [made.epsilon(rounds), made.example_epsilon(rounds, 1, 100, SIZES)]
    return [value for value in both if value is not None]


def exact_delta(epsilon: float, sigma: float, releases: int) -> float:
    """The least delta of composed Gaussian mechanisms (Balle and Wang 2018, theorem 8)."""
    mu = math.sqrt(releases) / sigma
    second = norm.logcdf(-mu / 2 - epsilon / mu) + epsilon
    return float(norm.cdf(mu / 2 - epsilon / mu) - np.exp(second))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("delta", DELTAS)
def test_epsilon_is_finite_never_negative_and_falls_with_noise(kind: str, delta: float) -> None:
    found = np.array([epsilons(kind, noise, delta, 3) for noise in NOISES])
    assert found.size
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (np.diff(found, axis=0) <= 0).all()
    assert (found[0] > 1e6).all()  # hardly any noise is hardly any privacy


@pytest.mark.parametrize("kind", KINDS)
def test_epsilon_grows_with_the_rounds_and_falls_with_delta(kind: str) -> None:
    by_rounds = np.array([epsilons(kind, 2.0, 1e-5, rounds) for rounds in (0, 1, 2, 10, 1_000)])
    assert (by_rounds[0] == 0).all()
    assert (np.diff(by_rounds, axis=0) > 0).all()
    by_delta = np.array([epsilons(kind, 2.0, delta, 3) for delta in DELTAS])
    assert (np.diff(by_delta, axis=0) <= 0).all()


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("sigma", NOISES[1:])
@pytest.mark.parametrize("releases", [1, 3, 100])
def test_what_is_promised_holds_by_the_exact_formula(sigma: float, delta: float, releases: int) -> None:
    """At the epsilon that is told the exact delta is not above the one that was asked for, at 0 too."""
    assert exact_delta(Releases(sigma, releases).epsilon(delta), sigma, releases) <= delta * (1 + 1e-9)


@pytest.mark.parametrize("delta", [1e-5, 0.01])
@pytest.mark.parametrize(("sigma", "releases"), [(0.5, 3), (1.0, 3), (4.0, 3), (50.0, 1_000)])
def test_numerical_composition_lies_a_hundredth_above_the_exact_formula(
    sigma: float, releases: int, delta: float
) -> None:
    """Without sampling the exact epsilon has a closed form (Balle and Wang 2018, theorem 8)."""
    found, renyi = Releases(sigma, releases).epsilon_prv(delta), Releases(sigma, releases).epsilon(delta)
    assert found is not None
    assert exact_delta(found, sigma, releases) <= delta
    assert exact_delta(found - 0.02, sigma, releases) >= delta
    assert found <= renyi


def test_numerical_composition_is_left_out_where_its_grid_would_fill_the_memory() -> None:
    assert Releases(0.01, 3).epsilon_prv(1e-5) is None
    assert Releases(0.0, 3).epsilon_prv(1e-5) is None
    assert Releases(0.0, 0).epsilon_prv(1e-5) == 0
    assert Releases(1e6, 3).epsilon_prv(0.1) == 0


@pytest.mark.parametrize(("sigma", "rate", "steps"), [(2.0, 0.5, 18), (1.0, 0.01, 1_000)])
def test_numerical_composition_of_sampled_steps_is_below_renyi_and_not_far(
    sigma: float, rate: float, steps: int
) -> None:
    renyi, found = Releases(sigma, steps, rate).epsilon(1e-5), Releases(sigma, steps, rate).epsilon_prv(1e-5)
    assert found is not None
    assert 0.8 * renyi < found < renyi


def test_a_large_delta_is_enough_by_itself_where_opacus_goes_below_zero() -> None:
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(50.0, 1.0, 3)]
    assert accountant.get_epsilon(delta=0.4) < 0
    assert Releases(50.0, 3).epsilon(0.4) == 0
    assert ClientLocalDp(1.0, 100.0, 0.4).epsilon(3) == 0


def test_the_client_with_the_fewest_examples_has_the_largest_epsilon() -> None:
    """Fewer steps, each with a larger chance to be in it: the accountant takes it for the worst of all."""
    found = [ExampleDp(1.0, 2.0).example_epsilon(3, 1, 100, [size]) for size in (100, 200, 500, 5_000)]
    assert found == sorted(found, reverse=True)
    assert ExampleDp(1.0, 2.0).example_epsilon(3, 1, 100, [5_000, 100, 500]) == found[0]


@pytest.mark.parametrize("rate", [1.0, 0.5, 0.1, 0.01])
def test_samples_never_cost_privacy(rate: float) -> None:
    assert Releases(1.0, 10, rate).epsilon(1e-5) <= Releases(1.0, 10).epsilon(1e-5)


def test_without_noise_epsilon_is_infinite_and_said_so() -> None:
    assert Releases(0.0, 1).epsilon(1e-5) == math.inf
    assert Releases(0.0, 0).epsilon(1e-5) == 0
    found = Findings("Training")
    record_privacy(found, CentralDp(1.0, 0.0), 3, 1, 100, SIZES)
    assert found.metrics == {}
    assert found.notes[:2] == [
        "epsilon is infinite: there is no noise, and no privacy.",
        "example_epsilon is infinite: there is no noise, and no privacy.",
    ]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((1.0, 1, 0.9), "delta=0.9"),
        ((1.0, 1, 0.0), "delta=0.0"),
        ((1.0, 1, math.nan), "delta=nan"),
        ((-1.0, 1, 1e-5), "noise_multiplier=-1.0"),
        ((math.nan, 1, 1e-5), "noise_multiplier=nan"),
        ((1e155, 1, 1e-5), r"noise_multiplier=1e\+155"),
        ((1.0, -1, 1e-5), "releases=-1"),
        ((1.0, 1, 1e-5, 0.0), "sample_rate=0.0"),
        ((1.0, 1, 1e-5, 1.5), "sample_rate=1.5"),
    ],
)
def test_arguments_out_of_range_are_named(arguments: tuple[Any, ...], named: str) -> None:
    noise, releases, delta, *rate = arguments
    with pytest.raises(ValueError, match=f"^{named} is not allowed: input should"):
        Releases(noise, releases, *rate).epsilon(delta)


@pytest.mark.parametrize(
    "kind", ["central_dp.CentralDp", "equal_dp.EqualDp", "client_local_dp.ClientLocalDp", "example_dp.ExampleDp"]
)
@pytest.mark.parametrize(("key", "value"), [("delta", 0.9), ("delta", 0.5), ("delta", 0.0), ("noise_multiplier", 0)])
def test_settings_that_promise_nothing_are_refused_by_name(kind: str, key: str, value: float) -> None:
    node = {"_target_": f"veilbench.federated.aggregations.{kind}", key: value}
    with pytest.raises(UserError, match=rf"training\.aggregation\.{key}={value} is not allowed: input should be"):
        check({"training": {"aggregation": node}})


def test_a_delta_that_allows_to_publish_somebody_is_told() -> None:
    found = Findings("Training")
    record_privacy(found, CentralDp(1.0, 4.0, 1e-3), 3, 1, 100, [500, 499])
    assert found.metrics["epsilon_prv"].value < found.metrics["epsilon"].value
    assert found.metrics["example_epsilon_prv"].value < found.metrics["example_epsilon"].value
    assert not any("not below" in note for note in found.notes)
    record_privacy(found, CentralDp(1.0, 4.0, 1e-3), 3, 1, 100, SIZES)
    allowed = "it allows publishing the data of one of the 1550 that example_epsilon protects"
    promised = f"delta=0.001 is not below 1/1550: {allowed}."
    assert [note for note in found.notes if "not below" in note] == [promised]


def test_faults_do_not_hide_what_is_spent() -> None:
    inner = ExampleDp(1.0, 2.0, 1e-4)
    faulty = Faulty(inner, [])
    assert faulty.delta == 1e-4
    assert faulty.example_epsilon(3, 1, 100, SIZES) == inner.example_epsilon(3, 1, 100, SIZES)
    assert Faulty(Plain(), []).noise([1.0, 1.0]) == (0.0, 0.0)
    assert faulty.noise([1.0]) is None


class Release:
    def __init__(self, noise_multiplier: float) -> None:
        self.noise_multiplier = noise_multiplier


def test_flowers_accountant_counts_every_release_with_the_least_noise() -> None:
    pytest.importorskip("flwr")
    accountant = OpacusAccountant(1e-5, 3)
    assert accountant.get_epsilon(1e-5) == 0
    accountant.compose(Release(2.0))
    assert accountant.get_epsilon(1e-5) == Releases(2.0, 1).epsilon(1e-5)
    accountant.compose(Release(1.0), 2)
    accountant.compose(Release(4.0))
    assert accountant.get_epsilon(1e-5) == Releases(1.0, 4).epsilon(1e-5)
    assert accountant.get_privacy_spent().epsilon == Releases(1.0, 4).epsilon(1e-5)
    with pytest.raises(ValueError, match=r"delta=0\.9 is not allowed"):
        OpacusAccountant(0.9, 3)


def test_what_an_attack_proves_needs_scores_and_a_delta() -> None:
    scores, rng = np.arange(100.0), np.random.default_rng(0)
    assert epsilon_at_least(scores, scores, 1e-5, rng).value == 0
    with pytest.raises(ValueError, match=r"delta=1.0 must be in \[0, 1\)"):
        epsilon_at_least(scores, scores, 1.0, rng)
    with pytest.raises(ValueError, match="100 scores of others, 99 of them finite"):
        epsilon_at_least(scores, np.where(scores == 3, np.nan, scores), 1e-5, rng)
    with pytest.raises(ValueError, match="1 scores of members, 1 of them finite"):
        epsilon_at_least(scores[:1], scores, 1e-5, rng)


@pytest.mark.parametrize("rounds", [1, 5])
def test_one_example_can_turn_a_centrally_clipped_update_round(rounds: int) -> None:
    """Its update and the neighbour's may be opposite, which is twice the clip: the exact delta of that must hold."""
    made = CentralDp(0.5, 3.0, 1e-5)
    whole, example = made.epsilon(rounds), made.example_epsilon(rounds, 1, 100, SIZES)
    assert exact_delta(whole, 3.0, rounds) <= 1e-5
    assert exact_delta(example, 3.0 / 2, rounds) <= 1e-5 < exact_delta(example / 1.5, 3.0 / 2, rounds)
    assert example > 1.5 * whole
