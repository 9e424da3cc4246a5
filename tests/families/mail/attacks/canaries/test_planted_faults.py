"""Each mechanism with a planted fault must be contradicted by its audit, and without one it must not."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from mail_cases import mails
from veilbench.bench.findings import Findings, Metric
from veilbench.families.mail.attacks.canaries import scores
from veilbench.families.mail.attacks.canaries.audit import Claim, report_audit
from veilbench.families.mail.attacks.canaries.scores import CanaryScores
from veilbench.families.mail.data.mail import Mails
from veilbench.federated.aggregations import central_dp, client_local_dp, equal_dp
from veilbench.federated.aggregations.base import ExampleNoise
from veilbench.federated.aggregations.central_dp import CentralDp, NoisyAggregator
from veilbench.federated.aggregations.client_local_dp import ClientLocalDp, NoisyClient
from veilbench.federated.aggregations.equal_dp import EqualAggregator, EqualDp
from veilbench.federated.aggregations.example_dp import ExampleDp
from veilbench.federated.aggregations.gaussian import Gaussian
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, describe_aggregation
from veilbench.metrics.gaussian_audit import gaussian_mechanism_epsilon

pytest.importorskip("opacus")
CLIENTS, CANARIES, DELTA = 3, 600, 1e-5
MECHANISMS: dict[str, Callable[[], Gaussian]] = {
    "client_local_dp": ClientLocalDp,
    "central_dp": CentralDp,
    "equal_dp": EqualDp,
    "example_dp": lambda: ExampleDp(noise_multiplier=2.0),
}
CLIENT_LEVEL = ["client_local_dp", "central_dp", "equal_dp"]
STEEP = {"optimizer": "sgd", "learning_rate": 4.0, "batch_size": 60, "local_epochs": 3}
ALL = [*CLIENT_LEVEL, pytest.param("example_dp", marks=pytest.mark.slow)]  # trains by DP-SGD
FAULTS = ["divided too often", "no clipping", "no noise"]
Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module", autouse=True)
def remembered() -> Iterator[None]:
    """Bounds from guesses follow from a few whole numbers, which recur in hundreds of audits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "epsilon_of_guesses", functools.cache(scores.epsilon_of_guesses))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    return mails(tmp_path_factory.mktemp("mails"), clients=CLIENTS)


def audited(mechanism: str, data: Mails, seed: int = 0) -> Findings:
    settings: dict[str, Any] = STEEP if mechanism == "example_dp" else {}
    protocol, found = Protocol(describe_aggregation(MECHANISMS[mechanism]()), **settings), Findings("Membership")
    report_audit(found, protocol, data, CANARIES, np.random.default_rng(seed))
    return found


def contradicted(found: Findings) -> bool:
    return any("contradicts the accountant" in note for note in found.notes)


def weaken(monkeypatch: pytest.MonkeyPatch, mechanism: str, factor: float) -> None:
    """Scale the noise that is added, but not the noise that is claimed."""
    if mechanism == "example_dp":
        noise = ExampleDp.example_noise
        monkeypatch.setattr(
            ExampleDp,
            "example_noise",
            lambda self: replace(noise(self), noise_multiplier=factor * noise(self).noise_multiplier),
        )
        return
    owner, name = {
        "client_local_dp": (NoisyClient, "deviation"),
        "central_dp": (NoisyAggregator, "noise_multiplier"),
        "equal_dp": (EqualAggregator, "noise_multiplier"),
    }[mechanism]
    begin = owner.__init__

    def scaled(self: Any, *arguments: Any) -> None:
        begin(self, *arguments)
        setattr(self, name, factor * getattr(self, name))

    monkeypatch.setattr(owner, "__init__", scaled)


def unclip(monkeypatch: pytest.MonkeyPatch, mechanism: str) -> None:
    """Leave out the clipping; the noise stays as it was."""
    if mechanism == "example_dp":
        monkeypatch.setattr(
            ExampleDp, "example_noise", lambda self: ExampleNoise(1e6 * self.clip, 1e-6 * self.noise_multiplier)
        )
    for module in (client_local_dp, central_dp, equal_dp):
        monkeypatch.setattr(module, "clip_update", lambda update, norm: update)


def plant(monkeypatch: pytest.MonkeyPatch, mechanism: str, fault: str) -> None:
    if fault == "no clipping":
        unclip(monkeypatch, mechanism)
    else:
        weaken(monkeypatch, mechanism, 1 / CLIENTS if fault == "divided too often" else 1e-9)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("mechanism", ALL)
def test_a_planted_fault_is_contradicted(
    mechanism: str, fault: str, data: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, mechanism, fault)
    found = audited(mechanism, data)
    assert contradicted(found), {name: round(metric.value, 2) for name, metric in found.metrics.items()}


@pytest.mark.parametrize("mechanism", ALL)
def test_an_honest_mechanism_is_not_contradicted_and_the_control_could_be(mechanism: str, data: Mails) -> None:
    found = audited(mechanism, data)
    assert all(np.isfinite(metric.value) for metric in found.metrics.values())
    numbers = found.metrics
    assert not contradicted(found)
    assert not any("cannot contradict" in note for note in found.notes)
    assert numbers["epsilon_audited"].low < numbers["epsilon_prv"].value < numbers["epsilon_claimed"].value
    assert numbers["epsilon_claimed"].value < numbers["epsilon_audited_without_noise"].low
    assert numbers["epsilon_proved_any_mechanism"].value <= numbers["epsilon_proved"].value
    assert numbers["epsilon_proved"].value <= numbers["epsilon_provable"].value


@pytest.mark.parametrize("mechanism", CLIENT_LEVEL)
def test_canary_clients_come_near_to_what_is_spent(mechanism: str, data: Mails) -> None:
    found = audited(mechanism, data)
    assert found.metrics["epsilon_audited"].value > 0.75 * found.metrics["epsilon_prv"].value


def test_of_single_mails_the_audit_is_by_mails(data: Mails) -> None:
    protocol = Protocol(describe_aggregation(ExampleDp()))
    claim = Claim.of(protocol, data)
    assert claim is not None
    assert claim.unit == "mail"
    assert claim.releases == ExampleDp().example_releases(3, 1, 128, np.bincount(data.clients).tolist())
    assert Claim.of(Protocol(describe_aggregation(Plain())), data) is None


def test_one_row_says_what_is_protected_and_how_much(data: Mails) -> None:
    found = audited("central_dp", data)
    (table,) = found.tables
    assert table.columns == [
        "protects one", "claimed", "claimed, PRV", "audited", "audited without noise", "proved", "provable",
    ]  # fmt: skip
    ((first, *numbers),) = table.rows
    assert first == "client"
    assert [n.value for n in numbers if isinstance(n, Metric)] == [found.metrics[name].value for name in (
        "epsilon_claimed", "epsilon_prv", "epsilon_audited", "epsilon_audited_without_noise", "epsilon_proved",
        "epsilon_provable",
    )]  # fmt: skip


@pytest.mark.parametrize("separation", [0.5, 1.7, 2 * np.sqrt(3)], ids=lambda value: f"{value:.1f}")
@pytest.mark.parametrize("canaries", [60, CANARIES])
def test_an_exact_claim_is_contradicted_in_at_most_five_percent_of_audits(separation: float, canaries: int) -> None:
    """Scores of a Gaussian mechanism, whose epsilon is known exactly; the note takes the larger of two bounds."""
    exact, runs = gaussian_mechanism_epsilon(separation, DELTA), 400
    wrong = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        included = rng.random(canaries) < 0.5
        drawn = CanaryScores(rng.standard_normal(canaries) + separation * included, included)
        wrong += max(drawn.fit(DELTA).low, drawn.bound(DELTA)["epsilon_proved"].value) > exact
    assert binomtest(wrong, runs, 0.05, "greater").pvalue > 0.001
    assert wrong > 0  # a bound that is never wrong shows less than it could
