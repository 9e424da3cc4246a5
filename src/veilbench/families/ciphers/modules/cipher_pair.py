"""Pairs of networks that encrypt and decrypt text character by character, as one pair or as an ensemble."""

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
from veilbench.families.ciphers.losses.squared import ensemble_mse
from veilbench.families.ciphers.nets.cipher_pair import THRESHOLD, CipherPairNet
from veilbench.families.ciphers.schemes.codebook import NO_KEY_BITS, OWN_CODE, CodebookCipher, draw_mapping
from veilbench.text.alphabet import SIZE


class CipherPair(pl.LightningModule, Trainable):
    """M encrypter/decrypter pairs, trained simultaneously.

    With a mapping, random codes are drawn as the key. The encrypter learns to map each character to its code, and the
    decrypter to map each code to its character, both by the mean squared error. Without a mapping, the pair is trained
    end to end and learns its own code; the gradient of the threshold is estimated by the straight-through estimator
    (Bengio et al. 2013).

    The arguments are settings of the source system, each of which can be varied on its own.

    Args:
        encrypter: widths of the encrypter's hidden layers, from the 91 characters to the code.
        decrypter: widths of the decrypter's hidden layers, from the code to the 91 characters.
        code_bits: bits per code, one number for all members or one per member; at least 7.
        members: number of pairs, M.
        chunk: number of consecutive characters that one member encrypts.
        mapping: True to draw the codes at random as the key, False to let each pair learn its own.
        travels: content of the ciphertext: `bits`, the thresholded outputs of the encrypter, or `floats`, its raw
            outputs, as in the source system.
        learning_rate: learning rate of Adam.
        slope: negative slope of LeakyReLU.
        margin: minimum margin of all outputs for training to stop; all characters must be correct too. For an encrypter
            the margin is the distance of an output from the threshold, for a decrypter the difference between its
            largest and second largest output.
    """

    data_kind = Texts
    trained_kind = CodebookCipher

    def __init__(
        self,
        encrypter: Sequence[Width] = (91, 72, 64, 48, 36, 32),
        decrypter: Sequence[Width] = (32, 40, 46, 54, 64, 91, 91),
        code_bits: Width | Sequence[Width] = 32,
        members: Count = 1,
        chunk: Depth = 1,
        mapping: bool = True,
        travels: Literal["bits", "floats"] = "bits",
        learning_rate: LearningRate = 4e-3,
        slope: Real = 0.3,
        margin: NotNegative = 0.1,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.bits = [code_bits] * members if isinstance(code_bits, int) else list(code_bits)
        if len(self.bits) != members:
            raise ValueError(f"code_bits={code_bits} must be one number, or one for each of the {members} members")
        if 2 ** min(self.bits) < SIZE:
            raise ValueError(f"code_bits={min(self.bits)} cannot tell {SIZE} characters apart: at least 7 are needed")
        longest = max(self.bits)
        require_room(f"members={members} codes of {longest} bits", members, SIZE, longest)
        widths = [SIZE, *encrypter, longest], [longest, *decrypter, SIZE]
        self.net = CipherPairNet(*widths, members, slope, travels, not mapping and travels == "bits")
        self.chunk, self.mapping = chunk, mapping
        self.learning_rate, self.margin = learning_rate, margin
        mask = torch.arange(longest) < torch.tensor(self.bits)[:, None, None]
        self.mask: Tensor
        self.codes: Tensor
        self.register_buffer("mask", mask.float())
        self.register_buffer("codes", torch.zeros(members, SIZE, longest))

    def start(self, texts: Texts, seeds: np.random.SeedSequence) -> Tensor:
        """Draw the key and the initial weights.

        Returns:
            The training text as symbols, shape (length,).
        """
        rng = np.random.default_rng(seeds)
        for member, bits in enumerate(self.bits):
            self.codes[member, :, :bits] = torch.from_numpy(draw_mapping(bits, rng).astype(np.float32))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        self.net.encrypter.reset_parameters(generator)
        self.net.decrypter.reset_parameters(generator)
        return torch.from_numpy(texts.words.astype(np.int64))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return fused Adam, which halves the time per step of networks this small."""
        return torch.optim.Adam(self.net.parameters(), lr=self.learning_rate, fused=True)

    def loss(self, symbols: Tensor) -> Tensor:
        """Return the loss on a batch of symbols, shape (batch,), summed over the members."""
        targets = torch.nn.functional.one_hot(symbols, SIZE).to(self.codes.dtype)
        if not self.mapping:
            raw = self.net.encode_alphabet().index_select(1, symbols)
            sent = raw + (self.net.quantise(raw) - raw).detach()  # straight-through estimator
            return ensemble_mse(self.net.decrypter(sent * self.mask), targets)
        raw = self.net.encrypter.forward_one_hot(symbols)
        codes = self.codes.index_select(1, symbols)
        encrypter_loss = ensemble_mse(raw, codes, self.mask)
        return encrypter_loss + ensemble_mse(self.net.decrypter(codes), targets)

    def training_step(self, batches: Tensor) -> Tensor:
        """Take one optimizer step per batch; Lightning's overhead is paid once per call.

        Args:
            batches: symbols, shape (steps, batch).

        Returns:
            The loss of the last batch, summed over the members.
        """
        optimizer = cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = self.loss(batch)
            self.manual_backward(loss)
            optimizer.step()
        right, margin = self.measure_margin()
        self.curves = {"loss": loss.item() / self.net.members, "characters right": right, "margin": margin}
        self.trainer.should_stop = right == 1 and margin >= self.margin
        return loss

    @torch.no_grad()
    def measure_margin(self) -> tuple[float, float]:
        """Measure the share of characters that all networks map correctly, and the smallest margin of their outputs."""
        symbols = torch.arange(SIZE, device=self.device)
        raw = self.net.encode_alphabet()
        answers = self.net.decrypter(self.net.quantise(raw) * self.mask)
        best = answers.topk(2, -1)
        margins = [best.values[..., 0] - best.values[..., 1]]
        right = best.indices[..., 0] == symbols
        if self.mapping:
            distances = (raw - THRESHOLD) * torch.where(self.codes > THRESHOLD, 1.0, -1.0)
            distances = distances.masked_fill(self.mask == 0, torch.inf).amin(-1)
            margins.append(distances)
            right = right & (distances > 0)
        return right.float().mean().item(), min(m.min().item() for m in margins)

    def lacks(self) -> Mapping[str, str]:
        """Return the operations that the cipher does not support, with reasons."""
        lacks = {} if self.mapping else {"with_fresh_key": OWN_CODE}
        sends_bits = self.mapping and self.net.travels == "bits"
        return lacks | ({} if sends_bits else {"with_key_bit_flipped": NO_KEY_BITS})

    def trained_model(self) -> CodebookCipher:
        """Return the trained ensemble as code books, together with the networks."""
        codes, decoded = self.net.tabulate(self.bits)
        key = np.packbits(self.codes.cpu().numpy().astype(np.uint8), axis=-1) if self.mapping else None
        weights = {name: w.cpu().numpy() for name, w in self.net.state_dict().items()}
        bits = np.array(self.bits) * (1 if self.net.travels == "bits" else 32)
        network = (self.net.settings(), weights)
        return CodebookCipher(codes, bits, decoded, self.chunk, key, network)
