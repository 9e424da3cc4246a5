"""Numbers as the report writes them, at the ends of each range too."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.bench.findings import Metric
from veilbench.bench.report import numbers


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (Metric(0.992, 0.985, 0.996, 20, "bootstrap, 95 %"), "0.992 [0.985, 0.996]"),
        (Metric(1.0, 0.988, 1.0, 20, "bootstrap, 95 %"), "1.000 [0.988, 1.000]"),
        (Metric(-0.004, -0.0161, 0.012, 20, "bootstrap, 95 %"), "−0.004 [−0.016, 0.012]"),
        (Metric(1.0, 0.99982, 1.0, 20_000, "Clopper-Pearson 95 %", "share"), "100.00 % [99.98, 100.00]"),
        (Metric(0.99996, 0.9998, 1.0, 20_000, "Clopper-Pearson 95 %", "share"), "99.996 % [99.980, 100.000]"),
        (Metric(0.0, 0.0, 0.0013, 2912, "Clopper-Pearson 95 %", "share"), "0.00 % [0.00, 0.13]"),
        (Metric(0.5, 0.4, 0.6, 91, "Clopper-Pearson 95 %", "share"), "50.0 % [40.0, 60.0]"),
        (Metric.exact(10_000), "10\u202f000"),
        (Metric.exact(0.011111642), "0.01111"),
    ],
)
def test_numbers(metric: Metric, text: str) -> None:
    assert numbers.with_interval(metric) == text


def test_rates_and_times() -> None:
    assert [numbers.compact(x) for x in (0, 0.25, 100, 5000, 12_345, 2.2e7, -3e9)] == [
        "0", "0.25", "100", "5000", "12.3 k", "22 M", "−3 G",
    ]  # fmt: skip
    assert [numbers.seconds(x) for x in (0.01, 2.36, 150, 7200)] == ["< 0.1 s", "2.4 s", "2.5 min", "2.0 h"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999.4, "999"), (1000, "1000"), (1234.5, "1234"), (9999, "9999"), (10_000, "10 k"), (999_000, "999 k"),
        (1e6, "1 M"), (999e6, "999 M"), (1e9, "1 G"), (-1e6, "−1 M"), (-10_000, "−10 k"), (-1500, "−1500"),
        (0.12345, "0.123"), (-0.5, "−0.5"),
    ],
)  # fmt: skip
def test_letters_begin_at_their_limit(value: float, text: str) -> None:
    assert numbers.compact(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999.49, "999"), (999.6, "1000"), (-999.6, "−1000"), (9999.4, "9999"), (9999.6, "10 k"), (999_499.5, "999 k"),
        (999_500.5, "1 M"), (999_999, "1 M"), (999_499_999.5, "999 M"), (999_500_000.5, "1 G"), (-999_999_999, "−1 G"),
    ],
)  # fmt: skip
def test_what_rounds_up_to_the_next_letter_has_it_and_no_exponent(value: float, text: str) -> None:
    assert numbers.compact(value) == text


@pytest.mark.parametrize("letter", ["", "k", "M", "G"])
def test_a_compact_number_is_the_value_within_half_a_digit(letter: str) -> None:
    unit = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[letter]
    for value in unit * np.linspace(1, 999.4, 3000):
        shown, _, own = numbers.compact(float(value)).partition(" ")
        assert "e" not in shown
        read = float(shown) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[own]
        assert read == pytest.approx(value, rel=0.00501)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.049, "< 0.1 s"), (0.05, "0.1 s"), (99.94, "99.9 s"), (100, "1.7 min"), (5999, "100.0 min"), (6000, "1.7 h"),
    ],
)  # fmt: skip
def test_units_of_time_begin_at_their_limit(value: float, text: str) -> None:
    assert numbers.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e15, "1e+15"), (999_999_999_999_999, "999\u202f999\u202f999\u202f999\u202f999"), (-12_000, "−12\u202f000"),
        (0, "0"), (-3.14159, "−3.142"), (1e-7, "1e-07".replace("-", "−")),
    ],
)  # fmt: skip
def test_plain_numbers(value: float, text: str) -> None:
    assert numbers.number(value) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.5, 0.49, 0.51, "50.0 % [49.0, 51.0]"),  # a width of 2 %
        (0.5, 0.4995, 0.5005, "50.00 % [49.95, 50.05]"),  # of 0.1 %
        (0.5, 0.49994, 0.50006, "50.00 % [49.99, 50.01]"),  # of 0.012 %: no more than two digits
        (0.5, 0.499996, 0.500004, "50.0000 % [49.9996, 50.0004]"),  # of less: up to four
        (0.0004, 0.0, 0.01, "0.04 % [0.00, 1.00]"),  # more digits than the width asks for, so that it is not 0
        (0.000001, 0.0, 0.2, "0.0001 % [0.0000, 20.0000]"),
        (0.0000001, 0.0, 0.2, "0.0000 % [0.0000, 20.0000]"),  # and no more than four
        (1.0, 0.8, 1.0, "100.0 % [80.0, 100.0]"),
    ],
)
def test_the_digits_of_a_share_follow_its_width(value: float, low: float, high: float, text: str) -> None:
    assert numbers.with_interval(Metric(value, low, high, 9, "x", "share")) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (12.3, 0.0, 40.0, "12 [0, 40]"), (12.3, 11.0, 13.0, "12.3 [11.0, 13.0]"),
        (12.35, 12.3, 12.38, "12.350 [12.300, 12.380]"), (0.0, -2e-7, 2e-7, "0.000000 [0.000000, 0.000000]"),
        (12.3, -0.0001, 30.0, "12 [0, 30]"), (-3.0, -30.0, -1.0, "−3 [−30, −1]"),
    ],
)  # fmt: skip
def test_the_digits_of_a_number_follow_its_width(value: float, low: float, high: float, text: str) -> None:
    assert numbers.with_interval(Metric(value, low, high, 9, "x")) == text


def test_what_is_exact_has_no_interval_and_what_is_told_decides() -> None:
    exact, wide = Metric.exact(0.25), Metric(0.25, 0.2, 0.3, 9, "x")
    assert numbers.parts(exact) == ("0.25", "")
    assert numbers.parts(exact, digits=3) == ("0.250", "")
    assert numbers.parts(exact, share=True) == ("25.0 %", "")
    assert numbers.parts(wide, share=True) == ("25.0 %", "[20.0, 30.0]")
    assert numbers.parts(Metric(0.25, 0.2, 0.3, 9, "x", "share"), share=False) == ("0.25", "[0.20, 0.30]")
    assert numbers.gain(wide) == "0.250 [0.200, 0.300]"
