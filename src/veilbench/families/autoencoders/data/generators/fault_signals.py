"""Vibration signals of a rotating machine, healthy and with faults of known physics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np
from annotated_types import Ge, Gt, Lt

from veilbench.bench.limits import Count, NotNegative, require_room
from veilbench.families.autoencoders.data.raw import Raw

Fault = Literal["imbalance", "misalignment", "looseness", "bearing_outer", "bearing_inner", "dropout"]
SAMPLES_PER_TURN = 64
HARMONICS = (1.0, 0.5, 0.25, 0.12)  # mean amplitudes of a healthy machine at 1 to 4 times the shaft's speed
# Impacts per turn of a bearing with 9 balls and a ratio of ball to pitch diameter of 0.25 (Randall and Antoni 2011).
OUTER, INNER = 9 / 2 * (1 - 0.25), 9 / 2 * (1 + 0.25)
RESONANCE, DECAY, RING = 0.31, 3.0, 0.8  # of the housing: cycles per sample; samples until a ring is 1/e; amplitude


@dataclass(frozen=True)
class Turning:
    """Rotating shafts: angles in radians, shape (n, length), and turns per sample, shape (n, 1)."""

    angle: np.ndarray
    speed: np.ndarray


class FaultSignals:
    """Vibration windows, shape (rows, length), with 64 samples per turn of the shaft at its nominal speed.

    A healthy machine: the sum over k = 1 to 4 of A_k cos(k a(t) + p_k), and white noise. The angle a(t) has a speed
    that is drawn within 5 % of the nominal one and drifts by up to 2 % within the window; the phases p_k are uniform;
    the amplitudes A_k are log-normal about 1, 0.5, 0.25 and 0.12. A fault of severity s, uniform in 0.5 to 1.5, adds:

    - imbalance: s (speed / nominal)^2 cos(a + p): the centrifugal force, once per turn, square in the speed;
    - misalignment: 0.9 s cos(2a + p) + 0.3 s cos(3a + p'): two and three times per turn;
    - looseness: half orders 0.5, 1.5 and 2.5 of 0.5 s, 0.35 s and 0.25 s, and orders 5 to 8 of 0.15 s each;
    - bearing_outer: 0.8 s times decaying oscillations of the housing, 3.375 per turn with 1 % of slip;
    - bearing_inner: the same, 5.625 per turn, times (1 + cos(a + p)) / 2, because the damage passes through the load;
    - dropout: no vibration is added, but the sensor repeats its last value for 15 to 50 % of the window.

    The classes overlap. Imbalance and misalignment lie in the space that healthy machines span and differ only by
    amplitude: a model that reconstructs healthy signals well reconstructs these too. The other faults leave that space,
    small ones only slightly. Real machines have more: gears, changing load, several shafts, coloured noise. Labels:
    "normal", then
    `faults`.

    Args:
        rows: number of generated windows, of all kinds together.
        length: samples per window; at least two turns.
        faults: kinds of faults, in equal numbers.
        fault_share: share of rows with a fault, in (0, 1).
        noise: standard deviation of the white noise.
    """

    def __init__(
        self,
        rows: Annotated[Count, Ge(10)] = 4000,
        length: Annotated[Count, Ge(128)] = 128,
        faults: Sequence[Fault] = get_args(Fault),
        fault_share: Annotated[float, Gt(0), Lt(1)] = 0.3,
        noise: NotNegative = 0.15,
    ) -> None:
        if not faults or len(set(faults)) < len(faults) or not set(faults) <= set(get_args(Fault)):
            raise ValueError(f"faults={list(faults)} must be some of {', '.join(get_args(Fault))}, each once")
        if round(rows * fault_share) < len(faults):
            raise ValueError(
                f"rows={rows} with fault_share={fault_share} leaves no row for some of {len(faults)} faults"
            )
        require_room(f"rows={rows} of length={length}", rows, length, each=8)
        self.rows, self.length, self.faults = rows, length, list(faults)
        self.fault_share, self.noise = fault_share, noise

    def read(self, rng: np.random.Generator) -> Raw:
        """Generate the windows, healthy ones first."""
        faulty = round(self.rows * self.fault_share)
        y = np.concatenate([np.zeros(self.rows - faulty, np.int64), 1 + np.arange(faulty) % len(self.faults)])
        shaft = draw_shafts(self.rows, self.length, rng)
        x = healthy_vibration(shaft, rng) + self.noise * rng.standard_normal((self.rows, self.length))
        for place, fault in enumerate(self.faults, 1):
            chosen = np.flatnonzero(y == place)
            x[chosen] = FAULTS[fault](x[chosen], Turning(shaft.angle[chosen], shaft.speed[chosen]), rng)
        return Raw(x.astype(np.float32), y, [f"sample_{i}" for i in range(self.length)], ["normal", *self.faults])


def draw_shafts(rows: int, length: int, rng: np.random.Generator) -> Turning:
    """Draw shafts with a speed within 5 % of the nominal one, which drifts by up to 2 % within the window."""
    speed = (1 + rng.uniform(-0.05, 0.05, (rows, 1))) / SAMPLES_PER_TURN
    drift, start = rng.uniform(-0.02, 0.02, (rows, 1)), rng.uniform(0, 1, (rows, 1))
    time = np.arange(length)
    return Turning(2 * np.pi * (start + speed * (time + drift * time**2 / (2 * length))), speed)


def draw_vibration(shaft: Turning, order: float, amplitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a vibration of `order` cycles per turn with uniform phase; `amplitude` has shape (n, 1)."""
    return np.asarray(amplitude * np.cos(order * shaft.angle + rng.uniform(0, 2 * np.pi, amplitude.shape)))


def healthy_vibration(shaft: Turning, rng: np.random.Generator) -> np.ndarray:
    """Generate the vibration of a healthy machine, without noise."""
    spread = rng.lognormal(0, 0.25, (len(HARMONICS), len(shaft.speed), 1))
    waves = [
        draw_vibration(shaft, k, a * one, rng) for k, (a, one) in enumerate(zip(HARMONICS, spread, strict=True), 1)
    ]
    return np.asarray(sum(waves))


def impact_response(shaft: Turning, per_turn: float, rng: np.random.Generator) -> np.ndarray:
    """Generate the housing's oscillation after each impact; an impact ends the previous oscillation."""
    rows = shaft.speed.shape
    order = per_turn * (1 + 0.01 * rng.standard_normal(rows))
    since = (order * shaft.angle / (2 * np.pi) + rng.uniform(0, 1, rows)) % 1 / (order * shaft.speed)  # in samples
    pitch = RESONANCE * rng.uniform(0.95, 1.05, rows)
    return np.asarray(np.exp(-since / DECAY) * np.sin(2 * np.pi * pitch * since))


def _draw_severity(shaft: Turning, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(rng.uniform(0.5, 1.5, shaft.speed.shape))


def _add_imbalance(x: np.ndarray, shaft: Turning, rng: np.random.Generator) -> np.ndarray:
    force = _draw_severity(shaft, rng) * (shaft.speed * SAMPLES_PER_TURN) ** 2
    return np.asarray(x + draw_vibration(shaft, 1, force, rng))


def _add_misalignment(x: np.ndarray, shaft: Turning, rng: np.random.Generator) -> np.ndarray:
    severity = _draw_severity(shaft, rng)
    return np.asarray(x + draw_vibration(shaft, 2, 0.9 * severity, rng) + draw_vibration(shaft, 3, 0.3 * severity, rng))


def _add_looseness(x: np.ndarray, shaft: Turning, rng: np.random.Generator) -> np.ndarray:
    severity = _draw_severity(shaft, rng)
    orders = {0.5: 0.5, 1.5: 0.35, 2.5: 0.25, 5: 0.15, 6: 0.15, 7: 0.15, 8: 0.15}
    return np.asarray(x + sum(draw_vibration(shaft, order, size * severity, rng) for order, size in orders.items()))


def _add_bearing_outer(x: np.ndarray, shaft: Turning, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(x + RING * _draw_severity(shaft, rng) * impact_response(shaft, OUTER, rng))


def _add_bearing_inner(x: np.ndarray, shaft: Turning, rng: np.random.Generator) -> np.ndarray:
    severity = _draw_severity(shaft, rng)
    load = (1 + draw_vibration(shaft, 1, np.ones_like(severity), rng)) / 2
    return np.asarray(x + RING * severity * load * impact_response(shaft, INNER, rng))


def _add_dropout(x: np.ndarray, shaft: Turning, rng: np.random.Generator) -> np.ndarray:
    length = x.shape[1]
    for row in x:
        held = round(length * rng.uniform(0.15, 0.5))
        start = rng.integers(1, length - held + 1)
        row[start : start + held] = row[start - 1]
    return x


FAULTS: dict[str, Callable[[np.ndarray, Turning, np.random.Generator], np.ndarray]] = {
    "imbalance": _add_imbalance,
    "misalignment": _add_misalignment,
    "looseness": _add_looseness,
    "bearing_outer": _add_bearing_outer,
    "bearing_inner": _add_bearing_inner,
    "dropout": _add_dropout,
}
