"""Settings of a Flower run: the strategy, and its wrapper for differential privacy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt

from veilbench.bench.limits import Delta, Natural, NoiseMultiplier, NotNegative, Positive


@dataclass(frozen=True)
class FlowerStrategy:
    """One of Flower's strategies for averaging updates.

    Attributes:
        name: Flower's FedAvg, FedProx, FedTrimmedAvg, FedMedian or Krum.
        proximal: mu of `fedprox`, the strength of the pull towards the weights at the start of the round.
        share: share of the clients that `trimmed_mean` drops at each end, in [0, 0.5).
        malicious: number of malicious clients that `krum` assumes.
    """

    name: Literal["fedavg", "fedprox", "trimmed_mean", "median", "krum"] = "fedavg"
    proximal: NotNegative = 0.0
    share: Annotated[float, Ge(0), Lt(0.5)] = 0.2
    malicious: Natural = 0

    def __post_init__(self) -> None:
        """Check that `proximal` is set for `fedprox` only."""
        if self.proximal and self.name != "fedprox":
            raise ValueError(f"proximal={self.proximal} is for name=fedprox, not for name={self.name}")


@dataclass(frozen=True)
class FlowerPrivacy:
    """Flower's wrapper for differential privacy with fixed clipping, around `fedavg` or `fedprox`.

    Attributes:
        wrapper: `none`, DifferentialPrivacyServerSideFixedClipping (`server_side_fixed`), or its client-side
            counterpart (`client_side_fixed`).
        clip: maximum Euclidean norm of a client's update.
        noise_multiplier: standard deviation of the noise per value of the mean, in units of clip / clients per round.
        delta: delta of (epsilon, delta)-differential privacy, in (0, 1).
    """

    wrapper: Literal["none", "server_side_fixed", "client_side_fixed"] = "none"
    clip: Positive = 1.0
    noise_multiplier: NoiseMultiplier = 1.0
    delta: Delta = 1e-5


def to_run_config(strategy: Mapping[str, Any], privacy: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a strategy and of its wrapper as plain values, as Flower passes them to all nodes.

    Args:
        strategy: attributes of a `FlowerStrategy` by name.
        privacy: attributes of a `FlowerPrivacy` by name.
    """
    config = {key: strategy[key] for key in ("proximal", "share", "malicious")}
    config |= {key: privacy[key] for key in ("clip", "noise_multiplier", "delta")}
    return {"strategy": strategy["name"], "privacy": privacy["wrapper"], **config}
