"""Trained on one source, tested on another: nobody of the second trains, nobody of the first is tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.templates.data.prints.generator import Prints
from veilbench.families.templates.data.prints.sensor import Sensor
from veilbench.families.templates.data.raw_identities import RawIdentities
from veilbench.families.templates.data.transferred import TransferredData, crop_around


class Given:
    def __init__(self, people: int, side: int, level: int) -> None:
        self.people, self.side, self.level = people, side, level

    def read(self) -> RawIdentities:
        who = np.repeat(np.arange(self.people), 3)
        images = np.random.default_rng(0).integers(0, 100, (len(who), 1, self.side, self.side)).astype(np.uint8)
        return RawIdentities(images + np.uint8(self.level), who, np.tile(np.arange(3), self.people))


def test_one_source_trains_and_the_other_is_tested(tmp_path: Path) -> None:
    data = TransferredData(Given(10, 20, 0), Given(4, 12, 150), split=(0.4, 0.6), size=(12, 12), seed=1)
    data.prepare(tmp_path)
    found = data.load(tmp_path)
    assert found.train.images.min() > 0.5
    assert max(part.images.max() for part in (found.auxiliary, found.enrolment, found.probe)) < 0.5
    assert [len(np.unique(part.identities)) for part in (found.train, found.auxiliary, found.probe)] == [4, 4, 6]
    assert set(found.auxiliary.identities).isdisjoint(found.probe.identities)


def test_the_middle_is_kept() -> None:
    images = np.arange(2 * 7 * 6).reshape(2, 1, 7, 6)
    cropped = TransferredData(Given(3, 9, 0), Given(3, 9, 0), (3, 2)).crop(images)
    np.testing.assert_array_equal(cropped, images[:, :, 2:5, 2:4])
    with pytest.raises(UserError, match=r"window=\[8, 2\] is larger than the images, \[7, 6\]"):
        crop_around(images, (8, 2), np.array([[3, 3]] * 2))


def test_a_window_at_an_edge_moves_inwards() -> None:
    images = np.arange(3 * 7 * 6).reshape(3, 1, 7, 6)
    cropped = crop_around(images, (4, 2), np.array([[0, 0], [6, 5], [2, 4]]))
    np.testing.assert_array_equal(cropped[0], images[0, :, :4, :2])
    np.testing.assert_array_equal(cropped[1], images[1, :, 3:, 4:])
    np.testing.assert_array_equal(cropped[2], images[2, :, :4, 3:5])


def test_windows_around_the_core_align_impressions_that_are_shifted() -> None:
    ridges = Prints(Sensor(), 1, size=240, seed=3).generate_finger(1)[0]
    still = Sensor(*[0.0] * 7)
    print_ = still.generate_impression(ridges, 240, np.random.default_rng(0))
    moved = np.roll(print_, (21, -18), (0, 1))
    data = TransferredData(Given(3, 9, 0), Given(3, 9, 0), (120, 120), centred="core")
    one, other = data.crop(np.stack([print_, moved])[:, None])[:, 0]
    assert (one == other).mean() > 0.99


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"split": (0.5, 0.2)}, "split="), ({"window": (9,)}, "window="), ({"centred": "delta"}, "centred=delta")],
)
def test_a_bad_value_is_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TransferredData(Given(3, 9, 0), Given(3, 9, 0), **settings)
