"""Errors of foreign code become one line, and its randomness leaves no trace."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from veilbench.bench import roots
from veilbench.bench.errors import UserError
from veilbench.bench.foreign import foreign_errors, require_repeated, seeded
from veilbench.bench.roots import find_function


def test_an_error_is_one_line_with_its_class() -> None:
    with pytest.raises(UserError) as refused, foreign_errors("tool failed"):
        raise KeyError("a\nb")
    assert re.fullmatch(r"tool failed: KeyError: 'a\\nb' \(test_foreign.py, line \d+\)", str(refused.value))
    with pytest.raises(UserError, match=r"^ours$"), foreign_errors("tool failed"):
        raise UserError("ours")


def test_the_last_line_of_the_callers_own_code_is_named() -> None:
    def pass_on() -> None:
        np.zeros(3) @ np.zeros(4)

    with pytest.raises(UserError) as refused, foreign_errors("tool failed"):
        pass_on()
    line = pass_on.__code__.co_firstlineno + 1
    assert str(refused.value).endswith(f" (test_foreign.py, line {line})")


def test_global_generators_are_seeded_and_restored() -> None:
    def draw() -> tuple[float, float]:
        return float(np.random.random()), float(torch.rand(1))

    np.random.seed(1)
    torch.manual_seed(1)
    expected = draw()
    np.random.seed(1)
    torch.manual_seed(1)
    with seeded(5):
        first = draw()
    with seeded(5):
        assert draw() == first
    assert draw() == expected


def test_other_scores_are_refused() -> None:
    require_repeated(np.array([1.0, 2.0]), np.array([1.0, 2.00001]), "it")
    with pytest.raises(ValueError, match="it, fitted again, gives other scores"):
        require_repeated(np.array([1.0, 2.0]), np.array([1.0, 2.01]), "it")


def test_functions_of_registered_packages_may_build_something(monkeypatch: pytest.MonkeyPatch) -> None:
    target = "veilbench.bench.roots.find_function"
    assert find_function(target) is find_function
    with pytest.raises(UserError, match="is no class of "):
        roots.find_class(target, object)
    for wrong in ("os.system", "veilbench.bench.roots.find_spec", "veilbench.bench.roots.DOTTED"):
        with pytest.raises(UserError, match="names nothing that can be imported"):
            find_function(wrong)
