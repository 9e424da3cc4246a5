"""Short names: both ends stay, the width is kept, and no two rows get one name."""

from __future__ import annotations

import pytest

from veilbench.bench.report.names import shorten, shorten_all


@pytest.mark.parametrize(
    ("name", "width", "short"),
    [
        ("hashmap", 7, "hashmap"),
        ("hashmap", 6, "has…ap"),
        ("hashmap", 3, "h…p"),
        ("hashmap model.epochs=3 seed=12", 20, "hashmap mo…3 seed=12"),
    ],
)
def test_the_middle_is_left_out(name: str, width: int, short: str) -> None:
    assert shorten(name, width) == short
    assert len(short) <= width


def test_a_width_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="width=2 must be 3 or more"):
        shorten("hashmap", 2)


def test_short_names_stay_different() -> None:
    names = [f"hashmap a={middle} model.epochs=3 data=prints" for middle in range(12)] + ["pca"]
    short = shorten_all(names, 16)
    assert list(short) == names
    assert len(set(short.values())) == len(names)
    assert all(len(one) <= 16 for one in short.values())
    assert short["pca"] == "pca"
