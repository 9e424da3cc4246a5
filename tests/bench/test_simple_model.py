"""Models of plug-ins with the shortest contract, and the names that the families offer for import."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.simple_model import SimpleModel
from veilbench.bench.sources import find_imports

FAMILIES = ("autoencoders", "ciphers", "mail", "templates")


class Centre(SimpleModel):
    def __init__(self, power: int = 2, shift: float = 0.0) -> None:
        self.power, self.shift = power, shift

    def fit(self, data: np.ndarray, rng: np.random.Generator) -> Centre:
        return self.with_fitted(mean=data.mean(0) + self.shift)

    def score(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray((np.abs(rows - self.fitted["mean"]) ** self.power).sum(1))


def test_a_model_is_restored_from_its_arguments_and_arrays() -> None:
    rows = np.random.default_rng(0).random((9, 3))
    fitted = Centre(3, shift=0.5).fit(rows, np.random.default_rng(0))
    assert fitted.settings() == {"power": 3, "shift": 0.5}
    again = Centre.restore(fitted.settings(), fitted.arrays())
    np.testing.assert_array_equal(again.score(rows), fitted.score(rows))
    assert fitted.arrays()["mean"] == pytest.approx(rows.mean(0) + 0.5)


def test_an_argument_that_cannot_be_saved_is_named(tmp_path: Path) -> None:
    fitted = Centre(2, shift=np.float32(1)).fit(np.ones((2, 2)), np.random.default_rng(0))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^Centre\.shift is a float32, which is not saved: numbers, strings"):
        fitted.save(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "value", "said"),
    [
        ({"power": 2}, 1.0, "settings.shift is missing"),
        ({"power": "2", "shift": 0.0}, 1.0, "settings.power='2' is not allowed"),
        ({"power": 2, "shift": 0.0, "more": 1}, 1.0, "unknown key settings.more"),
        ({"power": 2, "shift": 0.0}, np.nan, "mean holds nan"),
    ],
)
def test_a_damaged_model_is_refused(settings: dict[str, Any], value: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Centre.restore(settings, {"mean": np.full(3, value)})


@pytest.mark.parametrize("family", FAMILIES)
def test_the_names_of_a_family_can_be_imported_and_are_followed_for_digests(family: str) -> None:
    package = importlib.import_module(f"veilbench.families.{family}")
    path = Path(str(package.__file__))
    typed = {
        alias.name: node.module
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(package.__name__)
        for alias in node.names
    }
    assert set(typed) == set(package.__all__)
    for name, module in typed.items():
        assert getattr(package, name) is getattr(importlib.import_module(str(module)), name)
    assert len(find_imports(path)) >= len(set(typed.values()))
    with pytest.raises(AttributeError, match="has no attribute Nonesuch"):
        package.Nonesuch  # noqa: B018
