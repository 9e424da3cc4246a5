"""Encrypter and decrypter as tables: what travels, what is cut off, and what the tables say of the networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from veilbench.families.ciphers.nets.cipher_pair import CipherPairNet


def pair(**settings: Any) -> CipherPairNet:
    """Two members with random weights and codes of 12 units on both sides of the threshold."""
    net = CipherPairNet([91, 30, 12], [12, 30, 91], members=2, **settings)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return net


def codes(net: CipherPairNet) -> Tensor:
    """Each character's code, one member and one one-hot row at a time."""
    members = []
    for member in range(net.members):
        rows = []
        for row in torch.eye(91):
            for weight, bias in zip(net.encrypter.weights, net.encrypter.biases, strict=True):
                row = row @ weight[member] + bias[member, 0]
                row = torch.where(row < 0, net.slope * row, row)
            rows.append(row)
        members.append(torch.stack(rows))
    return torch.stack(members).detach()


def test_the_book_is_what_the_encrypters_answer() -> None:
    net = pair(slope=0.1)
    torch.testing.assert_close(net.encode_alphabet(), codes(net), rtol=1e-4, atol=1e-4)


def test_a_centred_book_has_mean_one_half_and_deviation_one() -> None:
    net = pair(centred=True)
    raw = codes(net).numpy()
    wanted = (raw - raw.mean(1, keepdims=True)) / raw.std(1, ddof=1, keepdims=True) + 0.5
    np.testing.assert_allclose(net.encode_alphabet().detach(), wanted, atol=1e-4)


def test_bits_travel_after_a_threshold_and_floats_as_they_are() -> None:
    code = torch.tensor([-1.0, 0.5, 0.500001, 3.0])
    assert pair().quantise(code).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert torch.equal(pair(travels="floats").quantise(code), code)


def test_tables_of_bits_are_packed_and_cut_to_each_members_length() -> None:
    net = pair()
    packed, _ = net.tabulate([5, 12])
    wanted = (codes(net) > 0.5).numpy()
    wanted[0, :, 5:] = False
    assert packed.shape == (2, 91, 2)
    unpacked = np.unpackbits(packed, axis=-1)
    np.testing.assert_array_equal(unpacked[..., :12], wanted)
    assert not unpacked[..., 12:].any()


def test_tables_of_floats_are_big_endian_and_cut_to_each_members_length() -> None:
    net = pair(travels="floats")
    packed, _ = net.tabulate([5, 12])
    assert packed.shape == (2, 91, 48)
    read = np.frombuffer(packed.tobytes(), ">f4").reshape(2, 91, 12)
    wanted = codes(net).numpy()
    wanted[0, :, 5:] = 0
    np.testing.assert_allclose(read, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("travels", ["bits", "floats"])
def test_the_decoded_table_is_the_decrypters_answer_to_what_travels(travels: str) -> None:
    net = pair(travels=travels)
    packed, decoded = net.tabulate([5, 12])
    if travels == "bits":
        received = np.unpackbits(packed, axis=-1)[..., :12].astype(np.float32)
    else:
        received = np.frombuffer(packed.tobytes(), ">f4").astype(np.float32).reshape(2, 91, 12)
    with torch.no_grad():
        wanted = net.decrypter(torch.from_numpy(received)).argmax(-1).numpy()
    np.testing.assert_array_equal(decoded, wanted)
    assert decoded.dtype == np.uint8
    assert len(np.unique(decoded)) > 10


def test_settings_build_the_same_network() -> None:
    net = pair(slope=0.2, travels="floats", centred=True)
    other = CipherPairNet(**net.settings())
    other.load_state_dict(net.state_dict())
    for one, same in zip(net.tabulate([12, 12]), other.tabulate([12, 12]), strict=True):
        np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize(
    ("encrypter", "decrypter", "said"),
    [
        ([90, 8], [8, 91], "encrypter begins with 90, but decrypter ends with 91"),
        ([91, 8], [8, 92], "encrypter begins with 91, but decrypter ends with 92"),
        ([91, 8], [9, 91], "encrypter ends with 8, but decrypter begins with 9"),
    ],
)
def test_widths_that_do_not_fit_are_refused(encrypter: list[int], decrypter: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CipherPairNet(encrypter, decrypter)
