"""A substitution cipher as a random table: equivalent to the neural code books, but without a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.limits import Depth, Seed, Width
from veilbench.families.ciphers.schemes.codebook import CodebookCipher, draw_mapping


class Substitution(CodebookCipher):
    """A table with a random code for each character, or several such tables, one of which encrypts each chunk.

    Args:
        code_bits: bits per code, one number for each table; at least 7, to distinguish 91 characters.
        chunk: number of consecutive characters that one table encrypts.
        seed: seed of the initial key; `with_fresh_key` draws others.
    """

    def __init__(
        self,
        code_bits: Annotated[Sequence[Annotated[Width, Ge(7)]], MinLen(1)] = (32,),
        chunk: Depth = 1,
        seed: Seed = 0,
    ) -> None:
        rng = np.random.default_rng(seed)
        books = CodebookCipher.from_mappings([draw_mapping(bits, rng) for bits in code_bits])
        super().__init__(books.codes, books.bits, books.decoded, chunk, books.key)
