"""The mapping as a plain table, with no network: what the neural ciphers amount to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.limits import Depth, Seed, Width
from veilbench.families.ciphers.schemes.codebook import CodebookCipher, random_mapping


class Substitution(CodebookCipher):
    """A random code for each character, or several such tables taken in random turns.

    Args:
        code_bits: bits of a code, one number for each table.
        chunk: characters that one table encrypts in a row.
        seed: draws the first key; `with_fresh_key` draws others.
    """

    def __init__(
        self,
        code_bits: Annotated[Sequence[Annotated[Width, Ge(7)]], MinLen(1)] = (32,),
        chunk: Depth = 1,
        seed: Seed = 0,
    ) -> None:
        rng = np.random.default_rng(seed)
        drawn = CodebookCipher.from_mappings([random_mapping(bits, rng) for bits in code_bits])
        super().__init__(drawn.codes, drawn.bits, drawn.decoded, chunk, drawn.key)
