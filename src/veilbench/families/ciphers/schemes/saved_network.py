"""Validates the networks that are stored with a code book, without importing torch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import MinLen

from veilbench.bench.checked_arrays import require_array, require_range
from veilbench.bench.limits import LARGEST_VALUE, Count, Real, Width, require_value
from veilbench.text.alphabet import SIZE

Widths = Annotated[list[Width], MinLen(2)]
ALLOWED = {  # settings of `nets.cipher_pair.CipherPairNet` and their allowed values
    "encrypter": Widths,
    "decrypter": Widths,
    "members": Count,
    "slope": Real,
    "travels": Literal["bits", "floats"],
    "centred": bool,
}


def check_network(
    settings: Mapping[str, Any], weights: Mapping[str, np.ndarray], codes: np.ndarray, bits: np.ndarray
) -> None:
    """Check that stored networks fit a code book. For a table without networks, settings and weights are empty.

    Args:
        settings: constructor arguments of `nets.cipher_pair.CipherPairNet`.
        weights: state dict of `nets.cipher_pair.CipherPairNet`, as arrays.
        codes: packed codes of the code book, shape (members, symbols, bytes).
        bits: number of used bits in each member's codes, shape (members,).

    Raises:
        ValueError: a setting or a weight is missing, unknown, out of range, or inconsistent with the others.
    """
    if not settings:
        if weights:
            raise ValueError(f"there are weights of networks, such as network.{min(weights)}, and no settings of them")
        return
    for name, allowed in ALLOWED.items():
        if name not in settings:
            raise ValueError(f"settings.network.{name} is missing")
        require_value(allowed, settings[name], f"settings.network.{name}")
    if unknown := sorted(settings.keys() - ALLOWED.keys()):
        raise ValueError(f"unknown key settings.network.{unknown[0]}; allowed: {', '.join(ALLOWED)}")
    _check_widths(settings, codes, bits)
    for half in ("encrypter", "decrypter"):
        for place, (inputs, outputs) in enumerate(itertools.pairwise(settings[half])):
            for kind, rows in (("weights", inputs), ("biases", 1)):
                name, shape = f"{half}.{kind}.{place}", (settings["members"], rows, outputs)
                require_array(weights, name, np.float32, shape, low=-LARGEST_VALUE, high=LARGEST_VALUE)
    if len(weights) != (wanted := 2 * sum(len(settings[half]) - 1 for half in ("encrypter", "decrypter"))):
        raise ValueError(f"there are {len(weights)} arrays of networks that have {wanted}")


def _check_widths(settings: Mapping[str, Any], codes: np.ndarray, bits: np.ndarray) -> None:
    floats = settings["travels"] == "floats"
    width = settings["encrypter"][-1]
    if settings["members"] != len(codes):
        raise ValueError(f"settings.network.members={settings['members']}, and codes has {len(codes)} members")
    if settings["encrypter"][0] != SIZE or settings["decrypter"][-1] != SIZE or settings["decrypter"][0] != width:
        ends = f"{settings['encrypter']} and {settings['decrypter']}"
        raise ValueError(f"settings.network has widths {ends}, {SIZE} characters to a code and back are needed")
    if codes.shape[2] != (wanted := 4 * width if floats else -(-width // 8)):
        raise ValueError(f"codes has {codes.shape[2]} bytes a code, and networks of width {width} make {wanted}")
    if floats:
        require_range(np.ascontiguousarray(codes).view(">f4"), "codes", -LARGEST_VALUE, LARGEST_VALUE)
        return
    require_range(bits, "bits", 1, width)
