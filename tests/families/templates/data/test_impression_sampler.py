from __future__ import annotations

import numpy as np
import pytest
import torch

from veilbench.bench.errors import UserError
from veilbench.families.templates.data.identities import Impressions
from veilbench.families.templates.data.impression_sampler import ImpressionSampler

WHO = np.array([5, 9, 5, 5, 9, 2, 9, 9])


def part(who: np.ndarray = WHO) -> Impressions:
    """Each image says whose it is, on its left, and its own number, on its right."""
    images = np.zeros((len(who), 1, 2, 2), np.float32)
    images[..., 0], images[..., 1] = who[:, None, None], np.arange(len(who))[:, None, None]
    return Impressions(images, who, np.arange(len(who)), {})


def drawn(sampler: ImpressionSampler, people: list[int], each: int, seed: int = 0) -> torch.Tensor:
    return sampler.draw(torch.tensor(people), each, torch.Generator().manual_seed(seed))


def test_images_are_of_the_people_asked_for_and_each_once_before_any_again() -> None:
    sampler = ImpressionSampler(part())
    assert sampler.people.tolist() == [2, 5, 9]
    images = drawn(sampler, [1, 2, 0], 4)
    assert images[:, 0, 0, 0].tolist() == [5] * 4 + [9] * 4 + [2] * 4
    own = [images[i : i + 4, 0, 0, 1].tolist() for i in (0, 4, 8)]
    assert set(own[0]) == {0, 2, 3}  # three, of which one twice
    assert set(own[1]) == {1, 4, 6, 7}
    assert own[2] == [5] * 4


def test_the_seed_decides() -> None:
    sampler = ImpressionSampler(part())
    assert torch.equal(drawn(sampler, [1, 2], 2), drawn(sampler, [1, 2], 2))
    assert any(not torch.equal(drawn(sampler, [1, 2], 2), drawn(sampler, [1, 2], 2, seed)) for seed in range(1, 5))


def test_mirror_images_are_of_other_people() -> None:
    sampler = ImpressionSampler(part(), mirrored=True)
    assert len(sampler) == 6
    images = drawn(sampler, [4, 5, 3], 3)
    assert images[:, 0, 0, 1].tolist() == [5] * 3 + [9] * 3 + [2] * 3
    assert set(images[:3, 0, 0, 0].tolist()) == {0, 2, 3}


def test_single_impressions_are_refused() -> None:
    with pytest.raises(UserError, match="3 identities have one impression each"):
        ImpressionSampler(part(np.arange(3)))


def test_twins_are_further_identities_in_a_batch_with_their_originals() -> None:
    twins = part(np.array([9, 2, 5, 9]))
    twins.images[...] += 100
    sampler = ImpressionSampler(part(), mirrored=True, twins=twins)
    assert len(sampler) == 12
    assert sampler.groups.tolist() == [[0, 3], [1, 4], [2, 5], [6, 9], [7, 10], [8, 11]]
    for group, who in zip(sampler.groups.tolist(), [2, 5, 9] * 2, strict=True):
        images = drawn(sampler, group, 4)
        place = 1 if group[0] >= 6 else 0  # mirrored
        assert images[:, 0, 0, place].tolist() == [who] * 4 + [who + 100] * 4


def test_without_twins_identities_are_drawn_one_by_one() -> None:
    assert ImpressionSampler(part()).groups.tolist() == [0, 1, 2]
    assert ImpressionSampler(part(), mirrored=True).groups.tolist() == list(range(6))
