"""Curves of decoders over their training budget: shares of variance against scikit-learn, and doublings."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from veilbench.attack_methods.ridge import ridge
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.rule import doubt_budget
from veilbench.families.templates.attacks.decoder_curves import curve_over_rows, curve_over_steps
from veilbench.families.templates.attacks.decoders import Decoders, fit_decoder


def test_a_curve_over_steps_takes_the_lowest_error_so_far() -> None:
    errors = {25: 4.0, 50: 3.0, 75: 3.0, 100: 1.0}
    curve = curve_over_steps(errors, 4.0)
    assert (curve.setting, list(curve.budgets), list(curve.gains)) == ("training steps", [25, 50, 100], [0, 0.25, 0.75])
    assert "the last doubling of training steps raised the gain by 0.50" in doubt_budget(curve)
    assert "was not doubled" in doubt_budget(curve_over_steps({25: 4.0}, 4.0))


def test_a_curve_over_rows_rises_to_the_error_with_all() -> None:
    curve = curve_over_rows({100: 2.0, 50: 2.01}, 4.0)
    assert (list(curve.budgets), list(curve.gains)) == ([50, 100], pytest.approx([0.4975, 0.5]))
    assert doubt_budget(curve) == ""


def test_a_linear_decoder_reports_its_share_of_variance_with_half_and_all_rows() -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((6, 16))
    codes, held_codes = rng.standard_normal((40, 6)), rng.standard_normal((200, 6))
    images, held = (x @ weights + 0.5 * rng.standard_normal((len(x), 16)) for x in (codes, held_codes))
    pairs = codes, images.reshape(-1, 1, 4, 4), held_codes, held.reshape(-1, 1, 4, 4)
    curve = fit_decoder("linear", pairs, Decoders(), Accelerator("cpu"), rng).curve
    assert list(curve.budgets) == [20, 40]
    wanted = [
        r2_score(held, ridge(codes[:n], images[:n], held_codes, held)[0](held_codes), multioutput="variance_weighted")
        for n in (20, 40)
    ]
    assert list(curve.gains) == pytest.approx(wanted, abs=0.02)  # which takes the mean of the held-out images
    assert curve.gains[0] < curve.gains[1]


def test_a_network_reports_its_steps() -> None:
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((60, 5))
    images = (codes @ rng.standard_normal((5, 16)) / 10 + 0.5).reshape(-1, 1, 4, 4)
    pairs = codes[:50], images[:50], codes[50:], images[50:]
    curve = fit_decoder("mlp", pairs, Decoders(steps=200, hidden=32), Accelerator("cpu"), rng).curve
    assert (curve.setting, list(curve.budgets)) == ("training steps", [25, 50, 100, 200])
    assert curve.gains[-1] > 0.5
    assert list(curve.gains) == sorted(curve.gains)
