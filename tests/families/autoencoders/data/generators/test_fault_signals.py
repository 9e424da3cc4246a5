"""Signals: each fault shows where its physics says, and sound machines do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import hilbert
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from veilbench.families.autoencoders.data.generators.fault_signals import (
    INNER,
    OUTER,
    SAMPLES_PER_TURN,
    FaultSignals,
    draw_shafts,
    impact_response,
)
from veilbench.families.autoencoders.data.raw import Raw, check_raw

KINDS = ["imbalance", "misalignment", "looseness", "bearing_outer", "bearing_inner", "dropout"]


@pytest.fixture(scope="module")
def raw() -> Raw:
    """2,048 samples are 32 turns: orders are told apart well."""
    return check_raw(FaultSignals(1400, 2048, fault_share=0.5, noise=0.05).read(np.random.default_rng(0)))


def power(raw: Raw, kind: str, order: float, envelope: bool = False) -> float:
    """Mean power of the rows of a kind near an order of the shaft's nominal speed."""
    x = raw.x[raw.y == raw.labels.index(kind)].astype(float)
    if envelope:
        high = np.fft.rfft(x)
        high[:, np.fft.rfftfreq(x.shape[1]) < 0.2] = 0  # above all harmonics: what is left rings
        x = np.abs(hilbert(np.fft.irfft(high), axis=1))
    spectrum = np.abs(np.fft.rfft((x - x.mean(1, keepdims=True)) * np.hanning(x.shape[1]))) ** 2
    orders = np.fft.rfftfreq(x.shape[1]) * SAMPLES_PER_TURN
    return float(spectrum[:, np.abs(orders - order) <= 0.07 * order + 0.08].sum(1).mean())


def gain(raw: Raw, kind: str, order: float, envelope: bool = False) -> float:
    return power(raw, kind, order, envelope) / power(raw, "normal", order, envelope)


def test_shapes_labels_and_numbers_of_rows(raw: Raw) -> None:
    assert raw.x.shape == (1400, 2048)
    assert raw.labels == ["normal", *KINDS]
    assert np.bincount(raw.y).tolist() == [700, 117, 117, 117, 117, 116, 116]
    assert len(raw.features) == 2048


def test_sound_machines_have_the_harmonics_that_are_stated(raw: Raw) -> None:
    shares = np.array([power(raw, "normal", order) for order in (1, 2, 3, 4)])
    expected = np.array([1.0, 0.5, 0.25, 0.12]) ** 2
    assert np.allclose(shares / shares.sum(), expected / expected.sum(), rtol=0.15)


@pytest.mark.parametrize(
    ("kind", "raised", "kept"),
    [
        ("imbalance", {1: (1.6, 2.6)}, [2, 3, 4]),
        ("misalignment", {2: (3.0, 7.0), 3: (1.5, 4.0)}, [1, 4]),
        ("looseness", {0.5: (20, 1e9), 1.5: (20, 1e9), 2.5: (5, 1e9), 6: (5, 1e9)}, [1, 2, 4]),
    ],
)
def test_a_fault_of_the_shaft_raises_its_orders_and_no_others(
    kind: str, raised: dict[float, tuple[float, float]], kept: list[int], raw: Raw
) -> None:
    for order, (least, most) in raised.items():
        assert least < gain(raw, kind, order) < most
    for order in kept:
        assert 0.75 < gain(raw, kind, order) < 1.33


@pytest.mark.parametrize(("kind", "order", "other"), [("bearing_outer", OUTER, INNER), ("bearing_inner", INNER, OUTER)])
def test_a_bearing_rings_at_its_own_rate(kind: str, order: float, other: float, raw: Raw) -> None:
    assert gain(raw, kind, order, envelope=True) > 20
    assert power(raw, kind, order, envelope=True) > 5 * power(raw, kind, other, envelope=True)
    assert all(0.7 < gain(raw, kind, harmonic) < 1.4 for harmonic in (1, 2))


def test_only_the_inner_ring_is_modulated_once_per_turn(raw: Raw) -> None:
    inner, outer = (
        (power(raw, kind, order - 1, True) + power(raw, kind, order + 1, True)) / power(raw, kind, order, True)
        for kind, order in (("bearing_inner", INNER), ("bearing_outer", OUTER))
    )
    assert inner > 0.15
    assert inner > 5 * outer


def test_impacts_come_as_often_as_the_bearing_says() -> None:
    shaft = draw_shafts(200, 4096, np.random.default_rng(1))
    ring = impact_response(shaft, OUTER, np.random.default_rng(2))
    starts = (np.abs(ring[:, 1:]) > 0.4).astype(int)
    turns = (shaft.angle[:, -1] - shaft.angle[:, 0]) / (2 * np.pi)
    assert np.abs(np.ptp(turns) / turns.mean()) > 0.08  # the speeds do differ
    louder = np.array([np.count_nonzero(np.diff(np.flatnonzero(row)) > 3) + 1 for row in starts])
    assert abs((louder / turns).mean() / OUTER - 1) < 0.03


def test_a_sensor_that_drops_out_repeats_its_last_value(raw: Raw) -> None:
    for kind in ("dropout", "normal"):
        x = raw.x[raw.y == raw.labels.index(kind)]
        held = (np.diff(x, axis=1) == 0).sum(1)
        assert (held >= 0.149 * 2048).all() if kind == "dropout" else (held < 5).all()
        assert (held <= 0.501 * 2048).all()


def test_the_same_generator_gives_the_same_signals_and_another_seed_others() -> None:
    made = [FaultSignals(50, fault_share=0.2).read(np.random.default_rng(seed)).x for seed in (3, 3, 4)]
    assert np.array_equal(made[0], made[1])
    assert not np.isin(made[0], made[2]).any(axis=1).all()


def test_faults_are_found_by_a_fitted_subspace_and_not_all_of_them() -> None:
    raw = FaultSignals().read(np.random.default_rng(0))
    fitted, sound = np.split(raw.x[raw.y == 0], 2)
    pca = PCA(16).fit(fitted)
    test, y = np.concatenate([sound, raw.x[raw.y > 0]]), np.repeat([0, 1], [len(sound), (raw.y > 0).sum()])
    error = ((test - pca.inverse_transform(pca.transform(test))) ** 2).sum(1)
    assert 0.7 < roc_auc_score(y, error) < 0.95
    hidden = np.isin(np.concatenate([np.zeros(len(sound)), raw.y[raw.y > 0]]), [0, 1, 2])
    assert 0.4 < roc_auc_score(y[hidden], error[hidden]) < 0.6


def test_chosen_faults_and_no_noise(raw: Raw) -> None:
    raw = check_raw(FaultSignals(40, 200, ["dropout", "looseness"], 0.1, 0.0).read(np.random.default_rng(0)))
    assert raw.labels == ["normal", "dropout", "looseness"]
    assert np.bincount(raw.y).tolist() == [36, 2, 2]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"faults": []}, r"faults=\[\] must be some of imbalance, misalignment"),
        ({"faults": ["rust"]}, r"faults=\['rust'\] must be some of"),
        ({"faults": ["dropout", "dropout"]}, "each once"),
        ({"rows": 10, "fault_share": 0.3}, "leaves no row for some of 6 faults"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FaultSignals(**settings)
