"""What the tests of attacks share: English to learn from and to attack, and a small place to compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from veilbench.accelerator import Accelerator
from veilbench.attacks.cipher_attack import CipherAttack
from veilbench.attacks.control_memory import ControlMemory
from veilbench.baselines.aes_ctr import AesCtr
from veilbench.baselines.substitution import Substitution
from veilbench.data import alphabet, english
from veilbench.data.identities import Identities, Impressions
from veilbench.data.text import Texts
from veilbench.findings import Findings


class Sealed:
    """Stands in for a cipher once everything that may be seen was made: nothing but `features` answers.

    Args:
        cipher: whose public view of a ciphertext is kept.
    """

    def __init__(self, cipher: Any) -> None:
        self.features = cipher.features

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the attack touched the cipher's {name}")


@pytest.fixture(scope="session")
def texts() -> Texts:
    """The help texts of Python, split by document."""
    parts = english.split(english.topics(), [0.5, 0.35, 0.15], np.random.default_rng(0))
    return Texts(alphabet.symbols("words to train on "), *map(alphabet.symbols, parts))


@pytest.fixture(scope="session")
def accelerator() -> Accelerator:
    return Accelerator("cpu", workers=1)


@pytest.fixture(scope="session")
def controls() -> dict[str, Any]:
    return {"positive": Substitution([32]), "negative": AesCtr()}


@pytest.fixture(scope="module")
def examine(
    texts: Texts, accelerator: Accelerator, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Findings]:
    """An attack on a subject with both its controls; those are remembered within a module under a key, if given."""
    folder = tmp_path_factory.mktemp("controls")

    def run(attack: CipherAttack, subject: Any, seed: int = 1, key: str | None = None) -> Findings:
        seeds, memory = np.random.SeedSequence(seed), ControlMemory(folder, key)
        return attack.examine(subject, texts, accelerator, seeds, memory)

    return run


@pytest.fixture
def sealed_cipher() -> type[Sealed]:
    return Sealed


def portraits(who: np.ndarray, numbers: np.ndarray, noise: float) -> Impressions:
    """Images of 16 x 16 made of 20 smooth patterns; the first of them, strong, is the attribute `pattern`."""
    draw = np.random.default_rng(5)
    basis = np.kron(draw.standard_normal((20, 8, 8)), np.ones((2, 2)))
    people = [np.random.default_rng([7, one]).standard_normal(20) for one in who]
    marks = np.stack(people)
    marks[:, 0] = np.where(marks[:, 0] > 0, 2.0, -2.0)
    each = np.stack([np.random.default_rng([8, a, b]).standard_normal(20) for a, b in zip(who, numbers, strict=True)])
    images = 0.5 + 0.03 * np.einsum("nk,khw->nhw", marks + noise * each, basis)
    attributes = {"pattern": (marks[:, 0] > 0).astype(np.int64)}
    return Impressions(np.clip(images, 0, 1)[:, None].astype(np.float32), who, numbers, attributes)


@pytest.fixture(scope="session")
def people() -> Identities:
    """40 people to train on, 30 that attackers have, 40 enrolled once and probed three times."""
    parts = [
        portraits(np.repeat(np.arange(n), each) + first, np.tile(np.arange(each), n), 0.3)
        for first, n, each in ((0, 40, 4), (1000, 30, 5), (2000, 40, 4))
    ]
    test = parts[2]
    labels = {"pattern": ["one", "other"]}
    return Identities(*parts[:2], test.chosen(test.impressions == 0), test.chosen(test.impressions > 0), labels, [])
