"""Pairs of networks that encrypt and decrypt text character by character, alone or as an ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from veilbench.bench.contracts import Trainable
from veilbench.bench.limits import Count, Depth, LearningRate, NotNegative, Real, Width, require_room
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.losses.squared import summed_over_members
from veilbench.families.ciphers.nets.cipher_pair import THRESHOLD, CipherPairNet
from veilbench.families.ciphers.schemes.codebook import NO_KEY_BITS, OWN_CODE, CodebookCipher, random_mapping
from veilbench.text.alphabet import SIZE


class CipherPair(pl.LightningModule, Trainable):
    """M encrypter/decrypter pairs, trained at once.

    With a mapping, the encrypter learns to answer each character with its code and the decrypter to answer each
    code with its character, both by the mean squared error. Without one, the pair is trained end to end and the
    code is whatever it agrees on; the gradient passes the threshold straight through (Bengio et al. 2013).

    Args:
        encrypter: layer widths, 91 first, the longest code's bits last.
        decrypter: layer widths, the longest code's bits first, 91 last.
        code_bits: bits of the mapping's codes, one number per member, or one for all.
        members: how many pairs.
        chunk: characters that one member encrypts in a row.
        mapping: whether codes are drawn as the key and learned, or left to the pair.
        travels: the code's bits after a threshold, or its raw floats, as in the source system.
        learning_rate: Adam's.
        slope: LeakyReLU's slope below zero.
        margin: training is done when every character is right and every output at least this far on the right
            side of the threshold, or of the runner-up.
    """

    data_kind = Texts
    trained_kind = CodebookCipher

    def __init__(
        self,
        encrypter: Sequence[Width],
        decrypter: Sequence[Width],
        code_bits: Width | Sequence[Width],
        members: Count = 1,
        chunk: Depth = 1,
        mapping: bool = True,
        travels: Literal["bits", "floats"] = "bits",
        learning_rate: LearningRate = 1e-3,
        slope: Real = 0.3,
        margin: NotNegative = 0.1,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        if encrypter[0] != SIZE or decrypter[-1] != SIZE:
            ends = f"{encrypter[0]} and {decrypter[-1]}"
            raise ValueError(f"encrypter must begin and decrypter end with the alphabet's {SIZE}, got {ends}")
        require_room(f"members={members} codes of {encrypter[-1]} bits", members, SIZE, encrypter[-1])
        self.net = CipherPairNet(encrypter, decrypter, members, slope, travels, not mapping and travels == "bits")
        self.bits = [code_bits] * members if isinstance(code_bits, int) else list(code_bits)
        if len(self.bits) != members or max(self.bits) != encrypter[-1] or min(self.bits) < 1:
            raise ValueError(
                f"code_bits={code_bits} must be one number of bits, or one for each of the {members} members, the "
                f"largest equal to the encrypter's last width {encrypter[-1]}"
            )
        if 2 ** min(self.bits) < SIZE:
            raise ValueError(f"code_bits={min(self.bits)} cannot tell {SIZE} characters apart: at least 7 are needed")
        self.chunk, self.mapping = chunk, mapping
        self.learning_rate, self.margin = learning_rate, margin
        mask = torch.arange(encrypter[-1]) < torch.tensor(self.bits)[:, None, None]
        self.mask: Tensor
        self.codes: Tensor
        self.register_buffer("mask", mask.float())
        self.register_buffer("codes", torch.zeros(members, SIZE, encrypter[-1]))

    def start(self, texts: Texts, seeds: np.random.SeedSequence) -> Tensor:
        """Draw the key and the first weights.

        Returns:
            The training text as symbols, shape (length,).
        """
        rng = np.random.default_rng(seeds)
        for member, bits in enumerate(self.bits):
            self.codes[member, :, :bits] = torch.from_numpy(random_mapping(bits, rng).astype(np.float32))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        self.net.encrypter.reset_parameters(generator)
        self.net.decrypter.reset_parameters(generator)
        return torch.from_numpy(texts.words.astype(np.int64))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, fused: half the time per step on networks this small."""
        return torch.optim.Adam(self.net.parameters(), lr=self.learning_rate, fused=True)

    def loss(self, symbols: Tensor) -> Tensor:
        """The summed loss of all members on a batch of symbols, shape (batch,)."""
        wanted = torch.nn.functional.one_hot(symbols, SIZE).to(self.codes.dtype)
        if not self.mapping:
            made = self.net.book().index_select(1, symbols)
            sent = made + (self.net.sent(made) - made).detach()
            return summed_over_members(self.net.decrypter(sent * self.mask), wanted)
        made = self.net.encrypter.forward_one_hot(symbols)
        codes = self.codes.index_select(1, symbols)
        encrypter = summed_over_members(made, codes, self.mask)
        return encrypter + summed_over_members(self.net.decrypter(codes), wanted)

    def training_step(self, batches: Tensor) -> Tensor:
        """Many optimizer steps at once, one per row: Lightning's own cost is paid per call.

        Args:
            batches: symbols, shape (steps, batch).
        """
        optimizer = cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = self.loss(batch)
            self.manual_backward(loss)
            optimizer.step()
        right, margin = self.health()
        self.curves = {"loss": loss.item() / self.net.members, "characters right": right, "margin": margin}
        self.trainer.should_stop = right == 1 and margin >= self.margin
        return loss

    @torch.no_grad()
    def health(self) -> tuple[float, float]:
        """Share of characters that every part answers rightly, and the smallest margin among all answers."""
        symbols = torch.arange(SIZE, device=self.device)
        made = self.net.book()
        answers = self.net.decrypter(self.net.sent(made) * self.mask)
        best = answers.topk(2, -1)
        margins = [best.values[..., 0] - best.values[..., 1]]
        right = best.indices[..., 0] == symbols
        if self.mapping:
            sides = (made - THRESHOLD) * torch.where(self.codes > THRESHOLD, 1.0, -1.0)
            sides = sides.masked_fill(self.mask == 0, torch.inf).amin(-1)
            margins.append(sides)
            right = right & (sides > 0)
        return right.float().mean().item(), min(m.min().item() for m in margins)

    def lacks(self) -> Mapping[str, str]:
        """See `Trainable.lacks`."""
        lacks = {} if self.mapping else {"with_fresh_key": OWN_CODE}
        sends_bits = self.mapping and self.net.travels == "bits"
        return lacks | ({} if sends_bits else {"with_key_bit_flipped": NO_KEY_BITS})

    def subject(self) -> CodebookCipher:
        """The trained ensemble as code books, with the networks beside them."""
        codes, decoded = self.net.tables(self.bits)
        key = np.packbits(self.codes.cpu().numpy().astype(np.uint8), axis=-1) if self.mapping else None
        weights = {name: w.cpu().numpy() for name, w in self.net.state_dict().items()}
        bits = np.array(self.bits) * (1 if self.net.travels == "bits" else 32)
        network = (self.net.settings(), weights)
        return CodebookCipher(codes, bits, decoded, self.chunk, key, network)
