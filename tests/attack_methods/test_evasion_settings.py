"""Settings of evasion attacks: budgets in order, and the reference budget among them."""

from __future__ import annotations

import inspect

import pytest

from veilbench.attack_methods.evasion_attack import EvasionAttack
from veilbench.attack_methods.evasion_settings import Perturbations
from veilbench.families.autoencoders.attacks.evasion import Evasion
from veilbench.families.templates.attacks.impersonation import TemplateImpersonation


def test_budgets_ascend_and_stop_at_the_reference_if_asked() -> None:
    budgets = Perturbations("linf", [1.0, 0.1, 0.5], 0.5)
    assert budgets.ascending() == [0.1, 0.5, 1.0]
    assert budgets.ascending(to_reference=True) == [0.1, 0.5]


def test_a_reference_budget_off_the_curve_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reference_budget=0.3 must be one of budgets=\[0.1\]"):
        Perturbations(budgets=[0.1], reference_budget=0.3)


@pytest.mark.parametrize("attack", [EvasionAttack, Evasion, TemplateImpersonation])
def test_settings_that_belong_together_are_one_argument(attack: type) -> None:
    assert len(inspect.signature(attack).parameters) <= 8
