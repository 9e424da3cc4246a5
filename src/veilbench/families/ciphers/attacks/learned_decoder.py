"""A decoder that the attacker trains on known pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from veilbench.bench.accelerator import Accelerator
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle
from veilbench.training.central import Batches

BITS = 7  # of a symbol, 0 to 90
LEARNING_RATE, BATCH, STEPS_PER_CALL = 3e-3, 512, 50
PATIENCE = 10  # calls without an improvement on the held-out blocks, after which training stops


class LearnedDecoder(pl.LightningModule):
    """Predicts the bits of a block's characters from its public features, by binary cross-entropy.

    Bits in and bits out need far fewer pairs than 91 classes for each character: the decoder of a block of several
    characters learns from every pair about every bit. Training stops early when all bits of held-out blocks are right,
    or when their share has not risen for `PATIENCE` calls.

    Args:
        inputs: number of public features per block.
        block: number of characters per block.
        hidden: units in the hidden layer.
        held_out: features and bits of the held-out blocks, shape (blocks, inputs + 7 * block).

    Attributes:
        best: weights with the largest share of right bits so far.
    """

    held_out: Tensor

    def __init__(self, inputs: int, block: int, hidden: int, held_out: Tensor) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.inputs, self.curves = inputs, dict[str, float]()
        self.best, self._highest, self._waited = dict[str, Tensor](), -1.0, 0
        self.register_buffer("held_out", held_out, persistent=False)
        self.net = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, BITS * block))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW with weight decay 0.01, since there are few pairs."""
        return torch.optim.AdamW(self.parameters(), LEARNING_RATE, weight_decay=1e-2, fused=True)

    def training_step(self, batches: Tensor) -> None:
        """Take one optimizer step per batch.

        Args:
            batches: features followed by bits, shape (steps, batch, inputs + 7 * block).
        """
        optimizer = cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            logits, bits = self.net(batch[:, : self.inputs]), batch[:, self.inputs :]
            self.manual_backward(nn.functional.binary_cross_entropy_with_logits(logits, bits))
            optimizer.step()
        self._check()

    @torch.no_grad()
    def _check(self) -> None:
        """Keep the best weights, and stop the training if there is nothing more to gain."""
        right = (self.net(self.held_out[:, : self.inputs]) > 0) == (self.held_out[:, self.inputs :] > 0)
        share = float(right.float().mean())
        self._waited += 1
        if share > self._highest:
            self._highest, self._waited = share, 0
            self.best = {name: value.clone() for name, value in self.net.state_dict().items()}
        if share == 1 or self._waited == PATIENCE:
            self.trainer.should_stop = True


@dataclass(frozen=True)
class KnownBlocks:
    """The attacker's material for one key: public features of the known and the secret blocks, and the known symbols.

    Attributes:
        features: shape (blocks, features), float32.
        symbols: shape (blocks, block), 0 to 90.
        secret: features of the secrets' blocks, shape (secret blocks, features), float32.
        length: number of characters of each secret.
    """

    features: np.ndarray
    symbols: np.ndarray
    secret: np.ndarray
    length: int

    @classmethod
    def ask(cls, oracle: CipherOracle) -> KnownBlocks:
        """Collect the material from an oracle that grants known pairs."""
        pairs, secrets = oracle.known(), oracle.ciphertexts()
        symbols = np.concatenate([_split_blocks(pair.symbols, oracle.block) for pair in pairs])
        parts = [oracle.extract_features(each) for each in (*(pair.ciphertext for pair in pairs), *secrets)]
        width = max(part.shape[1] for part in parts)  # a text may not show all members
        wide = [np.pad(part, ((0, 0), (0, width - part.shape[1]))).astype(np.float32) for part in parts]
        known, sealed = np.concatenate(wide[: len(pairs)]), np.concatenate(wide[len(pairs) :])
        return cls(known, symbols, sealed, secrets[0].length)


def decode(
    oracle: CipherOracle, steps: int, hidden: int, accelerator: Accelerator, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Train a decoder on four fifths of the known pairs, stop by the held-out fifth, and decode the secret.

    Args:
        oracle: oracle for the attacked key; it must grant known pairs.
        steps: largest number of optimizer steps.
        hidden: units in the decoder's hidden layer.
        accelerator: device to train on.
        rng: generator of the seeds of weights and batches.

    Returns:
        The secret messages, shape (messages, length), and the share of correctly decoded characters in the held-out
        fifth.
    """
    known = KnownBlocks.ask(oracle)
    rows = torch.from_numpy(np.hstack([known.features, _to_bits(known.symbols)]).astype(np.float32))
    cut = max(1, len(rows) * 4 // 5)
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**62)))
        decoder = LearnedDecoder(known.features.shape[1], oracle.block, hidden, rows[cut:] if cut < len(rows) else rows)
    batches = Batches(rows[:cut], min(cut, BATCH), STEPS_PER_CALL, int(rng.integers(2**31)), steps)
    trainer = accelerator.lightning(bar=False, max_epochs=1)
    trainer.fit(decoder, DataLoader(batches, batch_size=None), weights_only=True)
    decoder.net.load_state_dict(decoder.best)
    net = decoder.net.cpu().eval()
    held_out = _predict(net, known.features[cut:], oracle.block) == known.symbols[cut:]
    share = float(held_out.mean()) if held_out.size else 0.0
    secrets = _predict(net, known.secret, oracle.block).reshape(len(oracle.ciphertexts()), -1)
    return secrets[:, : known.length], share


@torch.no_grad()
def _predict(net: nn.Module, features: np.ndarray, block: int) -> np.ndarray:
    """Return the most probable symbols, shape (blocks, block); values above the largest symbol, 90, are clipped."""
    bits = (net(torch.from_numpy(features)) > 0).numpy().reshape(-1, block, BITS)
    return np.asarray(np.minimum(np.packbits(bits, axis=2)[..., 0] >> (8 - BITS), 90))


def _to_bits(symbols: np.ndarray) -> np.ndarray:
    """Return the bits of symbols of shape (blocks, block), shape (blocks, 7 * block)."""
    return np.unpackbits(symbols.astype(np.uint8)[..., None], axis=2)[..., 8 - BITS :].reshape(len(symbols), -1)


def _split_blocks(symbols: np.ndarray, block: int) -> np.ndarray:
    """Reshape symbols to (blocks, block), padding the last block with spaces."""
    return np.pad(symbols, (0, -len(symbols) % block)).reshape(-1, block)
