"""A decoder that the attacker trains on known pairs."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from veilbench.bench.accelerator import Accelerator
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle
from veilbench.text.alphabet import SIZE
from veilbench.training.central import Batches


class LearnedDecoder(pl.LightningModule):
    """Predicts a block's characters from its visible features: one hidden layer, trained by cross-entropy.

    Args:
        inputs: number of visible features per block.
        block: number of characters per block.
        hidden: units in the hidden layer.
        learning_rate: learning rate of AdamW.
    """

    def __init__(self, inputs: int, block: int, hidden: int = 128, learning_rate: float = 3e-3) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.inputs, self.block, self.learning_rate = inputs, block, learning_rate
        self.net = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, SIZE * block))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW with weight decay 0.01, since there are few pairs."""
        return torch.optim.AdamW(self.parameters(), self.learning_rate, weight_decay=1e-2, fused=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map features of shape (batch, inputs) to the symbols' logits, shape (batch, 91, block)."""
        return torch.as_tensor(self.net(features).view(-1, SIZE, self.block))

    def training_step(self, batches: Tensor) -> None:
        """Take one optimizer step per batch.

        Args:
            batches: features followed by symbols, shape (steps, batch, inputs + block).
        """
        optimizer = cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))
        for batch in batches:
            features, symbols = batch.split([self.inputs, self.block], 1)
            optimizer.zero_grad(set_to_none=True)
            self.manual_backward(nn.functional.cross_entropy(self(features), symbols.long()))
            optimizer.step()
        self.curves: dict[str, float] = {}


def decode(
    oracle: CipherOracle, steps: int, accelerator: Accelerator, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Train a decoder on four fifths of the known pairs and decode the secret.

    Returns:
        The secret message, shape (length,), and the share of correctly decoded characters in the held-out fifth.
    """
    block, pairs = oracle.block, oracle.known()
    symbols = np.concatenate([_blocks(pair.symbols, block) for pair in pairs])
    seen = [oracle.features(made) for made in (oracle.ciphertext(), *(pair.ciphertext for pair in pairs))]
    width = max(features.shape[1] for features in seen)  # those of a message end with the last member that it uses
    secret, *known = (np.pad(features, ((0, 0), (0, width - features.shape[1]))) for features in seen)
    rows = torch.from_numpy(np.hstack([np.concatenate(known), symbols]).astype(np.float32))
    cut = max(1, len(rows) * 4 // 5)
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**62)))
        decoder = LearnedDecoder(width, block)
    batches = Batches(rows[:cut], min(cut, 512), 50, int(rng.integers(2**31)), steps)
    trainer = accelerator.lightning(bar=False, max_epochs=1)
    trainer.fit(decoder, DataLoader(batches, batch_size=None), weights_only=True)
    with torch.no_grad():
        decoder = decoder.cpu().eval()
        held_out = decoder(rows[cut:, :width]).argmax(1).numpy() if cut < len(rows) else np.zeros((1, block))
        answer = decoder(torch.from_numpy(secret.astype(np.float32))).argmax(1).numpy()
    wanted = symbols[cut:] if cut < len(rows) else np.ones((1, block))
    return answer.reshape(-1)[: oracle.ciphertext().length], float((held_out == wanted).mean())


def _blocks(symbols: np.ndarray, block: int) -> np.ndarray:
    """Reshape symbols to (blocks, block), padding the last block with spaces."""
    return np.pad(symbols, (0, -len(symbols) % block)).reshape(-1, block)
