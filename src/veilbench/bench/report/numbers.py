"""Formats numbers for the report."""

from __future__ import annotations

import math

from veilbench.bench.findings import Metric

DASH = "–"
MINUS = "−"


def is_share(metric: Metric) -> bool:
    """Whether a metric is a share of trials, to be written in per cent."""
    return metric.unit == "share"


def number(value: float) -> str:
    """Format with four significant digits; integers in full, very small numbers with an exponent."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", MINUS).replace(",", "\u202f")
    return f"{value:.4g}".replace("-", MINUS)


def compact(value: float) -> str:
    """Format with about three significant digits, with k, M or G from ten thousand on, for rates and axes."""
    for limit, unit, letter in ((999.5e6, 1e9, "G"), (999.5e3, 1e6, "M"), (9999.5, 1e3, "k")):  # what rounds up to one
        if abs(value) >= limit:
            return f"{value / unit:.3g} {letter}".replace("-", MINUS)
    return (f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}").replace("-", MINUS)


def seconds(value: float) -> str:
    """Format a duration in seconds, minutes or hours."""
    if value < 100:
        return f"{value:.1f} s" if value >= 0.05 else "< 0.1 s"
    return f"{value / 60:.1f} min" if value < 6000 else f"{value / 3600:.1f} h"


def _digits(width: float, fewest: int, most: int) -> int:
    """Return the number of decimals that shows about two digits of an interval's width."""
    if width <= 0:
        return fewest
    return min(most, max(fewest, 1 - math.floor(math.log10(width))))


def _share(metric: Metric) -> list[str]:
    """Format value and interval of a share in per cent; only exact values are shown as 0 % or 100 %."""
    width = 100 * (metric.high - metric.low)
    fewest = _digits(width, 1, 2 if width > 0.01 else 4)
    extreme = metric.value in (0, 1)
    enough = (d for d in range(fewest, 5) if extreme or float(f"{100 * metric.value:.{d}f}") not in (0, 100))
    digits = next(enough, 4)
    return [f"{100 * x:.{digits}f}" for x in (metric.value, metric.low, metric.high)]


def parts(metric: Metric, share: bool | None = None, digits: int | None = None) -> tuple[str, str]:
    """Format a metric's value and its interval separately; the interval is empty for an exact number.

    Args:
        metric: the metric to format.
        share: whether to write it in per cent; None decides by its unit.
        digits: number of decimals, if it is not a share; None decides by the interval's width.
    """
    exact = metric.low == metric.high
    if is_share(metric) if share is None else share:
        value, low, high = _share(metric)
        value += " %"
    elif exact and digits is None:
        return number(metric.value), ""
    else:
        digits = _digits(metric.high - metric.low, 0, 6) if digits is None else digits
        value, low, high = (_fixed(x, digits) for x in (metric.value, metric.low, metric.high))
    return value, "" if exact else f"[{low}, {high}]"


def _fixed(value: float, digits: int) -> str:
    """Format a number with `digits` decimals, without a minus before zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", MINUS)


def with_interval(metric: Metric, share: bool | None = None, digits: int | None = None) -> str:
    """Format a metric on one line, such as `0.992 [0.985, 0.996]`."""
    return " ".join(part for part in parts(metric, share, digits) if part)


def gain(metric: Metric, digits: int = 3) -> str:
    """Format a gain on one line."""
    return with_interval(metric, share=False, digits=digits)


def words(identifier: str) -> str:
    """Write an identifier as words: `round_trip` becomes "round trip"."""
    return identifier.replace("_", " ")
