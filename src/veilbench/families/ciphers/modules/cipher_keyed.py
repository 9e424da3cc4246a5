"""Adversarial neural cryptography: two networks learn to communicate securely (Abadi and Andersen 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, cast

import numpy as np
import pytorch_lightning as pl
import torch
from annotated_types import Ge, Le
from torch import Tensor

from veilbench.bench.contracts import Trainable
from veilbench.bench.limits import LearningRate, NotNegative, Steps
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.losses.adversarial import alice_bob_loss, bit_error_rate
from veilbench.families.ciphers.nets.mix_transform import AliceAndBob, MixTransform
from veilbench.families.ciphers.schemes.keyed import CHARACTER_BITS, KeyedCipher


class CipherKeyed(pl.LightningModule, Trainable):
    """Trains Alice and Bob, who share a key, alternately with Eve, who sees only the ciphertext and the nonce.

    The losses are those of the paper's section 2.5. Eve's loss is her share of wrong bits. The loss of Alice and Bob is
    Bob's share of wrong bits plus ((1/2 - Eve's share) / (1/2))^2, which is lowest if Eve is at chance, not if she is
    always wrong. Unlike in the paper, all three networks also receive a nonce, so that a message has many ciphertexts
    under one key.

    Args:
        bits: length of a block, of the key and of the nonce in bits; a multiple of 8, so that blocks hold whole
            characters.
        learning_rate: learning rate of Adam, for both sides.
        eve_steps: number of Eve's optimizer steps per step of Alice and Bob.
        bob_errors: maximum of Bob's share of wrong bits for training to stop; `eve_errors` must be met too.
        eve_errors: minimum of Eve's share of wrong bits for training to stop; chance is 0.5.
    """

    data_kind = Texts
    trained_kind = KeyedCipher

    def __init__(
        self,
        bits: Annotated[int, Ge(8), Le(64)] = 16,
        learning_rate: LearningRate = 4e-3,
        eve_steps: Steps = 2,
        bob_errors: NotNegative = 0.003,
        eve_errors: Annotated[float, Ge(0), Le(0.5)] = 0.44,
    ) -> None:
        super().__init__()
        if bits % CHARACTER_BITS:
            raise ValueError(f"bits={bits} must be a multiple of {CHARACTER_BITS}: a block holds whole characters")
        self.automatic_optimization = False
        self.bits, self.learning_rate, self.eve_steps = bits, learning_rate, eve_steps
        self.bob_errors, self.eve_errors = bob_errors, eve_errors
        self.net, self.eve = AliceAndBob(bits), MixTransform(2 * bits, bits)
        self.key = np.zeros(bits, np.uint8)

    def start(self, texts: Texts, seeds: np.random.SeedSequence) -> Tensor:
        """Draw the key and the initial weights.

        Returns:
            Training blocks of uniform random bits, not text: shape (65536, bits), values -1 and 1.
        """
        rng = np.random.default_rng(seeds)
        self.key = rng.integers(0, 2, self.bits, dtype=np.uint8)
        self.seed = int(rng.integers(2**62))
        torch.manual_seed(self.seed)
        for layer in self.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.reset_parameters()
        return torch.from_numpy(rng.integers(0, 2, (2**16, self.bits)).astype(np.float32) * 2 - 1)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return one Adam for Alice and Bob and one for Eve."""
        return [torch.optim.Adam(part.parameters(), lr=self.learning_rate, fused=True) for part in (self.net, self.eve)]

    def on_fit_start(self) -> None:
        """Create the generator of keys and nonces on the networks' device."""
        self.generator = torch.Generator(self.device).manual_seed(self.seed)

    def _draw_signs(self, like: Tensor) -> Tensor:
        bits = torch.randint(0, 2, like.shape, generator=self.generator, device=self.device)
        return bits.to(like.dtype) * 2 - 1

    def compute_errors(self, plain: Tensor) -> tuple[Tensor, Tensor]:
        """Compute Bob's and Eve's differentiable shares of wrong bits, under random keys and nonces.

        Args:
            plain: plain blocks, shape (batch, bits), values -1 and 1.
        """
        key, nonce = self._draw_signs(plain), self._draw_signs(plain)
        sealed = self.net.seal(plain, key, nonce)
        opened, guessed = self.net.open(sealed, key, nonce), self.eve(torch.cat([sealed, nonce], 1))
        return bit_error_rate(opened, plain), bit_error_rate(guessed, plain)

    def training_step(self, batches: Tensor) -> None:
        """Take one step of Alice and Bob, and `eve_steps` of Eve, per batch.

        Args:
            batches: plain blocks, shape (steps, batch, bits), values -1 and 1.
        """
        alice_bob_optimizer, eve_optimizer = cast(list[torch.optim.Optimizer], self.optimizers(use_pl_optimizer=False))
        for plain in batches:
            bob, eve = self.compute_errors(plain)
            alice_bob_optimizer.zero_grad(set_to_none=True)
            self.manual_backward(alice_bob_loss(bob, eve))
            alice_bob_optimizer.step()
            for _ in range(self.eve_steps):
                self._train_eve(plain, eve_optimizer)
        wrong = self.measure_wrong_bits(batches.flatten(0, 1)[:8192])
        self.curves = {"bob wrong bits": wrong[0], "eve wrong bits": wrong[1]}
        self.trainer.should_stop = wrong[0] <= self.bob_errors and wrong[1] >= self.eve_errors

    def _train_eve(self, plain: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Take one optimizer step of Eve on new random blocks of the same shape."""
        plain, key, nonce = (self._draw_signs(plain) for _ in range(3))
        with torch.no_grad():
            sealed = self.net.seal(plain, key, nonce)
        optimizer.zero_grad(set_to_none=True)
        self.manual_backward(bit_error_rate(self.eve(torch.cat([sealed, nonce], 1)), plain))
        optimizer.step()

    @torch.no_grad()
    def measure_wrong_bits(self, plain: Tensor) -> tuple[float, float]:
        """Measure Bob's and Eve's shares of wrong bits after rounding, under random keys and nonces.

        Args:
            plain: plain blocks, shape (batch, bits), values -1 and 1.
        """
        key, nonce = self._draw_signs(plain), self._draw_signs(plain)
        sealed = self.net.seal(plain, key, nonce)
        answers = self.net.open(sealed, key, nonce), self.eve(torch.cat([sealed, nonce], 1))
        bob, eve = (float(((answer > 0) != (plain > 0)).float().mean()) for answer in answers)
        return bob, eve

    def lacks(self) -> Mapping[str, str]:
        """Return the operations that the cipher does not support, with reasons."""
        block = self.bits // CHARACTER_BITS
        return {} if block == 1 else {"single_characters": f"it encrypts {block} characters at once"}

    def trained_model(self) -> KeyedCipher:
        """Return Alice and Bob with their key; Eve is discarded, since every attack trains its own."""
        weights = {name: w.cpu().numpy() for name, w in self.net.state_dict().items()}
        return KeyedCipher(weights, self.bits, self.key)
