"""What the tests of attacks share: English to learn from and to attack, and a small place to compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.findings import Findings
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack
from veilbench.families.ciphers.attacks.ngrams import NGramModel
from veilbench.families.ciphers.attacks.substitution import solve
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.data.text import Texts
from veilbench.text import alphabet, english


class Sealed:
    """Stands in for a cipher once everything that may be seen was made: only `extract_features` works.

    Args:
        cipher: whose public view of a ciphertext is kept.
    """

    def __init__(self, cipher: Any) -> None:
        self.extract_features = cipher.extract_features

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the attack touched the cipher's {name}")


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compile the search once, for half a minute: other processes of a run wait, and load it from the cache."""
    text = np.arange(400).astype(np.uint8) % 5
    with FileLock(tmp_path_factory.getbasetemp().parent / "compiled.lock"):
        solve(text, np.full(5, -1), NGramModel.fit(text, 4, 5), restarts=0, effort=0.05)


@pytest.fixture(scope="session")
def texts() -> Texts:
    """The help texts of Python, split by document."""
    parts = english.split(english.load_topics(), [0.5, 0.35, 0.15], np.random.default_rng(0))
    return Texts(alphabet.encode("words to train on "), *map(alphabet.encode, parts))


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
    """An attack on a target with both its controls; those are remembered within a module under a key, if given."""
    folder = tmp_path_factory.mktemp("controls")

    def run(attack: CipherAttack, target: Any, seed: int = 1, key: str | None = None) -> Findings:
        seeds, memory = np.random.SeedSequence(seed), ControlMemory(folder, key)
        return attack.examine(target, texts, accelerator, seeds, memory)

    return run


@pytest.fixture
def sealed_cipher() -> type[Sealed]:
    return Sealed
