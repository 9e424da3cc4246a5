"""Correctness of the round trip, and size of the ciphertext."""

from __future__ import annotations

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.limits import Count
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.families.ciphers.schemes.codebook import CodebookCipher
from veilbench.metrics.intervals import proportion
from veilbench.text.alphabet import SIZE


class Fidelity(Evaluation):
    """Measures exact codes, bit errors, and the round trip over the alphabet and over held-out English.

    Args:
        length: maximum number of characters of English to encrypt and decrypt.
    """

    data_kind = Texts
    target_kind = Cipher

    def __init__(self, length: Count = 20_000) -> None:
        self.length = length

    def examine(self, model: Cipher, texts: Texts, trainer: Accelerator, seeds: np.random.SeedSequence) -> Findings:
        """Measure the round trip, the ciphertext's size and, for code books, the errors of the codes."""
        rng = np.random.default_rng(seeds)
        alphabet, english = np.arange(SIZE, dtype=np.uint8), texts.unseen[: self.length]
        findings = Findings("Fidelity", notes=list(texts.notes))
        for name, message in (("alphabet", np.repeat(alphabet, 8)), ("english", english)):
            decrypted = model.decrypt(model.encrypt(message, rng))
            findings.metrics[f"round_trip_{name}"] = proportion(int((decrypted == message).sum()), len(message))
        findings.metrics["bytes_per_character"] = Metric.exact(model.bytes_per_character(english, rng))
        if isinstance(model, CodebookCipher):
            findings.metrics |= self._measure_codes(model)
        return findings

    def _measure_codes(self, cipher: CodebookCipher) -> dict[str, Metric]:
        """Measure the share of distinct codes, and compare the codes with the key and the tables with the networks."""
        distinct = sum(len(np.unique(book, axis=0)) for book in cipher.codes)
        metrics = {"distinct_codes": Metric.exact(distinct / cipher.codes[..., 0].size, cipher.members * SIZE, "share")}
        if cipher.key is not None:
            learned = cipher.threshold_codes()
            wrong = learned != np.unpackbits(cipher.key, axis=-1)[..., : learned.shape[-1]]
            bits = int(cipher.bits.sum()) // (32 if cipher.floats else 1)
            metrics["exact_codes"] = proportion(int((~wrong.any(-1)).sum()), cipher.members * SIZE)
            metrics["bit_error_rate"] = proportion(int(wrong.sum()), bits * SIZE)
        if cipher.network[0]:
            metrics["table_is_network"] = self._compare_with_network(cipher)
        return metrics

    def _compare_with_network(self, cipher: CodebookCipher) -> Metric:
        """Return the share of table entries that the networks reproduce after they are loaded from their weights."""
        import torch

        from veilbench.families.ciphers.nets.cipher_pair import CipherPairNet

        net = CipherPairNet(**cipher.network[0])
        net.load_state_dict({name: torch.from_numpy(w) for name, w in cipher.network[1].items()})
        floats = 32 if net.travels == "floats" else 1
        codes, decoded = net.tabulate([int(bits) // floats for bits in cipher.bits])
        same = (codes == cipher.codes).all(-1) & (decoded == cipher.decoded)
        return proportion(int(same.sum()), same.size)
