"""Speed of encryption and decryption."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher


class Speed(Evaluation):
    """Measures characters per second in memory. Rates depend on the machine, so they are costs, not metrics.

    Args:
        length: characters per message; the text is repeated if it is shorter.
        repeats: number of timed repetitions. The fastest one is reported, since other processes can only slow it down.
    """

    data_kind = Texts
    target_kind = Cipher

    def __init__(self, length: Count = 100_000, repeats: Count = 3) -> None:
        self.length, self.repeats = length, repeats

    def examine(self, model: Cipher, texts: Texts, trainer: Accelerator, seeds: np.random.SeedSequence) -> Findings:
        """Measure the encryption and decryption rates."""
        rng = np.random.default_rng(seeds)
        message = np.resize(texts.unseen, self.length)
        sealed = model.encrypt(message, rng)
        return Findings(
            "Speed",
            cost={
                "encrypt_characters_per_second": self._measure_rate(lambda: model.encrypt(message, rng)),
                "decrypt_characters_per_second": self._measure_rate(lambda: model.decrypt(sealed)),
            },
        )

    def _measure_rate(self, work: Callable[[], Any]) -> float:
        """Return the characters per second of the fastest repetition."""
        seconds = []
        for _ in range(self.repeats):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
        return self.length / min(seconds)
